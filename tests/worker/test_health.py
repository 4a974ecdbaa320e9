"""Probes and metrics of ``taskq worker``, as Prometheus and a container platform see them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from taskq import Task, TaskQueue
from taskq.cli import main
from taskq.metrics import RunMetrics
from taskq.worker.attempt import Judge
from taskq.worker.watched import WatchedJudge, judge_for
from tests.faults.commands import Command, WorkerCommand
from tests.metrics.scrape import get, scrape
from tests.servers import ServerProcess
from tests.waiting import eventually

HANDLERS = """
import os
import signal
import threading
import time
from pathlib import Path

from taskq.worker.engine import Engine

def register(worker):
    for function in (good, bad, die, gated, hang):
        worker.register_handler(function.__name__, function)

def good(task):
    return "done"

def bad(task):
    raise ValueError("boom")

def die(task):
    os.kill(os.getpid(), signal.SIGKILL)

def gated(task):
    while not Path("gate").exists():
        time.sleep(0.01)

def hang(task):
    # the next time that the loop of this process comes round, it stays where it is
    Engine._another = Engine._sleep = lambda self: threading.Event().wait()
"""

STAMPING = """
from taskq import Task
from taskq.middleware import Middleware

class Stamp(Middleware):
    def before_submit(self, task):
        task.metadata = {"by": "stamp"}

def register(worker):
    worker.install(Stamp())
    worker.register_handler("parent", lambda task, ctx: ctx.submit(Task(task_type="echo")))
"""

Start = Callable[..., tuple[WorkerCommand, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handlers.py").write_text(HANDLERS)
    return tmp_path


@pytest.fixture
def start(redis_url: str, prefix: str, folder: Path) -> Iterator[Start]:
    started: list[Command] = []

    def begin(*flags: str, url: str = redis_url) -> tuple[WorkerCommand, str]:
        environment = {"TASKQ_REDIS_URL": url, "TASKQ_PREFIX": prefix, "TASKQ_MAX_CRASHES": "1"}
        command = WorkerCommand(["-m", "taskq", "worker", "--metrics-port", "0", *flags], environment, folder)
        started.append(command)
        return command, command.sees(r"http://(\S+)/metrics").removeprefix("http://").removesuffix("/metrics")

    yield begin
    for command in started:
        command.destroy()


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as opened:
        yield opened


def wait_for(address: str, name: str, value: float) -> dict[str, float]:
    def found() -> dict[str, float] | None:
        samples = scrape(address)
        return samples if samples.get(name, 0) == value else None

    return eventually(found, 20, f"{name} = {value}")


def test_what_a_worker_measures_outlives_its_processes(queue: TaskQueue, start: Start) -> None:
    command, address = start("--concurrency", "3")
    command.ready()
    assert get(address, "/readyz") == get(address, "/livez") == (200, "ok\n")
    queue.submit_batch(
        [Task(task_type="good", priority="high"), Task(task_type="good"), Task(task_type="bad", max_retries=0)]
    )
    samples = wait_for(address, "taskq_worker_runs_total{outcome=fail,type=bad}", 1)
    wanted = {
        "taskq_worker_runs_total{outcome=complete,type=good}": 2,
        "taskq_worker_run_seconds_count{type=good}": 2,
        "taskq_worker_run_seconds_bucket{le=1800,type=good}": 2,
        "taskq_worker_start_seconds_count{priority=high,queue=default}": 1,
        "taskq_worker_start_seconds_count{priority=normal,queue=default}": 2,
        "taskq_worker_processes": 1,
        "taskq_worker_slots": 3,
        "taskq_worker_server_up": 1,
        "taskq_worker_refused_total": 0,
    }
    assert {name: samples.get(name) for name in wanted} == wanted
    queue.submit_task(Task(task_type="die"))
    command.ready(2)
    samples = wait_for(address, "taskq_worker_process_ends_total{how=crashed}", 1)
    assert samples["taskq_worker_runs_total{outcome=complete,type=good}"] == 2, "a counter never goes back"
    assert command.stop() == 0


def test_a_worker_that_stops_is_not_ready_but_alive(queue: TaskQueue, start: Start, folder: Path) -> None:
    command, address = start()
    command.ready()
    queue.submit_task(Task(task_type="gated"))
    wait_for(address, "taskq_worker_running", 1)
    command.send(signal.SIGTERM)
    eventually(lambda: get(address, "/readyz") == (503, "the worker is stopping\n"), what="not ready")
    assert get(address, "/livez")[0] == 200
    (folder / "gate").touch()
    assert command.wait() == 0


def test_a_server_that_is_away_makes_no_worker_dead(server: ServerProcess, start: Start) -> None:
    command, address = start(url=server.url)
    command.ready()
    server.kill9()
    eventually(lambda: get(address, "/readyz") == (503, "the server does not answer\n"), what="not ready")
    wait_for(address, "taskq_worker_server_up", 0)
    assert get(address, "/livez")[0] == 200
    server.start()
    eventually(lambda: get(address, "/readyz")[0] == 200, what="ready again")


@pytest.mark.slow
def test_an_idle_worker_stays_green_and_a_hung_loop_turns_red(queue: TaskQueue, start: Start) -> None:
    command, address = start("--hung-after", "6s")
    command.ready()
    idle_until = scrape(address)["taskq_worker_claim_silence_seconds"]
    # longer than an idle loop sleeps: at least once its silence has grown beyond a second and fallen back
    eventually(lambda: scrape(address)["taskq_worker_claim_silence_seconds"] > idle_until + 1.0, 20, "an idle loop")
    eventually(lambda: scrape(address)["taskq_worker_claim_silence_seconds"] < 1.0, 20, "a turn of the idle loop")
    assert get(address, "/livez")[0] == 200
    queue.submit_task(Task(task_type="hang"))
    _, text = eventually(lambda: found if (found := get(address, "/livez"))[0] == 503 else None, 25, "a red /livez")
    assert text.startswith(f"the claim loop of process {command.child_pids[0]} has been silent for ")
    assert get(address, "/readyz")[0] == 503


def test_check_asks_the_server_or_the_probes(redis_url: str, prefix: str, start: Start, queue: TaskQueue) -> None:
    environment = {"TASKQ_REDIS_URL": redis_url, "TASKQ_PREFIX": prefix}

    def check(*flags: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["worker", "--check", *flags], env=environment)
        return result.exit_code, result.stdout

    code, text = check()
    assert (code, "no worker of" in text) == (1, True)
    command, address = start()
    command.ready()
    assert check() == check("--metrics-port", address) == (0, "ok\n")
    command.stop()
    code, text = check("--metrics-port", address, "--json")
    assert (code, '"ok": false' in text, "nothing answers" in text) == (1, True, True)


def test_what_handlers_submit_passes_the_middleware_of_their_module(
    queue: TaskQueue, folder: Path, redis_url: str, prefix: str
) -> None:
    (folder / "stamping.py").write_text(STAMPING)
    parent = queue.submit_task(Task(task_type="parent"))
    environment = {"TASKQ_REDIS_URL": redis_url, "TASKQ_PREFIX": prefix}
    command = Command(["-m", "taskq", "worker", "--burst", "--handlers", "stamping"], environment, folder)
    assert command.wait() == 0
    child = (queue.get_task_result(parent) or {})["result"]
    assert queue.get_task(child).metadata == {"by": "stamp"}
    assert queue.get_task(parent).metadata == {}


def test_a_port_that_is_taken_is_said_before_anything_starts(start: Start, redis_url: str, folder: Path) -> None:
    _, address = start()
    second = Command(["-m", "taskq", "worker", "--metrics-port", address], {"TASKQ_REDIS_URL": redis_url}, folder)
    assert second.wait() == 2
    assert f"cannot serve metrics on {address}" in second.output


def test_without_the_flag_nothing_is_measured(queue: TaskQueue) -> None:
    assert type(judge_for(queue.settings, queue.registry, str, int)) is Judge
    queue.install(RunMetrics())
    assert type(judge_for(queue.settings, queue.registry, str, int)) is WatchedJudge

"""The server goes away, comes back, stands still, forgets and fills up: nothing is lost, nobody is taken for dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from taskq import AccessDenied, ServerFull, Settings, Task, TaskQueue
from taskq.testing.check import check
from taskq.testing.ledger import Ledger
from tests.conftest import StartServer
from tests.faults.conftest import Site, Spawn
from tests.waiting import eventually
from tests.worker.background import Background


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A shorter lease than usual: most of these tests wait for the end of one."""
    return replace(settings, heartbeat_interval_seconds=0.3, lease_seconds=2.0)


class Load:
    """Submits tasks from a thread, one batch after another, until it is told to stop."""

    def __init__(self, queue: TaskQueue, ledger: Ledger) -> None:
        self._queue = queue
        self._ledger = ledger
        self._enough = threading.Event()
        self.submitted = 0
        self._background = Background(self._run)

    def _run(self) -> None:
        while not self._enough.wait(0.01):
            tasks = [Task(task_type=("work", "async_work")[n % 2], payload=0.002) for n in range(4)]
            for task in tasks:  # before the submit: it may be accepted although its reply is lost
                self._ledger.note("submit", task.task_id)
            self._queue.submit_batch(tasks)
            self.submitted += len(tasks)

    def end(self) -> None:
        self._enough.set()
        self._background.join(40)

    def check(self) -> None:
        """Assert that the load is still under way."""
        assert self._background.running, self._background.error


@contextmanager
def under_load(site: Site, ledger: Ledger, commands: int = 1) -> Iterator[Load]:
    """Run a block while tasks are submitted and worked off, and wait until all of them have completed."""
    workers = [site.spawn("--concurrency", "4", "--processes", "2") for _ in range(commands)]
    for worker in workers:
        worker.ready(2)
    listening = ledger.listen(site.queue)
    load = Load(site.queue, ledger)
    eventually(lambda: site.counter("completed") > 20, what="the load to begin")
    yield load
    load.check()
    load.end()
    eventually(lambda: site.counter("completed") == load.submitted, 40, "all tasks to complete")
    listening.stop()
    assert check(ledger, site.queue).violations == ()
    assert all(worker.process.poll() is None for worker in workers)
    assert all(worker.stop() == 0 for worker in workers)
    assert site.counter("failed") == 0


def repeat(action: Callable[[], object], times: int, pause_seconds: float) -> None:
    """Do something again and again."""
    for _ in range(times):
        action()
        time.sleep(pause_seconds)


def told(client: redis.Redis, error: str) -> int:
    """Return how often the server has answered with an error."""
    return int(client.info("errorstats").get(f"errorstat_{error}", {}).get("count", 0))


def is_busy(client: redis.Redis) -> bool:
    try:
        return not client.ping()
    except redis.exceptions.ResponseError as error:
        return str(error).startswith("BUSY") or "busy running a script" in str(error)


@pytest.mark.slow
def test_ten_restarts_under_load_lose_nothing_and_no_worker(site: Site, ledger: Ledger) -> None:
    with under_load(site, ledger, commands=2) as load:
        for _ in range(10):
            done = site.counter("completed")
            site.server.restart()
            eventually(lambda done=done: site.counter("completed") > done, 40, "work to go on")  # type: ignore[misc]  # no type for a default
        assert load.submitted > 40
    assert site.counter("recovered") == 0, "no worker was taken for dead"


def test_a_server_that_is_killed_has_lost_nothing(site: Site, ledger: Ledger) -> None:
    with under_load(site, ledger):
        for _ in range(3):
            done = site.counter("completed")
            site.server.kill9()
            site.server.start()
            eventually(lambda done=done: site.counter("completed") > done, 40, "work to go on")  # type: ignore[misc]  # no type for a default
    assert site.counter("recovered") == 0


@pytest.mark.slow
def test_a_server_that_is_away_for_longer_than_a_lease_costs_nobody_his_task(
    site: Site, ledger: Ledger, gate: Path
) -> None:
    workers = [site.spawn("--concurrency", "2").ready() for _ in range(2)]
    ids = ledger.submit(site.queue, [Task(task_type="gated") for _ in range(4)])
    eventually(lambda: ledger.count("start") == 4)
    for go, come in ((site.server.pause, site.server.resume), (site.server.stop, site.server.start)):
        go()
        time.sleep(site.queue.settings.lease_seconds + 0.7)  # nothing happens that could be waited for
        come()
        beats = {info.card.get("beat") for info in site.queue.list_workers()}
        eventually(lambda old=beats: len({i.card.get("beat") for i in site.queue.list_workers()} - old) == 2)  # type: ignore[misc]
        time.sleep(2 * site.queue.settings.heartbeat_interval_seconds)  # time to take somebody for dead
        assert site.counter("recovered") == 0
    gate.touch()

    assert [site.queue.wait_for_result(i, timeout=40)["attempts"] for i in ids] == [1] * 4

    assert ledger.count("start") == 4
    assert (site.counter("recovered"), site.counter("completed")) == (0, 4)
    assert sum(worker.stop() for worker in workers) == 0
    assert sum(worker.total("refused") for worker in workers) == 0


def test_scripts_that_are_flushed_are_sent_again(site: Site, ledger: Ledger) -> None:
    with under_load(site, ledger) as load, site.server.client() as client:
        repeat(client.script_flush, 60, 0.01)
        load.check()
    assert site.counter("recovered") == 0


def test_connections_that_are_killed_again_and_again_cost_nothing(site: Site, ledger: Ledger) -> None:
    with under_load(site, ledger) as load, site.server.client() as client:
        repeat(lambda: client.client_kill_filter(_type="normal", skipme=True), 40, 0.03)
        load.check()
    assert site.counter("recovered") == 0


def test_a_full_server_refuses_new_tasks_and_drains_the_others(site: Site, ledger: Ledger) -> None:
    with site.server.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 6 * 2**20)
        worker = site.spawn("--concurrency", "4").ready()
        site.queue.pause()
        accepted = 0

        def submit_until_refused() -> None:
            nonlocal accepted
            while accepted < 2_000:
                task = Task(task_type="work", payload=0, metadata={"filler": "x" * 10_000})
                site.queue.submit_task(task)
                ledger.note("submit", task.task_id)
                accepted += 1

        with pytest.raises(
            ServerFull, match=r"reached its maxmemory and accepts no new task; tasks already queued go on"
        ):
            submit_until_refused()
        assert accepted > 100
        site.queue.resume()

        eventually(lambda: site.counter("completed") == accepted, 40, "everything that was accepted to complete")

        assert client.info("memory")["used_memory"] > client.info("memory")["maxmemory"] * 0.9, (
            "it was full all the time"
        )
        client.config_set("maxmemory", 0)
    assert check(ledger, site.queue).violations == ()
    ledger.submit(site.queue, [Task(task_type="work")])
    eventually(lambda: site.counter("completed") == accepted + 1)
    assert worker.stop() == 0


def test_a_flushed_database_is_noticed_and_the_worker_goes_on(site: Site, ledger: Ledger, gate: Path) -> None:
    worker = site.spawn("--concurrency", "2").ready()
    ledger.submit(site.queue, [Task(task_type="gated"), Task(task_type="gated"), Task(task_type="work")])
    eventually(lambda: ledger.count("start") == 2)
    with site.server.client() as client:
        client.flushall()

    worker.sees(r"ERROR +this is not the namespace that the worker joined: somebody flushed or restored the database")
    worker.sees(r"lost its lease and is back as")
    gate.touch()
    worker.sees("the outcome of task .* was refused", 2)
    after = site.queue.submit_task(Task(task_type="work"))
    assert site.queue.wait_for_result(after, timeout=40)["status"] == "completed"
    assert site.counter("submitted") == site.counter("completed") == 1


def test_a_password_is_wanted_used_and_never_shown(start_server: StartServer, spawn: Spawn, ledger: Ledger) -> None:
    secret = "s3cret-and-l0ng"
    server = start_server([f"requirepass {secret}"])
    open_url, url = server.url, server.url.replace("redis://", f"redis://:{secret}@")
    refused = spawn.on(open_url)()
    assert refused.wait() == 3
    assert "the server refuses access: " in refused.output
    assert "REDIS_URL" in refused.output
    with pytest.raises(AccessDenied):
        TaskQueue(open_url).get_queue_stats()

    worker = spawn.on(url)("--processes", "2").ready(2)
    with TaskQueue(url, prefix=spawn.settings.prefix) as queue:
        (task_id,) = ledger.submit(queue, [Task(task_type="work")])
        assert queue.wait_for_result(task_id, timeout=40)["status"] == "completed"
    for pid in (worker.pid, *worker.child_pids):
        assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    server.restart()
    worker.sees("the server is back after", 2)
    assert worker.stop() == 0
    assert secret not in worker.output
    assert "redis://:***@" in worker.output


def test_a_primary_that_is_a_replica_for_a_while_is_waited_for(site: Site, ledger: Ledger) -> None:
    with under_load(site, ledger) as load, site.server.client() as client:
        client.replicaof("127.0.0.1", 1)
        eventually(lambda: told(client, "READONLY") > 20, what="writes of everybody to be refused")
        load.check()
        client.replicaof("NO", "ONE")
    assert site.counter("recovered") == 0


def test_a_server_that_is_busy_with_a_script_is_waited_for(site: Site, ledger: Ledger) -> None:
    with under_load(site, ledger) as load, site.server.client() as client, site.server.client() as other:
        client.config_set("busy-reply-threshold", 20)

        def spin() -> int:
            """Keep the server busy until it says so; return how often it has said so by now."""
            spinning = Background(lambda: other.eval("while true do end", 0))
            eventually(lambda: is_busy(client), what="the server to be busy")
            client.script_kill()
            with pytest.raises(redis.ResponseError, match="killed"):
                spinning.join()
            return told(client, "BUSY")

        eventually(lambda: spin() > 20, what="everybody to be told BUSY")
        load.check()
    assert site.counter("recovered") == 0


def test_a_key_of_another_type_is_named_and_charged_to_nobody(site: Site, ledger: Ledger, gate: Path) -> None:
    worker = site.spawn("--concurrency", "2").ready()
    (task_id,) = ledger.submit(site.queue, [Task(task_type="gated", max_retries=0)])
    eventually(lambda: ledger.count("start") == 1)
    with site.server.client() as client:
        client.set(f"{site.queue.settings.prefix}:paused", "mine")
        worker.sees(r"ended with code \d+ \(a key of the namespace holds a value of another type, so nothing was chan")
        client.delete(f"{site.queue.settings.prefix}:paused")
    gate.touch()
    result = site.queue.wait_for_result(task_id, timeout=40)

    assert (result["status"], result["attempts"]) == ("completed", 1)
    assert site.counter("recovered") == 0, "it was not the task that ended the process"
    assert worker.stop() == 0
    assert check(ledger, site.queue).violations == ()

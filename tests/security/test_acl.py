"""The rights that ``taskq acl`` prints: enough for the whole job of a role, and not enough for anything else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from taskq import AccessDenied, Consumer, Publisher, QueueFull, Task, TaskQueue, TaskScheduler, TaskWorker
from taskq.protocol.acl import DUTIES, EveryPartition, Role, commands_of, families_of, rules, user_line
from taskq.protocol.keys import Keys
from taskq.protocol.operations import SCRIPTS
from taskq.protocol.permissions import producer_commands, worker_commands
from taskq.settings import Settings
from taskq.transport.blocking import Transport
from taskq.transport.endpoint import Endpoint
from tests.cli.conftest import Run, Spawn
from tests.conftest import StartServer
from tests.lua.scenarios import SCENARIOS, Scenario
from tests.lua.scenarios.bounding import submit_and_shed, submit_and_shed_bytes
from tests.lua.scenarios.grouping import submit_and_shed_of_groups
from tests.security.conftest import PASSWORD, PREFIX, allow, url_of
from tests.servers import ServerProcess
from tests.state import Bench, changes
from tests.waiting import eventually
from tests.worker.background import findings

OpenAs = Callable[[str], TaskQueue]


def changed_by(server: ServerProcess, prefix: str, scenario: Scenario, user: str | None) -> tuple[str, Any]:
    """Return which script is called and what it changes, for an administrator or for a user.

    Somebody listens, so that scripts publish.
    """
    with server.client() as admin, admin.pubsub() as listener, closing(Bench(server.url, prefix, admin)) as bench:
        listener.subscribe(f"{prefix}:events")
        operation = scenario(bench)
        settings = Settings(redis_url=server.url if user is None else url_of(server, user))
        with closing(Transport(Endpoint(settings.redis_url or "", settings), settings)) as transport:
            before = bench.state()
            transport.run(operation)
            return operation.script.name, changes(before, bench.state())


@pytest.mark.parametrize("scenario", [pytest.param(scenario, id=scenario.__name__) for scenario in SCENARIOS])
def test_a_role_can_make_each_of_its_calls(clean: ServerProcess, scenario: Scenario) -> None:
    """Whatever a script finds to do, its caller may do: compared with what the call of an administrator does."""
    script, expected = changed_by(clean, "trusted", scenario, None)
    for role in (role for role in Role if script in DUTIES[role].scripts):
        if DUTIES[role].read_only and expected:
            continue
        with clean.client() as admin:
            # the clock of the tests, which can be moved, stands in the namespace
            allow(admin, "probe", [*rules((role,), Keys(f"by-{role}")), f"(+hget ~by-{role}:meta)"])
        sheds = (submit_and_shed, submit_and_shed_bytes, submit_and_shed_of_groups)
        refused = role is Role.PRODUCER and scenario in sheds
        assert changed_by(clean, f"by-{role}", scenario, "probe") == (script, {} if refused else expected), role


def test_a_producer_sheds_nobody_and_does_all_else(clean: ServerProcess, open_as: OpenAs) -> None:
    """To shed is to read ids, and whoever has an id can cancel: refused before anything is written."""
    producer, operator = open_as("producer"), open_as("operator")
    operator.set_queue_limit(max_tasks=2, on_full="shed_low")
    low = producer.submit_batch([Task(priority="low"), Task(priority="low")])
    with pytest.raises(AccessDenied, match=r"holds 2 tasks and may hold 2.* Shedding needs the rights of an operator"):
        producer.submit_task(Task(priority="urgent"))
    assert [producer.get_task_status(i)["status"] for i in low] == ["pending", "pending"]
    assert operator.get_queue_stats().counters == {"submitted": 2}
    for role in ("operator", "worker"):
        open_as(role).submit_task(Task(priority="urgent"))
    assert [producer.get_task_status(i)["status"] for i in low] == ["cancelled", "cancelled"]
    for on_full in ("reject", "block"):
        operator.set_queue_limit(max_tasks=2, on_full=on_full, timeout=0.05)
        with pytest.raises(QueueFull):
            producer.submit_task(Task())
    operator.set_queue_limit(max_tasks=3, on_full="shed_low")
    producer.submit_task(Task(unique_key="k", unique_policy="replace"))


@pytest.mark.parametrize(
    ("role", "commands"),
    [(Role.PRODUCER, producer_commands(f"{PREFIX}:", "memory")), (Role.WORKER, worker_commands(f"{PREFIX}:"))],
    ids=["producer", "worker"],
)
def test_taskq_doctor_asks_for_no_more_than_a_role_has(
    clean: ServerProcess, role: Role, commands: set[tuple[str, ...]]
) -> None:
    with clean.client() as admin:
        answers = {command: admin.execute_command("ACL DRYRUN", role, *command) for command in commands}
    assert {command: answer for command, answer in answers.items() if answer != "OK"} == {}


def test_every_script_is_called_by_some_role() -> None:
    assert SCRIPTS.keys() - {name for duty in DUTIES.values() for name in duty.scripts} == {"snapshot", "survey"}


def test_a_worker_works_from_its_start_to_its_end(open_as: OpenAs) -> None:
    producer, seen = open_as("producer"), []
    worker = TaskWorker(open_as("worker"), concurrency=2)
    worker.register_handler("ok", lambda task, ctx: [ctx.progress(1), ctx.submit(Task(task_type="child"))][0])
    worker.register_handler("child", lambda task: seen.append(task.task_id))
    worker.register_handler("bad", lambda task: 1 / 0)
    handles = [producer.submit_task(Task(task_type=name, max_retries=0, unique_key=name)) for name in ("ok", "bad")]
    producer.submit_batch([Task(task_type="child", priority=priority) for priority in ("urgent", "low")])
    assert producer.cancel_task(producer.submit_task(Task(task_type="ok"))) == "cancelled"
    worker.run_until_empty()
    assert [producer.wait_for_result(task_id, 5)["status"] for task_id in handles] == ["completed", "failed"]
    assert len(seen) == 3
    assert producer.get_task_status(handles[0])["status"] == "completed"


def test_a_scheduler_fires_and_an_operator_operates(open_as: OpenAs) -> None:
    operator, viewer, scheduler = open_as("operator"), open_as("viewer"), TaskScheduler(open_as("scheduler"))
    TaskScheduler(operator).schedule_every("pulse", 0.1, Task(task_type="none"))
    TaskScheduler(operator).schedule_task_in(Task(task_type="none"), 0.01)
    eventually(lambda: scheduler.run_once() and viewer.get_queue_stats().pending_tasks >= 2, what="two due tasks")
    assert [info.name for info in TaskScheduler(viewer).list_schedules()] == ["pulse"]
    assert len(viewer.list_tasks("pending")) >= 2
    assert viewer.get_task(viewer.list_tasks("pending")[0]["task_id"]).task_type == "none"
    assert (operator.pause(), operator.resume()) == (4, 4)
    assert operator.purge() >= 2
    assert TaskScheduler(operator).remove_schedule("pulse")
    assert viewer.list_workers() == viewer.list_dead() == []


def test_roles_of_a_queue_of_several_partitions(clean: ServerProcess) -> None:
    queues = {}
    with clean.client() as admin:
        for role in (Role.PRODUCER, Role.WORKER):
            allow(admin, f"{role}-of-parts", rules((role,), EveryPartition(PREFIX)))
            settings = Settings(redis_url=url_of(clean, f"{role}-of-parts"), prefix=PREFIX, partitions=3)
            queues[role] = TaskQueue(settings=settings)
    with queues[Role.PRODUCER] as producer, queues[Role.WORKER] as queue:
        worker = TaskWorker(queue)
        worker.register_handler("ok", lambda task: "done")
        ids = [producer.submit_task(Task(task_type="ok")) for _ in range(6)]
        assert worker.run_until_empty() == 6
        assert {producer.wait_for_result(task_id, 5)["result"] for task_id in ids} == {"done"}
        elsewhere = TaskQueue(settings=Settings(redis_url=url_of(clean, "producer-of-parts"), prefix="other"))
        with elsewhere, pytest.raises(AccessDenied):
            elsewhere.submit_task(Task())


def test_processes_work_under_their_users(clean: ServerProcess, spawn: Spawn, run: Run, tmp_path: Path) -> None:
    """``taskq worker`` with its supervisor, guardian and a process that dies; ``taskq scheduler``; ``taskq submit``."""
    (tmp_path / "handlers.py").write_text(
        "import os\ndef register(worker):\n    worker.register_handler('die', lambda task: os._exit(9))\n"
    )
    env = {"TASKQ_PREFIX": PREFIX, "TASKQ_MAX_CRASHES": "1", "TASKQ_HEARTBEAT_INTERVAL": "100ms"}
    worker = spawn("worker", env={**env, "TASKQ_REDIS_URL": url_of(clean, "worker")})
    scheduler = spawn("scheduler", env={**env, "TASKQ_REDIS_URL": url_of(clean, "scheduler")})
    as_producer = {**env, "TASKQ_REDIS_URL": url_of(clean, "producer")}
    done = run("submit", "echo", '"hello"', "--wait", "60s", "--json", env=as_producer)
    assert (done.exit_code, json.loads(done.stdout)["result"]) == (0, "hello"), done.stderr
    delayed = run("submit", "echo", "--delay", "50ms", "--wait", "60s", env=as_producer)
    assert delayed.exit_code == 0, delayed.stderr
    dead = run("submit", "die", "--wait", "60s", env=as_producer)
    assert "poison: 1 workers died" in dead.stderr
    for process in (worker, scheduler):
        process.terminate()
    for process in (worker, scheduler):
        output = "".join(process.communicate(timeout=60))
        assert process.returncode == 0, output
        assert "access" not in output
        assert PASSWORD not in output


def test_a_refusal_says_which_right_is_missing(open_as: OpenAs) -> None:
    with pytest.raises(AccessDenied, match="`taskq acl` prints what each role needs"):
        open_as("viewer").submit_task(Task())


def test_an_operator_may_run_it(run: Run, clean: ServerProcess) -> None:
    """All but the walk through the keys: no role may SCAN."""
    with clean.client() as admin, TaskQueue(clean.url, prefix=PREFIX) as queue:
        task_id = queue.submit_task(Task())
        admin.lrem(f"{PREFIX}:queue:normal", 1, task_id)
        admin.zadd(f"{PREFIX}:leases", {"w9": 1})
        done = run("fsck", "--repair", env={"TASKQ_REDIS_URL": url_of(clean, Role.OPERATOR), "TASKQ_PREFIX": PREFIX})
        assert (done.exit_code, "2 mended, 0 left" in done.stdout) == (0, True), done.output
        assert "the keys were not walked" in done.stderr
        assert findings(queue) == []


# -- where the rights come from --


def test_only_who_takes_from_a_list_may_take_all_of_it() -> None:
    """A list that is deleted, replaced or made to expire is lost with all that waits in it."""
    for role in (Role.PRODUCER, Role.WORKER, Role.SCHEDULER):
        for selector in " ".join(rules((role,), Keys("p"))).split("("):
            words = set(selector.strip("() ").split())
            overwrites = words & {"+del", "+unlink", "+set", "+mset", "+msetnx", "+pexpire", "+pexpireat"}
            places = words & {"~p:queue:*", "~p:processing:*", "~p:status:*"}
            assert not overwrites or not places, selector


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_every_command_and_key_of_a_script_is_seen(script: Any) -> None:
    """A command or key that is put together while the script runs would be missing in the rights."""
    text = "\n".join(line.partition("--")[0] for line in script.source.splitlines())
    assert re.findall(r"(?:\bcall|redis\.pcall)\((?!').*", text) == [], "pcall of a function of ours is another matter"
    assert commands_of(script)
    assert families_of(script) or script.name in ("snapshot", "survey")


def test_a_viewer_has_no_command_that_writes() -> None:
    given = {word.strip("()") for word in " ".join(rules((Role.VIEWER,), Keys("p"))).split()}
    commands = {word[1:] for word in given if word.startswith("+")}
    assert commands & {"set", "del", "hset", "hdel", "rpush", "lpop", "publish", "unlink", "zadd", "sadd"} == set()
    assert {word for word in given if word.startswith("~")} == {"~p:"}, "the root, under which nothing is stored"


def test_a_line_for_a_file(run: Run) -> None:
    done = run("acl", "--role", "worker", "--password-file", "-", "--prefix", "p", stdin="s3cret\n")
    assert done.exit_code == 0
    assert done.stdout == user_line("worker", (Role.WORKER,), Keys("p"), "s3cret") + "\n"
    assert "s3cret" not in done.output
    assert "#" in done.stdout


def test_a_line_is_accepted_by_the_server(start_server: StartServer, tmp_path: Path) -> None:
    file = tmp_path / "users.acl"
    file.write_text("user default on nopass ~* &* +@all\n")
    server = start_server([f"aclfile {file}"])
    file.write_text(
        "user default on nopass ~* &* +@all\n"
        + user_line("web", (Role.PRODUCER, Role.VIEWER), Keys("p"), "s3cret") + "\n"
    )  # fmt: skip
    with server.client() as admin:
        admin.acl_load()
    with TaskQueue(f"redis://web:s3cret@127.0.0.1:{server.port}/0", prefix="p") as queue:
        queue.submit_task(Task())
        assert queue.get_queue_stats().pending_tasks == 1


def test_without_a_role_or_a_password(run: Run) -> None:
    assert "--role producer or --role worker" in run("acl").stderr
    done = run("acl", "--role", "viewer", "--role", "producer")
    assert done.stdout.startswith("user viewer-producer on resetpass resetkeys")
    assert "nobody can log in yet" in done.stderr


def test_scripts_are_loaded(run: Run, clean: ServerProcess) -> None:
    done = run("acl", "--load-scripts", env={"TASKQ_REDIS_URL": clean.url})
    assert done.exit_code == 0
    with clean.client() as admin:
        assert all(admin.script_exists(*(script.sha for script in SCRIPTS.values())))


def test_channels_need_a_producer_and_a_worker(open_as: OpenAs) -> None:
    with Publisher(open_as("producer")) as publisher, Consumer("orders", open_as("worker")) as consumer:
        publisher.publish_batch("orders", [1, 2, 3, 4])
        assert publisher.queue_length("orders") == 4
        with Consumer("orders", open_as("worker")) as slow:
            slow.consume(2)
            taken = consumer.claim_pending_messages(0)
            assert consumer.acknowledge(taken) == 2
        assert len(consumer.get_pending_messages()) == 0
        consumer.reject(consumer.consume(1))
        consumer.reject(consumer.consume(1), requeue=False)
        info = consumer.get_consumer_info()
        assert (info["acknowledged"], info["rejected"], info["dead"]) == (2, 1, 1)

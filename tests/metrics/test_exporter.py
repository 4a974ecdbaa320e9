"""``taskq exporter``: what it says of a namespace is so."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq import Task, TaskQueue, TaskWorker
from tests.faults.commands import Command
from tests.metrics.scrape import get, scrape
from tests.servers import ServerProcess
from tests.waiting import eventually


def start(url: str, prefix: str, folder: Path, patience: str = "3s") -> tuple[Command, str]:
    environment = {"TASKQ_REDIS_URL": url, "TASKQ_PREFIX": prefix, "TASKQ_CALL_TIMEOUT": patience}
    command = Command(["-m", "taskq", "exporter", "--port", "0"], environment, folder)
    return command, command.sees(r"http://\S+/metrics").removeprefix("http://").removesuffix("/metrics")


@pytest.fixture
def exporter(redis_url: str, prefix: str, tmp_path: Path) -> Iterator[str]:
    command, address = start(redis_url, prefix, tmp_path)
    yield address
    command.destroy()


def test_every_number_of_a_namespace(redis_url: str, prefix: str, exporter: str) -> None:
    with TaskQueue(redis_url, prefix=prefix) as queue:
        empty = scrape(exporter)
        assert empty["taskq_up"] == 1
        assert empty["taskq_tasks_submitted_total"] == empty["taskq_violations_total"] == 0, "counters begin at zero"
        worker = TaskWorker(queue)
        worker.register_handler("good", lambda task: "done")
        worker.register_handler("bad", lambda task: 1 / 0)
        queue.submit_batch([Task(task_type="good"), Task(task_type="good"), Task(task_type="bad", max_retries=0)])
        worker.run_until_empty()
        queue.submit_batch([Task(queue="mail", priority="high"), Task(queue="mail", priority="high")])
        queue.pause("mail", "high")
        queue.set_sla("high", age=0.001, queue="mail")
        queue.set_sla("urgent", start=5)
        queue.set_queue_limit("mail", max_tasks=9)
        queue.set_queue_limit(max_bytes=5_000)
        queue.submit_task(Task(priority="low"))
        queue.pause()
        found = scrape(exporter)
    expected = {
        "taskq_tasks{status=completed}": 2,
        "taskq_tasks{status=failed}": 1,
        "taskq_tasks{status=pending}": 3,
        "taskq_tasks{status=running}": 0,
        "taskq_queue_depth{priority=high,queue=mail}": 2,
        "taskq_queue_depth{priority=normal,queue=default}": 0,
        "taskq_queue_oldest_seconds{priority=normal,queue=default}": 0,
        "taskq_queue_paused{priority=high,queue=mail}": 1,
        "taskq_queue_paused{priority=low,queue=mail}": 0,
        "taskq_queue_tasks{queue=mail}": 2,
        "taskq_queue_tasks_limit{queue=mail}": 9,
        "taskq_queue_tasks{queue=default}": None,
        "taskq_queue_bytes_limit{queue=default}": 5_000,
        "taskq_queue_bytes_limit{queue=mail}": None,
        "taskq_queue_awaited{queue=mail}": 0,
        "taskq_tasks_submitted_total": 6,
        "taskq_tasks_completed_total": 2,
        "taskq_tasks_failed_total": 1,
        "taskq_dead_letters": 1,
        "taskq_workers": 0,
        "taskq_workers_silent": 0,
        "taskq_server_persistence_ok": 1,
        "taskq_server_aof_enabled": 1,
        "taskq_server_evicted_keys_total": 0,
        "taskq_build_info": 1,
        "taskq_sla_broken{measure=age,priority=high,queue=mail}": 1,
        "taskq_sla_allowed_seconds{measure=start,priority=urgent,queue=default}": 5,
        "taskq_sla_seconds{measure=start,priority=urgent,queue=default}": 0,
        "taskq_sla_breaches_total": 0,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert 0 < found["taskq_queue_oldest_seconds{priority=high,queue=mail}"] < 60
    assert 100 < found["taskq_queue_bytes{queue=default}"] < 1_000
    assert found["taskq_server_memory_bytes"] > 100_000
    assert found["taskq_desired_workers"] == 0, "what is paused calls for nobody"


def test_names_follow_the_conventions(exporter: str) -> None:
    text = get(exporter, "/metrics")[1]
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)", text, re.MULTILINE))
    assert len(types) > 25
    for name, kind in types.items():
        assert re.fullmatch(r"taskq_[a-z_]+", name)
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(ms|milliseconds|kb|mb|percent)\b", name)


def test_pages_that_are_not_there_and_probes(exporter: str) -> None:
    assert get(exporter, "/livez") == get(exporter, "/readyz") == (200, "ok\n")
    status, text = get(exporter, "/secrets")
    assert (status, text) == (404, "there are /livez, /metrics, /readyz\n")


def test_a_server_that_is_away_is_a_number(server: ServerProcess, tmp_path: Path) -> None:
    command, address = start(server.url, "away", tmp_path, patience="200ms")
    try:
        assert scrape(address)["taskq_up"] == 1
        server.stop()
        found = scrape(address)
        assert found["taskq_up"] == 0
        assert "taskq_workers" not in found, "no number is better than an old one"
        assert get(address, "/readyz")[0] == 503
        assert get(address, "/livez")[0] == 200
        server.start()
        eventually(lambda: scrape(address)["taskq_up"] == 1, what="the server back")
        command.send(signal.SIGTERM)
        assert command.wait() == 0
    finally:
        command.destroy()

"""Workers are struck at the command that was meant."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

from taskq import Task, TaskQueue
from taskq.testing.faults import Proxy, Strike
from taskq.testing.faults.process import Command, alive, children
from tests.faults.commands import WorkerCommand
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def worker(proxy: Proxy, prefix: str) -> Iterator[WorkerCommand]:
    environment = {"REDIS_URL": proxy.url, "TASKQ_PREFIX": prefix}
    worker = WorkerCommand(["-m", "taskq", "worker", "--concurrency", "1"], environment)
    yield worker
    worker.destroy()


def asleep(proxy: Proxy) -> None:
    """Wait until the worker sleeps, with the turn that claims sent along: the next one settles."""
    mine = {"BLPOP", "turn"}
    eventually(lambda: [name for name in proxy.names if name in mine][-2:] == ["BLPOP", "turn"], what="the sleep")


def status(redis_url: str, prefix: str, task_id: str) -> str:
    with TaskQueue(redis_url, prefix=prefix) as queue:
        return str(queue.get_task_status(task_id)["status"])


@pytest.mark.parametrize(("when", "whole", "expected"), [("before", True, "running"), ("after", True, "completed")])
def test_a_worker_is_killed_at_a_command(
    redis_url: str, prefix: str, proxy: Proxy, worker: WorkerCommand, when: str, whole: bool, expected: str
) -> None:
    worker.ready()
    asleep(proxy)
    strike = Strike(proxy, worker, whole=whole)
    fault = strike.at_command(when, 0, "turn")
    pids = worker.tree
    assert len(pids) == 2

    with TaskQueue(redis_url, prefix=prefix) as queue:
        task_id = queue.submit_task(Task(task_type="echo"))

    assert fault.struck.wait(10)
    eventually(lambda: not any(alive(pid) for pid in pids), what="the end of both processes")
    assert status(redis_url, prefix, task_id) == expected
    assert strike.at > 0


def test_a_child_alone_is_killed_and_replaced(redis_url: str, prefix: str, proxy: Proxy, worker: WorkerCommand) -> None:
    worker.ready()
    (child,) = worker.child_pids
    asleep(proxy)
    Strike(proxy, worker).at_command("before", 0, "turn")
    with TaskQueue(redis_url, prefix=prefix) as queue:
        task_id = queue.submit_task(Task(task_type="echo"))
        assert queue.wait_for_result(task_id, timeout=20)["attempts"] == 2
    worker.sees("was killed by SIGKILL; starting another one")
    assert not alive(child)


def test_a_worker_is_stopped_and_goes_on(redis_url: str, prefix: str, proxy: Proxy, worker: WorkerCommand) -> None:
    worker.ready()
    asleep(proxy)
    fault = Strike(proxy, worker, whole=True, number=signal.SIGSTOP).at_command("before", 0, "turn")
    with TaskQueue(redis_url, prefix=prefix) as queue:
        task_id = queue.submit_task(Task(task_type="echo"))
        assert fault.struck.wait(10)
        assert queue.get_task_status(task_id)["status"] == "running"
        worker.signal_tree(signal.SIGCONT)
        assert queue.wait_for_result(task_id, timeout=20)["status"] == "completed"


def test_the_family_of_a_process() -> None:
    command = Command(["-c", "import subprocess; print('begun'); subprocess.run(['sleep', '60'])"], {})
    try:
        command.sees("begun")
        (child,) = eventually(lambda: children(command.pid))
        assert command.tree == [child, command.pid]
    finally:
        command.destroy()
    eventually(lambda: not alive(child), what="the end of the child")
    assert not alive(command.pid)

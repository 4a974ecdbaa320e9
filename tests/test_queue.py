"""What ``TaskQueue`` adds to the verbs: where it finds its server, threads, forks, and one queue per process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import taskq.current
from taskq.aio import AsyncTaskQueue
from taskq.current import get_task_queue
from taskq.errors import SettingsError
from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.settings import Settings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, redis_url: str, prefix: str) -> None:
    """As in a user's process: the server stands in the environment, and nobody has asked for the queue yet."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("TASKQ_PREFIX", prefix)
    monkeypatch.setattr(taskq.current, "_process_queue", None)


@pytest.mark.usefixtures("environment")
class TestProcessQueue:
    def test_is_configured_by_the_environment(self, redis_url: str, prefix: str) -> None:
        queue = get_task_queue()
        task_id = queue.submit_task(Task(payload=1))
        with TaskQueue(redis_url, prefix=prefix) as other:
            assert other.get_task(task_id).payload == 1
        queue.close()

    def test_is_one(self) -> None:
        with ThreadPoolExecutor(8) as threads:
            assert len({id(queue) for queue in threads.map(lambda _: get_task_queue(), range(50))}) == 1

    def test_a_setting_that_cannot_be_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TASKQ_RESULT_TTL", "soon")
        with pytest.raises(SettingsError, match="TASKQ_RESULT_TTL"):
            get_task_queue()
        monkeypatch.delenv("TASKQ_RESULT_TTL")
        assert get_task_queue().settings.result_ttl_seconds > 0, "an error is not remembered"


class TestServer:
    def test_arguments_beat_the_environment(
        self, environment: None, monkeypatch: pytest.MonkeyPatch, redis_url: str
    ) -> None:
        monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
        with TaskQueue(redis_url) as queue:
            assert queue.get_queue_stats().pending_tasks == 0

    def test_nothing_happens_at_import_time(self) -> None:
        """A queue at the top of a module must not connect, nor start a server, when the module is imported."""
        queue = TaskQueue("redis://127.0.0.1:1/0", prefix="p")

        @queue.task
        def job() -> None: ...

        assert queue._transport is None
        assert queue.namespace._endpoint is None

    @pytest.mark.parametrize("queue", [TaskQueue, AsyncTaskQueue])
    def test_what_it_shows_of_itself(self, queue: type[TaskQueue] | type[AsyncTaskQueue]) -> None:
        shown = repr(queue("redis://user:secret@127.0.0.1:1/0", prefix="p"))
        assert shown == f"<{queue.__name__} 'p'>"


class TestThreadsAndForks:
    def test_threads_share_it(self, redis_url: str, prefix: str) -> None:
        with TaskQueue(redis_url, prefix=prefix) as queue, ThreadPoolExecutor(16) as threads:
            ids = list(threads.map(lambda n: queue.submit_task(Task(payload=n)), range(300)))
            payloads = list(threads.map(lambda task_id: queue.get_task(task_id).payload, ids))
        assert payloads == list(range(300))

    def test_a_forked_child_uses_it(self, redis_url: str, prefix: str) -> None:
        """As gunicorn with preload does: connected before the fork, used after it on both sides."""
        with TaskQueue(redis_url, prefix=prefix) as queue:
            queue.submit_task(Task())
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    queue.submit_batch([Task() for _ in range(10)])
                    status = 0
                finally:
                    os._exit(status)
            for _ in range(10):
                queue.submit_task(Task())
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert queue.get_queue_stats().pending_tasks == 21

    def test_a_call_that_is_interrupted_leaves_the_queue_usable(self, redis_url: str, prefix: str) -> None:
        """Ctrl+C in the middle of a wait: the half-read connection is not used again."""
        script = f"""
import signal
from taskq.queue import TaskQueue
from taskq.model.task import Task
queue = TaskQueue({redis_url!r}, prefix={prefix!r})
task_id = queue.submit_task(Task(payload="x"))
signal.setitimer(signal.ITIMER_REAL, 0.2)
signal.signal(signal.SIGALRM, signal.default_int_handler)
try:
    queue.wait_for_result(task_id, 60)
except KeyboardInterrupt:
    assert queue.get_task(task_id).payload == "x"
    assert queue.get_queue_stats().pending_tasks == 1
    print("usable")
"""
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=Path(__file__).parents[1],
        )
        assert (done.stdout, done.stderr) == ("usable\n", "")


class TestAsync:
    def test_one_queue_in_one_loop_after_another(self, redis_url: str, prefix: str) -> None:
        """As in a script that calls ``asyncio.run`` more than once, or in tests with a loop each."""
        queue = AsyncTaskQueue(settings=Settings(redis_url=redis_url, prefix=prefix))

        async def once() -> str:
            return await queue.submit_task(Task())

        assert len({asyncio.run(once()) for _ in range(3)}) == 3

    def test_leaving_the_block_closes_everything(self, redis_url: str, prefix: str) -> None:
        async def main() -> tuple[int, int]:
            before = len(asyncio.all_tasks())
            async with AsyncTaskQueue(redis_url, prefix=prefix) as queue:
                task_id = await queue.submit_task(Task())
                with pytest.raises(TimeoutError):
                    await queue.wait_for_result(task_id, 0.05)
            return before, len(asyncio.all_tasks())

        threads = set(threading.enumerate())
        before, after = asyncio.run(main())
        assert before == after
        assert set(threading.enumerate()) <= threads

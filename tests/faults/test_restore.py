"""Backup and restore as docs/operations.md has them: from a snapshot, with tasks that ran at that moment."""

from __future__ import annotations

import os
import shutil
import threading
from functools import partial
from pathlib import Path

import pytest

from taskq import Task, TaskQueue, TaskWorker
from taskq.settings import Settings
from taskq.transport.fsck import Fsck
from tests.conftest import StartServer
from tests.servers import ServerProcess, private_binary
from tests.waiting import eventually
from tests.worker.background import Background, findings

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def settings(server: ServerProcess) -> Settings:
    return Settings.load(
        redis_url=server.url, prefix="restored", lease_seconds=3.0, heartbeat_interval_seconds=0.5, embedded=False
    )


@pytest.mark.slow
def test_what_was_there_at_the_backup_runs_after_the_restore(start_server: StartServer, tmp_path: Path) -> None:
    source = start_server()
    begun, go_on = threading.Event(), threading.Event()

    def stays(task: Task) -> None:
        begun.set()
        go_on.wait(60)

    with TaskQueue(settings=settings(source)) as queue:
        waiting = queue.submit_batch([Task(task_type="echo", payload=number) for number in range(20)])
        queue.submit_task(Task(task_type="stays", task_id="ran", priority="urgent"))
        worker = TaskWorker(queue, concurrency=1)
        worker.register_handler("stays", stays)
        running = Background(worker.start)
        assert begun.wait(20)
        source.client().save()
        backup = shutil.copy(source.data_dir / "dump.rdb", tmp_path / "backup.rdb")
        go_on.set()
        worker.stop()
        running.join()

    folder = tmp_path / "new"
    folder.mkdir()
    shutil.copy(backup, folder / "dump.rdb")
    assert "--appendonly no" in PAGE
    restored = ServerProcess(private_binary(), folder, ["appendonly no"]).start()
    try:
        client = restored.client()
        client.config_set("appendonly", "yes")
        assert "redis-cli CONFIG SET appendonly yes" in PAGE

        def written() -> bool:
            info = client.info("persistence")
            return not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]

        eventually(written, 40, "the log of the restored server")
        restored.extra_config = ()  # from now on as it is configured
        restored.restart()
        with TaskQueue(settings=settings(restored)) as queue:
            assert findings(queue) == []
            worker = TaskWorker(queue)
            worker.register_handler("stays", lambda task: "ran again")
            worker.register_handler("echo", lambda task: task.payload)
            again = Background(worker.start)
            assert queue.wait_for_result("ran", 30)["result"] == "ran again"
            assert [queue.wait_for_result(task_id, 30)["result"] for task_id in waiting] == list(range(20))
            worker.stop()
            again.join()
    finally:
        restored.stop()


def test_a_snapshot_alone_is_not_read_where_a_log_is_asked_for(start_server: StartServer, tmp_path: Path) -> None:
    """Why the page says so: such a server starts empty."""
    source = start_server()
    source.client().set("x", "1")
    source.client().save()
    folder = tmp_path / "new"
    folder.mkdir()
    shutil.copy(source.data_dir / "dump.rdb", folder / "dump.rdb")
    restored = ServerProcess(private_binary(), folder).start()
    try:
        assert restored.client().dbsize() == 0
    finally:
        restored.stop()


@pytest.mark.parametrize("way", ["rewritten", "mended"])
def test_half_a_transition_at_the_end_of_the_log_does_no_harm(start_server: StartServer, way: str) -> None:
    """Redis 7.0 forgets it at the next start and applies it at the one after, unless the log is rewritten between."""
    server = start_server()

    def cut_and_start(torn_bytes: int) -> None:
        server.kill9()
        (log,) = (server.data_dir / "appendonlydir").glob("*.incr.aof")
        os.truncate(log, log.stat().st_size - torn_bytes)
        server.start()

    with TaskQueue(settings=settings(server)) as queue:
        queue.submit_task(Task(task_type="echo", task_id="kept"))
        queue.submit_task(Task(task_type="echo", task_id="torn", unique_key="k"))
        cut_and_start(200)
        assert findings(queue) == []
        if way == "rewritten":
            server.command("BGREWRITEAOF")
            info = partial(server.client().info, "persistence")
            eventually(lambda: info()["aof_base_size"] > 0 and not info()["aof_rewrite_in_progress"], what="a new log")
        queue.submit_task(Task(task_type="echo", task_id="later"))
        cut_and_start(0)
        if way == "mended":
            Fsck(queue.transport.run, queue.namespace.protocol, queue.settings, repair=True, pause_seconds=0.0).check()
        assert [line for line in findings(queue) if not line.startswith(("I6", "I9"))] == []
        assert way == "mended" or findings(queue) == []
        worker = TaskWorker(queue)
        worker.register_handler("echo", lambda task: task.payload)
        worker.run_until_empty()
        ran = {task["task_id"] for task in queue.list_tasks("completed")}
        assert ran >= {"kept", "later"}
        assert way == "mended" or "torn" not in ran

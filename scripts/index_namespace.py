"""The namespace of the main job: one run at a time, and each begins with nothing in it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskq import TaskQueue, TaskStatus, WorkerInfo
from taskq.protocol.keys import Keys

_SCAN_COUNT = 1000


class NamespaceInUseError(Exception):
    """Another run is under way."""


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Keep other runs on this machine away; the lock falls with this process, however it ends.

    Raises:
        NamespaceInUseError: if another run holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NamespaceInUseError(
                f"another run is under way in {folder}: wait for its end, or choose a namespace with --prefix"
            ) from None
        yield


def make_empty(queue: TaskQueue) -> None:
    """Delete everything under the prefix.

    Raises:
        NamespaceInUseError: if workers live there.
    """
    living = [f"{info.worker_id} (process {info.card.get('pid')})" for info in queue.list_workers() if _lives(info)]
    if living:
        raise NamespaceInUseError(
            f"workers serve the prefix {queue.settings.prefix!r} already: {', '.join(living)}. Wait for the end of the "
            "run that they belong to, stop them, or choose another namespace with --prefix"
        )
    endpoint = queue.namespace.endpoint
    connection = endpoint.connect()
    root = Keys(queue.settings.prefix, endpoint.clustered).root
    try:
        cursor = b"0"
        while True:
            connection.send_command("SCAN", cursor, "MATCH", f"{root}*", "COUNT", _SCAN_COUNT)
            cursor, keys = connection.read_response()
            if keys:
                connection.send_command("UNLINK", *keys)
                connection.read_response()
            if cursor == b"0":
                return
    finally:
        connection.disconnect()


def _lives(info: WorkerInfo) -> bool:
    if info.lease_seconds <= 0:
        return False
    if info.card.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(info.card.get("pid", "0")), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def take_back(queue: TaskQueue) -> int:
    """Remove what still waits, on a list or for its time, and return how many tasks that were."""
    taken = queue.purge()
    for status in (TaskStatus.SCHEDULED, TaskStatus.RETRY):
        for task in queue.list_tasks(status, limit=10_000):
            taken += queue.cancel_task(task["task_id"]) == "cancelled"
    return taken

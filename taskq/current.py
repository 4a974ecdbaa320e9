"""The queue that a whole process shares."""

from __future__ import annotations

import threading

from taskq.queue import TaskQueue

_process_queue: TaskQueue | None = None
_process_lock = threading.Lock()


def get_task_queue() -> TaskQueue:
    """Return the ``TaskQueue`` of this process, configured from the environment.

    Raises:
        SettingsError: if a setting cannot be used.
    """
    global _process_queue  # noqa: PLW0603 - one per process is what it is for
    with _process_lock:
        if _process_queue is None:
            _process_queue = TaskQueue()
        return _process_queue

"""Follow a task as it goes on: its status now, and again whenever it changes, until it has ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from taskq.aio import AsyncTaskQueue
from taskq.states import TERMINAL
from taskq.transport.subscription import Message, Subscription

# Events are hints that may be lost; this is how long a change can then go unseen.
_LOOK_AGAIN_SECONDS = 5.0


class Follower:
    """Follows tasks for any number of listeners with one subscription, which lasts as long as anybody follows.

    Args:
        queue: whose tasks; the follower belongs to the same event loop.
    """

    def __init__(self, queue: AsyncTaskQueue) -> None:
        self._queue = queue
        self._changed: dict[str, set[asyncio.Event]] = {}
        self._subscription: Subscription | None = None
        self._lock = asyncio.Lock()

    async def follow(
        self, task_id: str, look_again_seconds: float = _LOOK_AGAIN_SECONDS
    ) -> AsyncIterator[dict[str, Any] | None]:
        """Yield status dicts of a task: at once, on each change, and last the one with which it has ended.

        Args:
            task_id: which one.
            look_again_seconds: how long to rely on events alone.

        Yields:
            Status dicts as ``get_task_status`` returns them; None when nothing has changed for that long.

        Raises:
            TaskNotFound: if there is no such task, or no longer.
        """
        async with self._listening(task_id) as changed:
            seen = None
            while True:
                changed.clear()
                status = await self._queue.get_task_status(task_id)
                yield None if status == seen else status
                if status["status"] in TERMINAL:
                    return
                seen = status
                try:
                    await asyncio.wait_for(changed.wait(), look_again_seconds)
                except TimeoutError:
                    continue

    @asynccontextmanager
    async def _listening(self, task_id: str) -> AsyncIterator[asyncio.Event]:
        changed = asyncio.Event()
        async with self._lock:
            self._changed.setdefault(task_id, set()).add(changed)
            if self._subscription is None:
                self._subscription = await self._queue.subscribe_to_events(self._note)
        try:
            yield changed
        finally:
            self._forget(task_id, changed)

    def _forget(self, task_id: str, changed: asyncio.Event) -> None:
        listeners = self._changed.get(task_id, set())
        listeners.discard(changed)
        if not listeners:
            self._changed.pop(task_id, None)
        if not self._changed and self._subscription is not None:
            # a namespace to which nobody listens has less to do
            subscription, self._subscription = self._subscription, None
            asyncio.get_running_loop().run_in_executor(None, subscription.stop)

    def _note(self, message: Message) -> None:
        task_id = json.loads(message["data"])["data"].get("task_id")
        for changed in self._changed.get(task_id, ()):
            changed.set()

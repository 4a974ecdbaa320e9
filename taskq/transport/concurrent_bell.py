"""Wait for work on an event loop: a BLPOP under way on a connection of its own."""

from __future__ import annotations

import asyncio

from taskq.transport.concurrent import AsyncWire
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import Unsure, check
from taskq.transport.wire import pack

# the server answers a BLPOP when its timeout ends; silence for this much longer means a half-open connection
_GRACE_SECONDS = 2.0
_AFTER_DOUBT_SECONDS = 0.1


class AsyncBell:
    """Blocks in the server on the bells of some lists, in a task of its own: who waits for it may be cancelled.

    Args:
        endpoint: where to connect.
        keys: the bells, the most urgent first.
    """

    def __init__(self, endpoint: Endpoint, keys: list[str]) -> None:
        self._endpoint = endpoint
        self._keys = keys
        self._wire: AsyncWire | None = None
        self._task: asyncio.Task[None] | None = None

    def arm(self, timeout_seconds: float) -> asyncio.Task[None]:
        """Return the wait that is under way, or begin one of at most some seconds.

        One that has ended since nobody looked is returned as it is, until ``heed``: it may have taken a hint.
        """
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._wait(timeout_seconds), name="taskq bell")
        return self._task

    def heed(self) -> None:
        """Take note of how the wait ended, if it has.

        Raises:
            TaskqError: if the server does not let us wait.
        """
        task = self._task
        if task is not None and task.done():
            self._task = None
            if not task.cancelled():
                task.result()

    async def _wait(self, seconds: float) -> None:
        """Return when a bell has rung, the time is over, or nobody can tell: all are reasons to look."""
        try:
            if self._wire is None:
                self._wire = await AsyncWire(_GRACE_SECONDS).open(self._endpoint)
            # 0 would mean for ever
            await self._wire.send(pack(("BLPOP", *self._keys, f"{max(seconds, 0.01):.3f}")))
            check(await self._wire.read(seconds + _GRACE_SECONDS))
        except Unsure:
            self._drop()
            await asyncio.sleep(_AFTER_DOUBT_SECONDS)
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def close(self) -> None:
        """Give up the wait. A hint on its way is lost with it, which costs the others one timeout at most."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._drop()

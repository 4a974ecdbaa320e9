"""Publishers and consumers of both kinds behind one face: each call of an async one waits for its coroutine."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import Future
from typing import Any

from taskq import AsyncTaskQueue, TaskQueue
from taskq.channels import AsyncConsumer, AsyncPublisher, Consumer, Publisher
from taskq.settings import Settings
from tests.worker.background import Background


class SyncFace:
    """Blocking publishers and consumers of one namespace."""

    kind = "sync"

    def __init__(self, settings: Settings) -> None:
        self.queue = TaskQueue(settings=settings)
        self._open: list[Any] = []

    def publisher(self, **options: Any) -> Any:
        return Publisher(self.queue, **options)

    def consumer(self, *channels: Any, **options: Any) -> Any:
        self._open.append(Consumer(channels, self.queue, **options))
        return self._open[-1]

    def begin(self, call: Any, *args: Any, **kwargs: Any) -> Any:
        """Begin a call; ``join()`` of what is returned waits for its end."""
        return Background(lambda: call(*args, **kwargs))

    def close(self) -> None:
        while self._open:
            self._open.pop().close()
        self.queue.close()


class _Awaited:
    """An object on a loop in another thread."""

    def __init__(self, target: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if not inspect.iscoroutinefunction(attribute):
            return attribute
        return lambda *args, **kwargs: asyncio.run_coroutine_threadsafe(attribute(*args, **kwargs), self._loop).result(
            60
        )

    def begin(self, name: str, *args: Any, **kwargs: Any) -> Future[Any]:
        """Begin a call; the future can be cancelled, and the coroutine with it."""
        return asyncio.run_coroutine_threadsafe(getattr(self._target, name)(*args, **kwargs), self._loop)


class AsyncFace:
    """Publishers and consumers on a loop in a thread of its own."""

    kind = "async"

    def __init__(self, settings: Settings) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="channel loop", daemon=True)
        self._thread.start()
        self.queue = TaskQueue(settings=settings)
        self._queue = AsyncTaskQueue(settings=settings)
        self._open: list[Any] = []

    def publisher(self, **options: Any) -> Any:
        return _Awaited(AsyncPublisher(self._queue, **options), self.loop)

    def consumer(self, *channels: Any, **options: Any) -> Any:
        self._open.append(_Awaited(AsyncConsumer(channels, self._queue, **options), self.loop))
        return self._open[-1]

    def begin(self, call: Any, *args: Any, **kwargs: Any) -> Any:
        """Begin a call; ``join()`` of what is returned waits for its end."""
        return Background(lambda: call(*args, **kwargs))

    def close(self) -> None:
        if self.loop.is_closed():
            return
        for consumer in self._open:
            consumer.close()
        asyncio.run_coroutine_threadsafe(self._queue.close(), self.loop).result(10)
        self.queue.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


Face = SyncFace | AsyncFace

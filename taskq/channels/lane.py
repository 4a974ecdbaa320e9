"""One channel of a worker: a consumer, and the handler that gets its messages."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from taskq.channels.consumer import Consumer
from taskq.channels.message import Message
from taskq.errors import NotHeld, ServerUnavailable

log = logging.getLogger("taskq.channels")

Handler = Callable[..., Any]


class PartialFailure(Exception):
    """Raised by a batch handler: these messages failed, the others of the batch are done.

    Args:
        failed: why, by message or by its id: an exception, or the reason as text. ``Retry(after=)`` and ``Discard``
            steer as they do in handlers of tasks.
    """

    def __init__(self, failed: Mapping[Any, BaseException | str]) -> None:
        super().__init__(f"{len(failed)} messages failed")
        self.failed = {
            key.id if isinstance(key, Message) else str(key): RuntimeError(why) if isinstance(why, str) else why
            for key, why in failed.items()
        }


class Lane:
    """Takes messages of one channel, has them handled, and settles each.

    Args:
        consumer: of that channel alone.
        handler: ``fn(message)``, or ``fn(list of messages)`` for batches; plain or async.
        size: how many messages at a time.
        batch: whether the handler gets all of them together.
    """

    def __init__(self, consumer: Consumer, handler: Handler, size: int, batch: bool) -> None:
        self.consumer = consumer
        self._handler = handler
        self._size = size
        self._batch = batch
        self._is_async = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
            getattr(handler, "__call__", None)  # noqa: B004 - an object with an async __call__
        )
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="taskq channel") if self._many_threads else None
        self._loop = asyncio.Runner() if self._is_async else None
        self.counts = {"acknowledged": 0, "failed": 0, "refused": 0}

    @property
    def _many_threads(self) -> bool:
        return not self._is_async and not self._batch and self._size > 1

    def serve(self, stopping: threading.Event) -> None:
        """Handle messages until told to stop; an outage of the server is waited for."""
        while not stopping.is_set():
            try:
                self.step(None)
            except ServerUnavailable as error:
                log.warning("the server is away, trying until it is back: %s", error)

    def step(self, block_ms: int | None) -> int:
        """Handle what is there, as much as fits; return how many messages.

        Args:
            block_ms: how long to wait if there is nothing; None: as long as it takes.

        Raises:
            ServerUnavailable: if the server is away for too long.
        """
        messages = self.consumer.consume(self._size, block_ms)
        if messages:
            self._settle(messages, self._handle_together(messages) if self._batch else self._handle_each(messages))
        return len(messages)

    def _handle_together(self, messages: Sequence[Message]) -> dict[str, BaseException]:
        """Return the errors by id."""
        try:
            self._call(list(messages))
        except PartialFailure as partial:
            unknown = partial.failed.keys() - {message.id for message in messages}
            if not unknown:
                return partial.failed
            # whoever is meant by them, it cannot be said any more which messages are done
            why = ValueError(f"the batch handler named messages that are not in its batch: {sorted(unknown)[:3]}")
            return dict.fromkeys([message.id for message in messages], why)
        except Exception as error:
            return dict.fromkeys([message.id for message in messages], error)
        return {}

    def _handle_each(self, messages: Sequence[Message]) -> dict[str, BaseException]:
        if self._loop is not None:
            answers: Sequence[Any] = self._loop.run(self._gather(messages))
        elif self._pool is not None:
            answers = list(self._pool.map(self._attempt, messages))
        else:
            answers = [self._attempt(message) for message in messages]
        pairs = zip(messages, answers, strict=True)
        return {message.id: answer for message, answer in pairs if isinstance(answer, BaseException)}

    async def _gather(self, messages: Sequence[Message]) -> list[Any]:
        return await asyncio.gather(*(self._handler(message) for message in messages), return_exceptions=True)

    def _attempt(self, message: Message) -> Exception | None:
        try:
            self._call(message)
        except Exception as error:
            return error
        return None

    def _call(self, argument: Message | list[Message]) -> None:
        if self._loop is not None:
            self._loop.run(self._await(argument))
        else:
            self._handler(argument)

    async def _await(self, argument: Message | list[Message]) -> None:
        await self._handler(argument)

    def _settle(self, messages: Sequence[Message], errors: dict[str, BaseException]) -> None:
        done = [message.id for message in messages if message.id not in errors]
        calls: list[tuple[str, Callable[[], int]]] = []
        if done:
            calls.append(("acknowledged", lambda: self.consumer.acknowledge(done)))
        if errors:
            calls.append(("failed", lambda: self.consumer.fail(errors)))
        for name, call in calls:
            try:
                self.counts[name] += call()
            except NotHeld as error:
                total = len(done) if name == "acknowledged" else len(errors)
                self.counts[name] += total - len(error.message_ids)
                self.counts["refused"] += len(error.message_ids)
                log.warning("%s", error)

    def close(self) -> None:
        """Hand back what is held, and end the threads."""
        self.consumer.close()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._loop is not None:
            with suppress(RuntimeError):  # a handler that outlasts the grace still runs on it
                self._loop.close()

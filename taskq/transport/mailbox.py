"""Receive results that workers push to reply lists."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from taskq.protocol.operations import Protocol
from taskq.transport.blocking import Transport
from taskq.transport.concurrent import AsyncWire
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import Unsure, check
from taskq.transport.wire import pack

_GRACE_SECONDS = 2.0


def new_address() -> str:
    """Return the name of a reply list that nobody else uses."""
    return os.urandom(8).hex()


def _content(task_id: str, item: bytes) -> bytes | None:
    sender, _, result = item.partition(b" ")
    return result if sender == task_id.encode() else None


def receive(transport: Transport, protocol: Protocol, address: str, task_id: str, seconds: float) -> bytes | None:
    """Wait for the result of one task in a reply list.

    Returns:
        The stored result; None at the timeout, or if the connection was lost: then the caller looks for itself.
    """
    reply = _pop(transport, protocol.reply_key(address), seconds)
    return _content(task_id, reply[1]) if reply else None


def await_hint(transport: Transport, key: str, seconds: float) -> None:
    """Wait until a bell is rung, or the time is over, or nobody can tell: all are reasons to look."""
    _pop(transport, key, seconds)


async def hint(endpoint: Endpoint, key: str, seconds: float) -> None:
    """As ``await_hint``, on an event loop: on a connection of its own, which whoever waits may give up at any time."""
    wire = AsyncWire(_GRACE_SECONDS)
    try:
        await wire.open(endpoint)
        await wire.send(pack(("BLPOP", key, f"{max(seconds, 0.01):.3f}")))
        check(await wire.read(seconds + _GRACE_SECONDS))
    except Unsure:
        await asyncio.sleep(0.1)
    finally:
        wire.close()


def _pop(transport: Transport, key: str, seconds: float) -> Any:
    packed = pack(("BLPOP", key, f"{max(seconds, 0.01):.3f}"))
    with transport.line() as line:
        try:
            wire = line.wire()
            wire.send(packed)
            reply = wire.read(seconds + _GRACE_SECONDS)
            check(reply)
        except Unsure:
            line.close()
            return None
        except BaseException:
            line.close()
            raise
    return reply


class Mailbox:
    """One reply list for all coroutines of a client: a single blocked connection, however many wait.

    Args:
        endpoint: where the server is.
        protocol: for the key.
    """

    def __init__(self, endpoint: Endpoint, protocol: Protocol) -> None:
        self.address = new_address()
        self._endpoint = endpoint
        self._key = protocol.reply_key(self.address)
        self._waiting: dict[str, list[asyncio.Future[bytes | None]]] = {}
        self._expected: Counter[str] = Counter()
        self._arrived: dict[str, bytes] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def expecting(self, task_id: str) -> Iterator[None]:
        """Keep what arrives for a task. To be entered before the server is asked to send it: the result may be here
        before the caller has come to wait for it."""
        self._expected[task_id] += 1
        try:
            yield
        finally:
            self._expected[task_id] -= 1
            if not self._expected[task_id]:
                del self._expected[task_id]
                self._arrived.pop(task_id, None)

    def _open(self) -> None:
        self._forget_closed_loop()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._listen(), name="taskq mailbox")

    def _forget_closed_loop(self) -> None:
        """Let go of those who have waited on a loop that is closed."""
        if self._task is not None and self._task.get_loop().is_closed():
            self._waiting.clear()
            self._task = None

    async def receive(self, task_id: str, seconds: float) -> bytes | None:
        """Wait for the result of one task.

        Returns:
            The stored result; None at the timeout, or if the connection was lost: then the caller looks for itself.

        Raises:
            TaskqError: if the server does not let us listen.
        """
        if task_id in self._arrived:
            return self._arrived[task_id]
        self._open()
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(task_id, []).append(future)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return None
        finally:
            futures = self._waiting.get(task_id, [])
            if future in futures:
                futures.remove(future)
            if not futures:
                self._waiting.pop(task_id, None)

    async def _listen(self) -> None:
        listener = asyncio.current_task()
        # redis-py may swallow a cancellation while it connects; that it was asked for is not forgotten
        while self._waiting and listener is not None and not listener.cancelling():
            wire = AsyncWire(_GRACE_SECONDS)
            try:
                await wire.open(self._endpoint)
                while self._waiting:
                    await wire.send(pack(("BLPOP", self._key, "2")))
                    reply = await wire.read(2 + _GRACE_SECONDS)
                    check(reply)
                    if reply:
                        self._deliver(reply[1])
            except Unsure:
                self._answer_all(None)
                await asyncio.sleep(0.1)
            except Exception as error:
                self._answer_all(error)
            finally:
                wire.close()

    def _answer_all(self, answer: Exception | None) -> None:
        futures = [future for futures in self._waiting.values() for future in futures if not future.done()]
        self._waiting.clear()
        for future in futures:
            if answer is None:
                future.set_result(None)
            else:
                future.set_exception(answer)

    def _deliver(self, item: bytes) -> None:
        sender, _, result = item.partition(b" ")
        task_id = sender.decode()
        if task_id in self._expected:
            self._arrived[task_id] = result
        for future in self._waiting.pop(task_id, []):
            if not future.done():
                future.set_result(result)

    async def close(self) -> None:
        """Stop listening; waits under way are cancelled."""
        self._forget_closed_loop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for futures in self._waiting.values():
            for future in futures:
                future.cancel()
        self._waiting.clear()

"""Run operations from an event loop: all that wait at the same moment leave in one write on one connection, submits of
one task each joined into calls for many of them.

A task of its own owns the wire, so cancelling a caller can neither tear a reply nor lose its place in the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import deque
from typing import Any, TypeVar

import hiredis

from taskq.protocol.operation import Operation
from taskq.settings import Settings
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import ReplyError, Unsure, check, unavailable
from taskq.transport.parcels import Call, Parcel, parcels_of

T = TypeVar("T")

_CHUNK = 65536
_MOST_AT_ONCE = 1000


class AsyncWire:
    """A connected socket for asyncio.

    Args:
        timeout_seconds: how long one reply may take.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._connection: Any = None
        self._hiredis = hiredis.Reader(replyError=ReplyError, protocolError=Unsure)

    async def open(self, endpoint: Endpoint) -> AsyncWire:
        """Connect.

        Raises:
            Unsure, TaskqError: as ``Endpoint.connect``.
        """
        self._connection = await endpoint.connect_async()
        self._reader: asyncio.StreamReader = self._connection._reader
        self._writer: asyncio.StreamWriter = self._connection._writer
        return self

    def write(self, packed: bytes) -> None:
        """Send bytes now as far as that goes without waiting, the rest soon. What is wrong shows in the next read.

        The transport of uvloop would send all of them when the loop has come to everything else.
        """
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() == 0 and transport.get_extra_info("ssl_object") is None:
            try:
                packed = packed[os.write(transport.get_extra_info("socket").fileno(), packed) :]
            except BlockingIOError:
                pass
            except OSError:
                return
        if packed:
            self._writer.write(packed)

    async def send(self, packed: bytes) -> None:
        """Send bytes.

        Raises:
            Unsure: if the connection broke.
        """
        try:
            self._writer.write(packed)
            # not wait_for: in Python 3.11 it swallows a cancellation that comes as the inner call ends
            async with asyncio.timeout(self._timeout):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise Unsure(f"the connection broke while sending: {error}") from None

    async def read(self, timeout_seconds: float | None = None) -> Any:
        """Return the next reply, which may be a ``ReplyError``.

        Raises:
            Unsure: if the connection broke or the reply did not come in time.
        """
        reply = self._hiredis.gets()
        try:
            while reply is False:
                async with asyncio.timeout(timeout_seconds or self._timeout):
                    data = await self._reader.read(_CHUNK)
                if not data:
                    raise Unsure("the server closed the connection")
                self._hiredis.feed(data)
                reply = self._hiredis.gets()
        except TimeoutError:
            raise Unsure(f"no reply within {timeout_seconds or self._timeout:g} s") from None
        except OSError as error:
            raise Unsure(f"the connection broke while reading: {error}") from None
        return reply

    def close(self) -> None:
        """Close the socket; never raises."""
        if self._connection is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                self._writer.close()


class AsyncTransport:
    """The server, for coroutines of one event loop.

    Args:
        endpoint: where it is.
        settings: for timeouts.
    """

    _worth_sending = 25  # so many calls leave at once: the server works on them while the loop comes to the others

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self.endpoint = endpoint
        self._settings = settings
        self._calls: deque[Call] = deque()
        self._wake: asyncio.Event | None = None
        self._pump_task: asyncio.Task[None] | None = None
        self._wire: AsyncWire | None = None
        # sent while the pump was asleep: what is in them it takes over
        self._sent: list[Parcel] = []
        self._asleep = False

    async def run(self, operation: Operation[T], timeout_seconds: float | None = None) -> T:
        """Run an operation; while the server is away, repeat it with the same arguments.

        Args:
            operation: what to do.
            timeout_seconds: how long to repeat; None: the call timeout of the settings.

        Raises:
            ServerUnavailable: if it could not be completed in time.
            TaskqError: if the server refuses.
            RuntimeError: if the transport is in use on another loop.
        """
        seconds = self._settings.call_timeout_seconds if timeout_seconds is None else timeout_seconds
        loop = asyncio.get_running_loop()
        if self._pump_task is None or self._pump_task.done() or self._pump_task.get_loop() is not loop:
            self._begin(loop)
        call = Call(operation, loop.create_future(), time.monotonic() + seconds, seconds)
        self._calls.append(call)
        assert self._wake is not None
        self._wake.set()
        if len(self._calls) >= self._worth_sending and self._asleep and self._wire is not None:
            self._send_first(self._wire)
        return operation.parse(await call.done)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let a pump run on a loop; what another one has left behind is lost with its loop.

        Raises:
            RuntimeError: if there is one on another loop, which may go on.
        """
        if self._pump_task is not None and not self._pump_task.done():
            if not self._pump_task.get_loop().is_closed():
                raise RuntimeError(
                    "this AsyncTaskQueue is in use on another event loop, whose answers would never arrive here: make "
                    "one for each loop, or close() it there first"
                )
            self._forget()
        self._wake = asyncio.Event()
        self._pump_task = loop.create_task(self._pump(self._wake), name="taskq transport")

    def _forget(self) -> None:
        """Let go of what a loop has left behind that is closed: nobody waits there any more."""
        self._calls.clear()
        self._sent = []
        self._asleep = False
        self._pump_task = None
        self._close_wire()

    def _send_first(self, wire: AsyncWire) -> None:
        """Send what waits before the pump has its turn on the loop, but not without end."""
        if sum(len(parcel.calls) for parcel in self._sent) >= _MOST_AT_ONCE:
            return
        parcels = parcels_of(call for call in self._calls if not call.done.done())
        wire.write(b"".join(parcel.packed() for parcel in parcels))
        self._sent += parcels
        self._calls.clear()

    async def _pump(self, wake: asyncio.Event) -> None:
        try:
            await self._serve(wake)
        finally:
            # whoever closes the transport or the loop, in an outage too, must not leave callers waiting for ever; the
            # pump of a loop that was closed long ago comes here when its memory is freed
            if self._wake is wake:
                self._fail_all()

    async def _serve(self, wake: asyncio.Event) -> None:
        failures = 0
        pump = asyncio.current_task()
        # redis-py may swallow a cancellation while it connects; that it was asked for is not forgotten
        while pump is not None and not pump.cancelling():
            if not self._calls:
                wake.clear()
                self._asleep = True
                await wake.wait()
                self._asleep = False
            sent, self._sent = self._sent, []
            fresh = [self._calls.popleft() for _ in range(min(len(self._calls), _MOST_AT_ONCE))]
            fresh = [call for call in fresh if not call.done.done()]
            batch = [*(call for parcel in sent for call in parcel.calls), *fresh]
            try:
                doubt = await self._exchange(sent, parcels_of(fresh))
            except asyncio.CancelledError:
                self._calls.extend(batch)
                raise
            except Exception as error:  # a refusal while connecting concerns all of them
                for call in batch:
                    call.fail(error)
                doubt = None
            self._requeue(batch, doubt)
            failures = failures + 1 if doubt else 0
            if doubt:
                # full jitter, so that many clients do not come back in step
                await asyncio.sleep(random.uniform(0, min(0.5, 0.02 * 2 ** min(failures, 6))))  # noqa: S311 - no secret

    async def _exchange(self, sent: list[Parcel], parcels: list[Parcel]) -> Unsure | None:
        """Send parcels behind those that were, and hand out the replies; return the doubt that ended it early."""
        try:
            if self._wire is None:
                self._wire = await AsyncWire(self._settings.socket_timeout_seconds).open(self.endpoint)
            wire = self._wire
            if parcels:
                await wire.send(b"".join(parcel.packed() for parcel in parcels))
            passing: Unsure | None = None
            for parcel in (*sent, *parcels):
                reply = await wire.read()
                passing = self._settle(parcel, reply) or passing
        except Unsure as doubt:
            self._close_wire()
            return doubt
        if passing is not None and passing.reconnect:
            self._close_wire()
            self.endpoint.heed(passing)
        return passing

    def _settle(self, parcel: Parcel, reply: Any, *more: Any) -> Unsure | None:
        """Hand out a reply, together with what else belongs to each; a call that gets none is to be sent again."""
        if isinstance(reply, ReplyError):
            if reply.code == "NOSCRIPT" and not parcel.full:
                for call in parcel.calls:
                    call.full = True
                return None
            try:
                check(reply)
            except Unsure as doubt:
                return doubt
            except Exception as error:
                if len(parcel.calls) > 1:
                    parcel.split()
                else:
                    parcel.calls[0].fail(error)
            return None
        replies = parcel.replies(reply)
        if replies is None:
            parcel.split()
            return None
        for call, own in zip(parcel.calls, replies, strict=True):
            call.answer((own, *more) if more else own)
        return None

    def _requeue(self, batch: list[Call], doubt: Unsure | None) -> None:
        """Put calls that have not been answered back to where they were."""
        now = time.monotonic()
        for call in reversed(batch):
            if call.done.done():
                continue
            if doubt is not None and now >= call.deadline:
                call.fail(unavailable(self.endpoint.shown, call.seconds, doubt))
            else:
                self._calls.appendleft(call)

    def _fail_all(self) -> None:
        for call in (*self._calls, *(call for parcel in self._sent for call in parcel.calls)):
            call.done.cancel()
        self._calls.clear()
        self._sent = []
        self._close_wire()

    def _close_wire(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def close(self) -> None:
        """Close the connection; calls under way are cancelled."""
        if self._pump_task is not None and self._pump_task.get_loop().is_closed():
            self._forget()
        if self._pump_task is not None:
            self._pump_task.cancel()
            await asyncio.gather(self._pump_task, return_exceptions=True)
            self._pump_task = None
        self._fail_all()  # a pump that was cancelled before its first step could not do it
        self.endpoint.released()

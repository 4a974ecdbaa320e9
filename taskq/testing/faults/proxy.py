"""A TCP proxy in front of a server that understands requests and replies, and harms those that a test chooses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from taskq.testing.faults.fault import Fault, name_of
from taskq.testing.faults.resp import frames, request, words
from taskq.transport.endpoint import Endpoint

HOST = "127.0.0.1"
_CONNECT_SECONDS = 5.0
_REMEMBERED = 100_000
Rewrite = Callable[[list[bytes]], list[bytes]]


@dataclass(eq=False, slots=True)
class _Pair:
    """One connection of a client, and the one to the server that belongs to it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    # what the server still owes a reply for: a fault for the reply, None for none, bytes for an answer of the proxy
    owed: deque[Fault | bytes | None] = field(default_factory=deque)
    # of redis-py, which closes its socket when nobody holds it any more
    holder: object = None

    def cut(self) -> None:
        for writer in (self.client, self.server):
            writer.close()


class Proxy:
    """Stands between clients and a server, as a context manager; ``url`` leads through it.

    Args:
        url: of the server, ``redis://host:port/db``.
        endpoint: how to reach the server, if it wants TLS, a password or a look-up: the proxy then shakes hands
            itself, and its clients need neither password nor database.
        rewrite: called with each request, returns the one that is sent; to try a check against broken scripts.
        host: address of this machine to listen on.

    Attributes:
        url: the address of the proxy.
        requests: commands in capitals, in the order in which they came; the last ones of very many.
        names: the same with the names of scripts, see ``name_of``.
        connections: how many there were.
        struck: how many requests were harmed, by action.
    """

    def __init__(
        self, url: str, *, endpoint: Endpoint | None = None, rewrite: Rewrite | None = None, host: str = HOST
    ) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or HOST, parts.port or 6379)
        self._endpoint = endpoint
        self._rewrite = rewrite
        self._listener = socket.create_server((host, 0))
        path = "/0" if endpoint is not None else parts.path
        self.url = f"redis://{host}:{self._listener.getsockname()[1]}{path}"
        self.requests: list[bytes] = []
        self.names: list[str] = []
        self.connections = 0
        self.struck: Counter[str] = Counter()
        self._faults: list[Fault] = []
        self._pairs: set[_Pair] = set()
        self._refusing = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._listener.close()

    # -- for the test --

    def add(self, fault: Fault) -> Fault:
        """Add a fault; it is gone when it has struck as often as it may."""
        self._faults.append(fault)
        return fault

    def strike(self, action: str, name: str = "EVALSHA", **options: Any) -> threading.Event:
        """Add a fault by the fields of ``Fault``; return the event that tells when it has struck."""
        return self.add(Fault(action, name, **options)).struck

    def clear(self) -> None:
        """Remove the faults that have not struck yet."""
        self._faults.clear()

    def refuse(self, refusing: bool = True) -> None:
        """Close every connection that is there and that comes, until told otherwise."""
        self._refusing = refusing
        if refusing:
            self.cut_connections()

    def cut_connections(self) -> None:
        """Break every open connection."""
        asyncio.run_coroutine_threadsafe(self._cut_all(), self._loop).result(10)

    async def _cut_all(self) -> None:
        for pair in list(self._pairs):
            pair.cut()

    # -- on the thread of the proxy --

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listener, limit=2**20))
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        for pair in self._pairs:
            pair.cut()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        pair: _Pair | None = None
        # whatever keeps the server from the proxy keeps it from the clients of the proxy as well
        with contextlib.suppress(Exception, asyncio.CancelledError):
            if not self._refusing:
                pair, answers = await self._open(writer)
                await self._relay(reader, answers, pair)
        if pair is not None:
            pair.cut()
            self._pairs.discard(pair)
        writer.close()

    async def _relay(self, reader: asyncio.StreamReader, answers: asyncio.StreamReader, pair: _Pair) -> None:
        both = [
            asyncio.create_task(self._relay_requests(reader, pair)),
            asyncio.create_task(self._relay_replies(answers, pair)),
        ]
        try:
            if not self._refusing:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()

    async def _open(self, client: asyncio.StreamWriter) -> tuple[_Pair, asyncio.StreamReader]:
        connection: Any = None
        if self._endpoint is None:
            answers, server = await asyncio.wait_for(asyncio.open_connection(*self._target), _CONNECT_SECONDS)
        else:
            connection = await self._endpoint.connect_async()
            answers, server = connection._reader, connection._writer
        pair = _Pair(client, server, holder=connection)
        self._pairs.add(pair)
        return pair, answers

    async def _relay_requests(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        async for frame in frames(reader):
            parts = words(frame)
            # first the faults: whoever has seen a command in ``names`` and then adds a fault means a later one
            fault = self._fault_for(parts)
            self._remember(parts)
            if fault is not None and fault.action in ("cut", "before"):
                fault.do()
                return
            if fault is not None and fault.action == "answer":
                await self._answer(pair, f"-{fault.reply}\r\n".encode())
                continue
            pair.owed.append(fault)
            with contextlib.suppress(OSError):
                pair.server.write(request(self._rewrite(parts)) if self._rewrite else frame)
                await pair.server.drain()

    def _remember(self, parts: list[bytes]) -> None:
        self.requests.append(parts[0].upper())
        self.names.append(name_of(parts))
        if len(self.names) > _REMEMBERED:
            del self.requests[: _REMEMBERED // 2], self.names[: _REMEMBERED // 2]

    def _fault_for(self, parts: list[bytes]) -> Fault | None:
        for fault in self._faults:
            if fault.strikes(parts):
                self.struck[fault.action] += 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    async def _answer(self, pair: _Pair, reply: bytes) -> None:
        """Answer in the place of the server, after all replies that it still owes."""
        if pair.owed:
            pair.owed.append(reply)
        else:
            await self._reply(pair, reply)

    async def _relay_replies(self, answers: asyncio.StreamReader, pair: _Pair) -> None:
        async for frame in frames(answers):
            fault = pair.owed.popleft() if pair.owed else None  # a message of a subscription answers no request
            if isinstance(fault, Fault):
                fault.do()
                if fault.action in ("lose", "after"):
                    return
                if fault.action == "delay":
                    await asyncio.sleep(fault.seconds)
            if not isinstance(fault, Fault) or fault.action != "hang":
                await self._reply(pair, frame)
            while pair.owed and isinstance(pair.owed[0], bytes):
                await self._reply(pair, pair.owed.popleft())

    async def _reply(self, pair: _Pair, frame: Any) -> None:
        with contextlib.suppress(OSError):
            pair.client.write(frame)
            await pair.client.drain()

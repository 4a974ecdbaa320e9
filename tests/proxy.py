"""A TCP proxy in front of a server that understands requests and replies, and loses those that a test chooses."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import hiredis

from tests.servers import HOST


def frame_end(data: bytes | bytearray, at: int = 0) -> int:
    """Return the index behind the RESP value that begins at ``at``; -1 if it is not complete."""
    line_end = data.find(b"\r\n", at)
    if line_end < 0:
        return -1
    kind, end = data[at : at + 1], line_end + 2
    if kind == b"$":
        length = int(data[at + 1 : line_end])
        end = end if length < 0 else end + length + 2
        return end if end <= len(data) else -1
    if kind == b"*":
        for _ in range(int(data[at + 1 : line_end])):
            end = frame_end(data, end)
            if end < 0:
                return -1
    return end


def frames(sock: socket.socket) -> Iterator[bytes]:
    """Yield what arrives, one RESP value at a time, until the other side closes."""
    buffer = bytearray()
    while True:
        while (end := frame_end(buffer)) > 0:
            yield bytes(buffer[:end])
            del buffer[:end]
        with contextlib.suppress(OSError):
            if data := sock.recv(65536):
                buffer += data
                continue
        return


def words(frame: bytes) -> list[bytes]:
    """Return the words of a request."""
    reader = hiredis.Reader()
    reader.feed(frame)
    found: list[bytes] = reader.gets()
    return found


@dataclass
class Fault:
    """What is to happen to one request.

    Attributes:
        action: ``cut`` (it never reaches the server), ``lose`` (its reply never reaches the client) or ``silence`` (the
            same, and the connection stays open).
        command: name of the command.
        skip: how many of them go through first.
        needle: what one of its words must contain, such as the hash of a script.
        times: how many are struck.
    """

    action: str
    command: bytes
    skip: int
    needle: bytes
    times: int
    struck: threading.Event = field(default_factory=threading.Event)

    def strikes(self, request: list[bytes]) -> bool:
        if self.times == 0 or request[0].upper() != self.command or not any(self.needle in w for w in request):
            return False
        self.skip -= 1
        if self.skip >= 0:
            return False
        self.times -= 1
        self.struck.set()
        return True


class Proxy:
    """Stands between clients and a server, as a context manager; ``url`` leads through it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or HOST, parts.port or 6379)
        self._listener = socket.create_server((HOST, 0))
        self.url = f"redis://{HOST}:{self._listener.getsockname()[1]}{parts.path}"
        self.requests: list[bytes] = []
        self.connections = 0
        self._faults: list[Fault] = []
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._refusing = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        self.cut_connections()

    def lose(
        self, action: str, command: str = "EVALSHA", *, skip: int = 0, needle: str = "", times: int = 1
    ) -> threading.Event:
        """Add a fault; return the event that tells when it has struck."""
        fault = Fault(action, command.encode(), skip, needle.encode(), times)
        self._faults.append(fault)
        return fault.struck

    def refuse(self, refusing: bool = True) -> None:
        """Close every connection that is there and that comes, until told otherwise."""
        self._refusing = refusing
        if refusing:
            self.cut_connections()

    def cut_connections(self) -> None:
        """Break every open connection."""
        with self._lock:
            for pair in self._pairs:
                self._cut(pair)
            self._pairs.clear()

    @staticmethod
    def _cut(pair: tuple[socket.socket, socket.socket]) -> None:
        for sock in pair:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            lost: deque[str] = deque()
            for name, relay in (("requests", self._relay_requests), ("replies", self._relay_replies)):
                threading.Thread(target=relay, args=(pair, lost), name=f"proxy {name}", daemon=True).start()

    def _relay_requests(self, pair: tuple[socket.socket, socket.socket], lost: deque[str]) -> None:
        for frame in frames(pair[0]):
            request = words(frame)
            self.requests.append(request[0].upper())
            action = next((fault.action for fault in self._faults if fault.strikes(request)), "")
            if action == "cut":
                break
            lost.append(action)
            with contextlib.suppress(OSError):
                pair[1].sendall(frame)
        self._cut(pair)

    def _relay_replies(self, pair: tuple[socket.socket, socket.socket], lost: deque[str]) -> None:
        for frame in frames(pair[1]):
            action = lost.popleft() if lost else ""  # a message of a subscription answers no request
            if action == "lose":
                break
            if action != "silence":
                with contextlib.suppress(OSError):
                    pair[0].sendall(frame)
        self._cut(pair)

"""One connection, used directly: redis-py shakes hands, then packed commands go out and hiredis parses the replies.

Measured against ``Redis.evalsha`` this costs little more than half of the CPU per call.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import hiredis

from taskq.protocol.operation import Argument
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import ReplyError, Unsure

_CHUNK = 65536
# To sleep and be woken takes longer than most replies take to come, on virtual machines several times as long. So in a
# burst of calls the reply is watched for first.
_GLANCE_NS = 60_000
_BURST_NS = 1_000_000
_TRUST, _DISTRUST = 8, -64
# A command of so many bytes takes the server longer: half of the time that the last one took is slept away first.
_LARGE = 4096
_BURST_NS_A_BYTE = 100
_LONGEST_NS = 2_000_000


def pack(command: Sequence[Argument]) -> bytes:
    """Return the bytes of a command."""
    # for the text of a number hiredis calls Python, where the handler of a signal may raise, and crashes if one does
    words = tuple([str(word) if word.__class__ is int else word for word in command])
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub knows pairs only
    return packed


class Wire:
    """A connected socket.

    Args:
        endpoint: where to connect.
        timeout_seconds: how long one reply may take.

    Raises:
        Unsure, TaskqError: as ``Endpoint.connect``.
    """

    def __init__(self, endpoint: Endpoint, timeout_seconds: float) -> None:
        self._connection = endpoint.connect()
        self._sock: socket.socket = self._connection._sock  # type: ignore[assignment]  # connect() has set it
        self._sock.settimeout(timeout_seconds)
        self._timeout = timeout_seconds
        self._reader = hiredis.Reader(replyError=ReplyError, protocolError=Unsure)
        self._early: deque[Any] = deque()
        self._plain = not isinstance(self._sock, ssl.SSLSocket)
        self._glances = self._plain and (os.cpu_count() or 1) > 1
        self._trust, self._replied_ns = _TRUST, 0
        self._large, self._ns_a_byte = 0, 0.0

    def request(self, packed: bytes) -> Any:
        """Send one command and return its reply, which may be a ``ReplyError``.

        Raises:
            Unsure: if the connection broke or the reply did not come in time.
        """
        self.send(packed)
        return self.read()

    def send(self, packed: bytes) -> None:
        """Send bytes.

        Raises:
            Unsure: if the connection broke.
        """
        self._large = len(packed) if len(packed) > _LARGE else 0
        try:
            if self._plain:
                # sendall polls before it sends, which is nearly always one system call too many
                try:
                    sent = os.write(self._sock.fileno(), packed)
                except BlockingIOError:
                    sent = 0
                if sent == len(packed):
                    return
                packed = packed[sent:]
            self._sock.sendall(packed)
        except OSError as error:
            raise Unsure(f"the connection broke while sending: {error}") from None

    def answered(self) -> bool:
        """Whether a reply has been received together with an earlier one, so that the descriptor does not show it."""
        if not self._early:
            reply = self._reader.gets()
            if reply is not False:
                self._early.append(reply)
        return bool(self._early)

    def read(self, timeout_seconds: float | None = None) -> Any:
        """Return the next reply.

        Args:
            timeout_seconds: how long to wait; None: as given to the constructor.

        Raises:
            Unsure: if the connection broke or the reply did not come in time.
        """
        if self._early:
            return self._early.popleft()
        reader = self._reader
        reply = reader.gets()
        if reply is not False:
            return reply
        begun = time.perf_counter_ns()
        if timeout_seconds is None and self._glances:
            reply = self._glance(begun)
        timeout = self._timeout if timeout_seconds is None else timeout_seconds
        if timeout_seconds is not None:
            self._sock.settimeout(timeout)
        deadline = time.monotonic() + timeout
        try:
            while reply is False:
                data = self._sock.recv(_CHUNK)
                if not data:
                    raise Unsure("the server closed the connection")
                reader.feed(data)
                reply = reader.gets()
                if reply is False and time.monotonic() > deadline:
                    raise Unsure(f"the reply was not complete after {timeout:g} s")
        except TimeoutError:
            raise Unsure(f"no reply within {timeout:g} s") from None
        except OSError as error:
            raise Unsure(f"the connection broke while reading: {error}") from None
        finally:
            if timeout_seconds is not None:
                self._sock.settimeout(self._timeout)
        self._replied_ns = time.perf_counter_ns()
        if self._large:
            self._ns_a_byte = (self._replied_ns - begun) / self._large
        return reply

    def take(self) -> Any:
        """Return the next reply, which has begun to arrive: usually all of it is here.

        Raises:
            Unsure: as ``read``.
        """
        if self._plain and not self._early:
            reply = self._reader.gets()
            if reply is False:
                try:
                    self._reader.feed(os.read(self._sock.fileno(), _CHUNK))
                except OSError:  # ``read`` will say
                    return self.read()
                reply = self._reader.gets()
            if reply is not False:
                return reply
        return self.read()

    def _glance(self, begun: int) -> Any:
        """Watch for the next reply for a moment without sleeping; return False if it does not come.

        Only in a burst of calls: after a pause the server sleeps too, and others may want this core. Where replies take
        longer, it learns not to; where it is the command that is large, it learns when to begin.

        Raises:
            Unsure: if the connection broke.
        """
        trust = self._trust
        expected = int(self._large * self._ns_a_byte)
        if trust <= 0:
            self._trust = trust - 1 if trust > _DISTRUST else 1
            return False
        if begun - self._replied_ns > _BURST_NS + self._large * _BURST_NS_A_BYTE or expected > _LONGEST_NS:
            return False
        fd = self._sock.fileno()
        until = begun + _GLANCE_NS + expected * 5 // 4
        while True:
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                if expected:
                    time.sleep(expected / 2e9)
                    expected = 0
                elif time.perf_counter_ns() > until:
                    self._trust = trust - 2
                    return False
            except OSError as error:
                raise Unsure(f"the connection broke while reading: {error}") from None
            else:
                break
        if not data:
            raise Unsure("the server closed the connection")
        self._trust = min(trust + 1, _TRUST)
        self._reader.feed(data)
        return self._reader.gets()

    def fileno(self) -> int:
        """The descriptor, for a selector; readable when a reply has arrived."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the socket; never raises."""
        with contextlib.suppress(OSError):
            self._connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py has not typed it

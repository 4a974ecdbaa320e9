"""What listens on an address: one PING over a plain socket, before any client is configured for it."""

from __future__ import annotations

import contextlib
import socket
import time
from enum import Enum

_LONGEST_REPLY = 65536


class Probe(Enum):
    """What was found behind an address."""

    NOTHING = "nothing listens"
    SERVER = "a Redis-compatible server answers"
    PASSWORD = "a Redis-compatible server wants a password"  # noqa: S105 - a description, no password
    FOREIGN = "something listens that does not answer as Redis does"


def probe(host: str, port: int, timeout_seconds: float = 1.0) -> Probe:
    """Return what listens on a TCP address, by one PING.

    Args:
        host: name or address.
        port: TCP port.
        timeout_seconds: longest wait for the connection and for the reply, each.

    Returns:
        SERVER also for a server that is busy or still loads its data; FOREIGN also for silence.
    """
    try:
        reply = exchange((host, port), b"PING\r\n", timeout_seconds)
    except TimeoutError:
        return Probe.FOREIGN
    except OSError:
        return Probe.NOTHING
    if reply.startswith((b"-NOAUTH", b"-DENIED", b"-NOPERM", b"-WRONGPASS")):
        return Probe.PASSWORD
    if reply.startswith((b"+PONG", b"-LOADING", b"-BUSY", b"-MISCONF", b"-MASTERDOWN", b"-ERR max number of clients")):
        return Probe.SERVER
    return Probe.FOREIGN


def exchange(address: tuple[str, int], request: bytes, timeout_seconds: float) -> bytes:
    """Send one inline command and return the reply as bytes: a line, or a bulk string with its header.

    Args:
        address: host and TCP port.
        request: the command with its line end.
        timeout_seconds: longest wait for the connection, and for the reply.

    Returns:
        What came until the reply was whole, the other side closed, or the time was over.

    Raises:
        OSError: if there is no connection.
    """
    reply = b""
    deadline = time.monotonic() + 2 * timeout_seconds
    with socket.create_connection(address, timeout=timeout_seconds) as connection:
        if connection.getsockname() == connection.getpeername():
            # TCP can connect an unused port of the ephemeral range with itself.
            raise ConnectionRefusedError
        with contextlib.suppress(OSError):
            connection.sendall(request)
            while not _is_whole(reply) and time.monotonic() < deadline and (data := connection.recv(65536)):
                reply += data
    return reply


def _is_whole(reply: bytes) -> bool:
    line, end, rest = reply.partition(b"\r\n")
    if line.startswith(b"$") and line[1:].isdigit():
        return len(rest) >= int(line[1:])
    return bool(end) or len(reply) > _LONGEST_REPLY

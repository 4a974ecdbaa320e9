"""The protocol of Redis as far as a proxy needs it: where a value ends, and the words of a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

_CHUNK = 65536
_BLOBS = b"$=!"
_AGGREGATES = {b"*": 1, b"~": 1, b">": 1, b"%": 2, b"|": 2}


def frame_end(data: bytes | bytearray, at: int = 0) -> int:
    """Return the index behind the value that begins at ``at``; -1 if it is not complete."""
    line_end = data.find(b"\r\n", at)
    if line_end < 0:
        return -1
    kind, end = bytes(data[at : at + 1]), line_end + 2
    if kind in _BLOBS:
        length = int(data[at + 1 : line_end])
        end = end if length < 0 else end + length + 2
        return end if end <= len(data) else -1
    for _ in range(_AGGREGATES.get(kind, 0) and int(data[at + 1 : line_end]) * _AGGREGATES[kind]):
        end = frame_end(data, end)
        if end < 0:
            return -1
    return end


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield what arrives, one value at a time, until the other side closes."""
    buffer = bytearray()
    while True:
        while (end := frame_end(buffer)) > 0:
            yield bytes(buffer[:end])
            del buffer[:end]
        try:
            data = await reader.read(_CHUNK)
        except OSError:
            return
        if not data:
            return
        buffer += data


def words(frame: bytes) -> list[bytes]:
    """Return the words of a request: an array of bulk strings, or a line of plain words."""
    if not frame.startswith(b"*"):
        return frame.split()
    found, at = [], frame.index(b"\r\n") + 2
    while at < len(frame):
        line_end = frame.index(b"\r\n", at)
        length = int(frame[at + 1 : line_end])
        found.append(frame[line_end + 2 : line_end + 2 + length])
        at = line_end + 2 + length + 2
    return found


def request(parts: Sequence[bytes]) -> bytes:
    """Return the bytes of a request; the inverse of ``words``."""
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)

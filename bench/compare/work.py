"""What a task does, and how it says that it has begun. Runs inside the workers of the peers: standard library only.

Each run appends one record of 16 bytes to a file: number of the task, process, nanoseconds of the monotonic clock. That
costs every peer the same microsecond, works across threads and processes, and bothers no server.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

RECORD = struct.Struct("<IIQ")
PAYLOAD_BYTES = 100
KINDS = ("noop", "sleep", "cpu", "hold")
HOLD_SECONDS = 7200.0
MILLISECOND = 0.001

_ledger = -1


@dataclass(frozen=True, slots=True)
class Effect:
    """One run of a task.

    Args:
        number: of the task.
        process: its process id.
        begun_ns: when it began, on the monotonic clock of the machine.
    """

    number: int
    process: int
    begun_ns: int


def payload_of(number: int, kind: str) -> dict[str, Any]:
    """Return what a task is given: 100 bytes as compact JSON."""
    return {"n": number, "kind": kind, "text": _filler(len(str(number)), kind)}


# to find it costs as much as the fastest queues take for a fifth of a task, and would count as theirs
@lru_cache(maxsize=256)
def _filler(digits: int, kind: str) -> str:
    bare = {"n": 10 ** (digits - 1), "kind": kind, "text": ""}
    return "x" * (PAYLOAD_BYTES - len(json.dumps(bare, separators=(",", ":"))))


def record(number: int) -> None:
    """Note that a task has begun."""
    global _ledger  # noqa: PLW0603 - one descriptor per process, inherited by those it forks
    if _ledger < 0:
        _ledger = os.open(os.environ["COMPARE_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(_ledger, RECORD.pack(number, os.getpid(), time.monotonic_ns()))


def read_ledger(path: Path) -> list[Effect]:
    """Return the whole records of a ledger; a torn one at its end is left out."""
    data = path.read_bytes() if path.exists() else b""
    whole = len(data) - len(data) % RECORD.size
    return [Effect(*fields) for fields in RECORD.iter_unpack(data[:whole])]


def run(payload: dict[str, Any]) -> int:
    """Do the work of a task in a thread or process; return its number."""
    record(payload["n"])
    kind = payload["kind"]
    if kind == "sleep":
        time.sleep(MILLISECOND)
    elif kind == "cpu":
        burn()
    elif kind == "hold":
        time.sleep(HOLD_SECONDS)
    return int(payload["n"])


async def run_async(payload: dict[str, Any]) -> int:
    """Do the work of a task on an event loop; return its number."""
    record(payload["n"])
    kind = payload["kind"]
    if kind == "sleep":
        await asyncio.sleep(MILLISECOND)
    elif kind == "cpu":
        burn()
    elif kind == "hold":
        await asyncio.sleep(HOLD_SECONDS)
    return int(payload["n"])


def burn() -> None:
    """Use a millisecond of the processor: of this thread, so that waiting for the interpreter lock does not count."""
    until = time.thread_time() + MILLISECOND
    while time.thread_time() < until:
        pass

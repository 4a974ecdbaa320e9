"""What all adapters share: ``python -m bench.compare.adapter client|worker NAME`` in the environment of a peer.

``client`` serves requests of the driver as a submitter, ``worker`` becomes the worker program that the peer documents.
Standard library only. Verbs are coroutines for all peers; one that never waits costs 0.1 microseconds more than a call.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.compare import lines
from bench.compare.work import payload_of

URL = os.environ.get("COMPARE_URL", "redis://127.0.0.1:0/0")
WORK = os.environ.get("COMPARE_WORK", "")
VARIANT: dict[str, Any] = json.loads(os.environ.get("COMPARE_VARIANT", "{}"))
SLOTS = int(VARIANT.get("slots", 1))
TOGETHER = 100

Payload = dict[str, Any]


class Adapter:
    """A submitter of one peer, and the command that starts its worker. Subclasses fill in the verbs.

    Attributes:
        packages: whose versions the report shows.
        has_results: whether ``wait`` can return what a task returned.
        is_async: whether the producer is documented for many submits at once on an event loop.
        has_batch: whether the peer has a documented call that submits many tasks.
    """

    packages: Sequence[str] = ()
    has_results = True
    is_async = False
    has_batch = False

    async def open(self) -> None:
        """Connect."""

    async def close(self) -> None:
        """Disconnect."""

    async def submit(self, payload: Payload) -> Any:
        """Submit one task; return what ``wait`` needs."""
        raise NotImplementedError

    async def submit_batch(self, payloads: list[Payload]) -> list[Any]:
        """Submit many tasks in one call."""
        raise NotImplementedError

    async def wait(self, handle: Any, timeout_seconds: float) -> Any:
        """Return the result of a task as soon as the peer tells it."""
        raise NotImplementedError

    @staticmethod
    def worker(index: int) -> list[str]:
        """Return the command line of a worker of the variant in ``VARIANT``; ``index`` tells two of them apart."""
        raise NotImplementedError


class Submitter:
    """Serves the verbs of the driver with an adapter."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    async def submit(self, first: int, kind: str, seconds: float) -> dict[str, float]:
        """Submit one by one for so long; return count and seconds."""
        submit, number = self._adapter.submit, first
        begun = time.perf_counter()
        until = begun + seconds
        while time.perf_counter() < until:
            await submit(payload_of(number, kind))
            number += 1
        return {"count": number - first, "seconds": time.perf_counter() - begun}

    async def together(self, first: int, kind: str, seconds: float) -> dict[str, float]:
        """Submit 100 at once on the event loop, again and again; return count and seconds."""

        async def hundred(start: int) -> None:
            numbers = range(start, start + TOGETHER)
            await asyncio.gather(*(self._adapter.submit(payload_of(number, kind)) for number in numbers))

        return await _repeat(hundred, first, seconds)

    async def batch(self, first: int, kind: str, seconds: float) -> dict[str, float]:
        """Submit batches of 100, again and again; return count and seconds."""

        async def hundred(start: int) -> None:
            await self._adapter.submit_batch([payload_of(number, kind) for number in range(start, start + TOGETHER)])

        return await _repeat(hundred, first, seconds)

    async def fill(self, first: int, kind: str, count: int) -> int:
        """Submit so many tasks in the fastest way there is; return the count."""
        for start in range(first, first + count, TOGETHER):
            payloads = [payload_of(number, kind) for number in range(start, min(start + TOGETHER, first + count))]
            if self._adapter.has_batch:
                await self._adapter.submit_batch(payloads)
            elif self._adapter.is_async:
                await asyncio.gather(*map(self._adapter.submit, payloads))
            else:
                for payload in payloads:
                    await self._adapter.submit(payload)
        return count

    async def results(self, first: int, kind: str, count: int) -> list[Any]:
        """Submit so many tasks one by one, then wait for each result; return them."""
        handles = [await self._adapter.submit(payload_of(number, kind)) for number in range(first, first + count)]
        return [await self._adapter.wait(handle, 30.0) for handle in handles]

    async def round_trips(
        self, first: int, kind: str, seconds: float, count: int, gap_seconds: float
    ) -> list[list[int]]:
        """Submit a task, wait for its result, pause, again; return number, begin and end in nanoseconds of each."""
        trips: list[list[int]] = []
        until = time.monotonic() + seconds
        while len(trips) < count and time.monotonic() < until:
            number = first + len(trips)
            payload = payload_of(number, kind)
            begun = time.monotonic_ns()
            handle = await self._adapter.submit(payload)
            if self._adapter.has_results:
                await self._adapter.wait(handle, 30.0)
            trips.append([number, begun, time.monotonic_ns()])
            await asyncio.sleep(gap_seconds)
        return trips

    async def feed(self, first: int, kind: str, seconds: float, rate: float) -> int:
        """Submit at a steady rate, one by one, for so long; return the count."""
        begun, number = time.monotonic(), first
        while (now := time.monotonic() - begun) < seconds:
            while number - first < now * rate:
                await self._adapter.submit(payload_of(number, kind))
                number += 1
            await asyncio.sleep(0.002)
        return number - first


async def _repeat(hundred: Callable[[int], Awaitable[None]], first: int, seconds: float) -> dict[str, float]:
    number, begun = first, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        await hundred(number)
        number += TOGETHER
    return {"count": number - first, "seconds": time.perf_counter() - begun}


def program(name: str) -> str:
    """Return the path of a program that a package of this environment installed."""
    return str(Path(sys.executable).with_name(name))


async def serve(adapter: Adapter, out: int) -> None:
    """Answer requests from the standard input until it ends.

    Args:
        adapter: of the peer.
        out: descriptor for the answers.
    """
    submitter, loop = Submitter(adapter), asyncio.get_running_loop()
    await adapter.open()
    able = {"results": adapter.has_results, "async": adapter.is_async, "batch": adapter.has_batch}
    os.write(out, lines.answer({**able, "versions": {name: version(name) for name in adapter.packages}}))
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        try:
            verb, arguments = lines.read_request(line)
            reply = lines.answer(await getattr(submitter, verb)(**arguments))
        except Exception as error:
            reply = lines.failure(error)
        while reply:
            reply = reply[os.write(out, reply) :]
    await adapter.close()


def use_uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory of event loops if it is installed."""
    try:
        return importlib.import_module("uvloop").new_event_loop  # type: ignore[no-any-return]  # found by name
    except ImportError:
        return None


def main(role: str, name: str) -> None:
    """Be the submitter of a peer, or become its worker."""
    adapter: type[Adapter] = importlib.import_module(f"bench.compare.peers.{name}").ADAPTER
    if role == "worker":
        command = adapter.worker(int(os.environ.get("COMPARE_INDEX", "0")))
        os.execv(command[0], command)
    out = os.dup(1)
    os.dup2(2, 1)  # whatever a peer prints must not look like an answer
    with asyncio.Runner(loop_factory=use_uvloop()) as runner:
        runner.run(serve(adapter(), out))


if __name__ == "__main__":
    main(*sys.argv[1:])

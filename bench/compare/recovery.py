"""Time until the task of a killed worker runs again. All peers at once, on a server each: it is mostly waiting."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from bench.compare.catalogue import Peer, Variant
from bench.compare.measures import Bench, Figures, MeasureError
from bench.compare.processes import Client, Scene, kill_tree
from bench.compare.work import read_ledger
from bench.server import running

HELD = 4_000_000_000
FULL_SECONDS = 4_200.0
START_SECONDS = 40.0
SETTLE_SECONDS = 8.0  # time for a heartbeat, as any worker has that is not killed in its first seconds
BETWEEN_SECONDS = 3.0  # between two kills, so that the replacements do not start all at once


@dataclass(frozen=True, slots=True)
class Victim:
    """A worker in the middle of a task.

    Args:
        peer: whose it is.
        variant: how it was started.
        scene: with a server of its own.
        worker: to be killed.
    """

    peer: Peer
    variant: Variant
    scene: Scene
    worker: subprocess.Popen[bytes]


def recover(bench: Bench, peers: list[Peer], cap_seconds: float) -> dict[str, Figures | Exception]:
    """Kill the worker of each peer in the middle of a task and wait for its second run.

    All are in the middle of their task before the first is killed: a start that waits for another one would count.

    Args:
        bench: tells how workers are started.
        peers: to measure.
        cap_seconds: how long to wait.

    Returns:
        By name: ``seconds`` if it ran again within the cap, ``beyond`` the cap if not; or what went wrong.
    """
    found: dict[str, Figures | Exception] = {}
    with ExitStack() as stack, ThreadPoolExecutor(len(peers) or 1) as pool:
        victims: list[Victim] = []
        for peer in peers:
            try:
                victims.append(_occupy(stack, peer, bench.variant(peer, "noop")))
            except Exception as error:
                found[peer.name] = error
        time.sleep(SETTLE_SECONDS)
        waits: dict[str, Future[Figures]] = {}
        for victim in victims:
            waits[victim.peer.name] = pool.submit(_kill_and_wait, victim, cap_seconds)
            time.sleep(BETWEEN_SECONDS)
        for name, wait in waits.items():
            found[name] = wait.exception() or wait.result()  # type: ignore[assignment]  # no task raises BaseException
    return found


def _occupy(stack: ExitStack, peer: Peer, variant: Variant) -> Victim:
    """Start a server and a worker, and have it begin a task that does not end."""
    url, _ = stack.enter_context(running())
    scene = stack.enter_context(Scene(url, "recovery", all_cores=True))
    worker = scene.worker(peer, variant)
    with scene.client(peer, variant) as client:
        client.ask("fill", first=HELD, kind="hold", count=1)
        if not _wait_for_runs(scene, 1, START_SECONDS, lambda: time.sleep(0.02)):
            raise MeasureError(f"the task did not start: {scene.said()}")
    return Victim(peer, variant, scene, worker)


def _kill_and_wait(victim: Victim, cap_seconds: float) -> Figures:
    """Kill a worker as a lost machine would, start another, and submit a task a second until the first has begun again."""
    scene = victim.scene
    killed = time.monotonic()
    kill_tree(victim.worker)
    scene.worker(victim.peer, victim.variant, 1)
    with scene.client(victim.peer, victim.variant) as client:
        found = _wait_for_runs(scene, 2, cap_seconds - (time.monotonic() - killed), _trickle(client))
    return {"seconds": found / 1e9 - killed} if found else {"beyond": cap_seconds}


def _trickle(client: Client) -> Callable[[], None]:
    """Return what submits one no-op task and takes a second."""
    numbers = iter(range(1, HELD))

    def one() -> None:
        client.ask("fill", first=next(numbers), kind="noop", count=1)
        time.sleep(1.0)

    return one


def _wait_for_runs(scene: Scene, count: int, seconds: float, pause: Callable[[], None]) -> int | None:
    """Return when the held task began for the n-th time, in nanoseconds; None: not in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        held = [effect.begun_ns for effect in read_ledger(scene.ledger) if effect.number == HELD]
        if len(held) >= count:
            return held[count - 1]
        pause()
    return None

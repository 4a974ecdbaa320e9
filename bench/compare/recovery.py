"""Time until the task of a killed worker runs again. All peers at once, on a server each: it is mostly waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from bench.compare.catalogue import Peer, Variant
from bench.compare.measures import Bench, Figures, MeasureError
from bench.compare.processes import Client, Scene, kill_tree
from bench.compare.work import Effect, read_ledger
from bench.server import running

HELD = 4_000_000_000
FULL_SECONDS = 4_200.0
START_SECONDS = 40.0
# Time for a heartbeat, as any worker has that is not killed in its first seconds; shorter than any peer's job timeout.
SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Victim:
    """A worker in the middle of a task.

    Args:
        peer: whose it is.
        variant: how it was started.
        scene: with a server of its own.
        worker: to be killed.
        runner: the process of it that runs the task.
    """

    peer: Peer
    variant: Variant
    scene: Scene
    worker: subprocess.Popen[bytes]
    runner: int


def recover(
    bench: Bench, peers: list[Peer], cap_seconds: float, *, child: bool = False
) -> dict[str, Figures | Exception]:
    """Kill the worker of each peer in the middle of a task and wait for its second run.

    Workers are started one after the other, so that a loaded machine delays no first run; no kill waits for anything.

    Args:
        bench: tells how workers are started.
        peers: to measure.
        cap_seconds: how long to wait.
        child: kill only the process that runs the task; who supervises it lives.

    Returns:
        By name: ``seconds`` if it ran again within the cap, ``beyond`` the cap if not; or what went wrong.
    """
    found: dict[str, Figures | Exception] = {}
    waits: dict[str, Future[Figures]] = {}
    with ExitStack() as stack, ThreadPoolExecutor(len(peers) or 1) as pool:
        for peer in peers:
            try:
                victim = _occupy(stack, peer, (child and peer.child) or bench.variant(peer, "noop"))
            except Exception as error:
                found[peer.name] = error
            else:
                waits[peer.name] = pool.submit(_kill_and_wait, victim, cap_seconds, child)
        for name, wait in waits.items():
            try:
                found[name] = wait.result()
            except Exception as error:
                found[name] = error
    return found


def _occupy(stack: ExitStack, peer: Peer, variant: Variant) -> Victim:
    """Start a server and a worker, and have it begin a task that does not end."""
    url, _ = stack.enter_context(running())
    scene = stack.enter_context(Scene(url, "recovery", all_cores=True))
    worker = scene.worker(peer, variant)
    with scene.client(peer, variant) as client:
        client.ask("fill", first=HELD, kind="hold", count=1)
        held = _await_held(scene, 0, time.monotonic() + START_SECONDS, lambda: time.sleep(0.02))
        if not held:
            raise MeasureError(f"the task did not start: {scene.said()}")
    return Victim(peer, variant, scene, worker, held.process)


def _kill_and_wait(victim: Victim, cap_seconds: float, child: bool) -> Figures:
    """Submit a task a second until the held one has begun again.

    Before, kill what runs it: the process alone; or all of the worker, as a lost machine would, and start another one.
    """
    scene = victim.scene
    time.sleep(SETTLE_SECONDS)
    killed_ns = time.monotonic_ns()
    if child:
        if victim.runner == victim.worker.pid:
            raise MeasureError("nobody supervises the process that runs the task")
        os.kill(victim.runner, signal.SIGKILL)
    else:
        kill_tree(victim.worker)
        scene.worker(victim.peer, victim.variant, 1)
    until = killed_ns / 1e9 + cap_seconds
    with scene.client(victim.peer, victim.variant) as client:
        again = _await_held(scene, killed_ns, until, _trickle(client))
    return {"seconds": (again.begun_ns - killed_ns) / 1e9} if again else {"beyond": cap_seconds}


def _trickle(client: Client) -> Callable[[], None]:
    """Return what submits one no-op task and takes a second."""
    numbers = iter(range(1, HELD))

    def one() -> None:
        client.ask("fill", first=next(numbers), kind="noop", count=1)
        time.sleep(1.0)

    return one


def _await_held(scene: Scene, since_ns: int, until_seconds: float, pause: Callable[[], None]) -> Effect | None:
    """Return the first run of the held task after a moment, in nanoseconds; None: not in time."""
    while time.monotonic() < until_seconds:
        effects = read_ledger(scene.ledger)
        begun = [effect for effect in effects if effect.number == HELD and effect.begun_ns > since_ns]
        if begun:
            return min(begun, key=lambda effect: effect.begun_ns)
        pause()
    return None

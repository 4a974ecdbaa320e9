"""Time until the task of a killed worker runs again. All peers at once, on a server each: it is mostly waiting."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from bench.compare.catalogue import Peer
from bench.compare.measures import Bench, Figures, MeasureError
from bench.compare.processes import Client, Scene, kill_tree
from bench.compare.work import read_ledger
from bench.server import running

HELD = 4_000_000_000
FULL_SECONDS = 4_200.0

_starting = threading.Lock()  # one start at a time: fifteen at once would take turns on the cores


def recover(bench: Bench, peers: list[Peer], cap_seconds: float) -> dict[str, Figures | Exception]:
    """Kill the worker of each peer in the middle of a task and wait for its second run.

    Args:
        bench: tells how workers are started.
        peers: to measure.
        cap_seconds: how long to wait.

    Returns:
        By name: ``seconds`` if it ran again within the cap, ``beyond`` the cap if not; or what went wrong.
    """

    def one(peer: Peer) -> Figures | Exception:
        try:
            return _recover(bench, peer, cap_seconds)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(peers) or 1) as pool:
        return dict(zip([peer.name for peer in peers], pool.map(one, peers), strict=True))


def _recover(bench: Bench, peer: Peer, cap_seconds: float) -> Figures:
    variant = bench.variant(peer, "noop")
    with running() as (url, _), Scene(url, "recovery", all_cores=True) as scene:
        with _starting:
            first = scene.worker(peer, variant)
            client = scene.client(peer, variant)
            with client:
                client.ask("fill", first=HELD, kind="hold", count=1)
                if not _wait_for_runs(scene, client, 1, 40.0, feed=False):
                    raise MeasureError(f"the task did not start: {scene.said()}")
        time.sleep(2.0)  # time for a heartbeat, as any worker has that is not killed in its first second
        killed = time.monotonic()
        kill_tree(first)
        with _starting:
            scene.worker(peer, variant, 1)
        with scene.client(peer, variant) as client:
            found = _wait_for_runs(scene, client, 2, cap_seconds - (time.monotonic() - killed), feed=True)
    return {"seconds": found / 1e9 - killed} if found else {"beyond": cap_seconds}


def _wait_for_runs(scene: Scene, client: Client, count: int, seconds: float, *, feed: bool) -> int | None:
    """Return when the task began for the n-th time, in nanoseconds; with a task a second meanwhile, if asked for."""
    until, number = time.monotonic() + seconds, 1
    while time.monotonic() < until:
        held = [effect.begun_ns for effect in read_ledger(scene.ledger) if effect.number == HELD]
        if len(held) >= count:
            return held[count - 1]
        if feed:
            client.ask("fill", first=number, kind="noop", count=1)
            number += 1
        time.sleep(1.0 if feed else 0.02)
    return None

"""What is measured. Each function measures one peer once, in a scene of its own, on an empty server."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field

import redis

from bench.compare import figures
from bench.compare.catalogue import Peer, Variant
from bench.compare.lines import AdapterError
from bench.compare.processes import Client, Scene, processor_seconds
from bench.compare.processes import stop as stop_process
from bench.compare.work import Effect, read_ledger

START_SECONDS = 40.0
STALL_SECONDS = 20.0
WARM_UP = 0.1  # of the tasks of a drain, not counted: imports, just-in-time compilers, first connections
CHECKED = 100
Figures = dict[str, float]


class MeasureError(Exception):
    """A peer did not do the work; the text says what it did instead."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The server of all measurements, and how long each takes.

    Args:
        url: of the server.
        admin: a client for it.
        seconds: how long a submit or round trip is measured.
        tasks: most tasks of a drain.
        rates: tasks per second by peer and kind of work, as far as they are known.
        variants: ways to start a worker by peer and kind, as chosen.
    """

    url: str
    admin: redis.Redis
    seconds: float
    tasks: int
    rates: dict[tuple[str, str], float] = field(default_factory=dict)
    variants: dict[tuple[str, str], Variant] = field(default_factory=dict)

    def variant(self, peer: Peer, kind: str) -> Variant:
        """Return how the worker of a peer is started for a kind of task."""
        return self.variants.get((peer.name, kind), peer.variants[0])

    def count(self, peer: Peer, kind: str, seconds: float) -> int:
        """Return how many tasks a peer runs in so long, between 100 and the most that are wanted."""
        return int(min(self.tasks, max(100, self.rates.get((peer.name, kind), 1000.0) * seconds)))

    def scene(self, work: str, *, all_cores: bool = False) -> Scene:
        """Empty the server and return a scene on it."""
        self.admin.flushall()
        return Scene(self.url, work, all_cores=all_cores)

    def server_seconds(self) -> float:
        """Return the processor time that the server has used."""
        info = self.admin.info("cpu")
        return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])

    def memory(self) -> int:
        """Return the bytes in use, without buffers of clients, when they no longer change."""
        readings: list[int] = []
        while len(readings) < 2 or (abs(readings[-1] - readings[-2]) > 20_000 and len(readings) < 20):
            time.sleep(0.3)
            info = self.admin.info("memory")
            readings.append(int(info["used_memory"]) - int(info["mem_clients_normal"]))
        return readings[-1]


def submit(bench: Bench, peer: Peer, verb: str) -> Figures:
    """Submit for a while: verb ``submit`` one by one, ``together`` 100 at once, ``batch`` 100 in a call."""
    with bench.scene(verb) as scene, scene.client(peer, bench.variant(peer, "noop")) as client:
        needed = {"together": "async", "batch": "batch"}.get(verb)
        if needed and not client.able[needed]:
            return {}
        client.ask(verb, first=1, kind="noop", seconds=bench.seconds / 5)
        done = client.ask(verb, first=1_000_000, kind="noop", seconds=bench.seconds)
        return {"rate": done["count"] / done["seconds"]}


def drain(
    bench: Bench, peer: Peer, kind: str, count: int, *, processes: int = 1, variant: Variant | None = None
) -> Figures:
    """Have so many tasks waiting, start workers, and watch them run all."""
    chosen = variant if variant is not None else bench.variant(peer, kind)
    with bench.scene("drain", all_cores=processes > 1) as scene:
        with scene.client(peer, chosen) as client:
            client.ask("fill", first=1, kind=kind, count=count)
        workers = [scene.worker(peer, chosen, index) for index in range(processes)]
        skipped = max(1, int(count * WARM_UP))
        _await_runs(scene, workers, skipped)
        at_first, server, used = scene.runs(), bench.server_seconds(), _used(workers)
        effects = _await_all(scene, workers, count)
        server, used = bench.server_seconds() - server, _used(workers) - used
        for worker in workers:
            stop_process(worker)
    found = {"rate": figures.rate([effect.begun_ns for effect in effects], skipped), "runs": len(effects) / count}
    if count - at_first >= count / 3:  # else it was over before the clocks were read
        found["server_us"] = server * 1e6 / (count - at_first)
        found["worker_us"] = used * 1e6 / (count - at_first)
    return found


def round_trip(bench: Bench, peer: Peer, *, loaded: bool) -> Figures:
    """Submit a task and wait for its result, again and again, on an idle system or under half the load it bears."""
    if loaded and peer.name == "bare":
        return {}  # its worker that replies is another one than its worker that drains: half of what is unknown
    name, variant = ("loaded" if loaded else "round_trip"), bench.variant(peer, "noop")
    with bench.scene(name) as scene:
        worker = scene.worker(peer, variant)
        with scene.client(peer, variant) as client:
            client.ask("fill", first=1, kind="noop", count=1)
            _await_runs(scene, [worker], 1)
            options = {"kind": "noop", "count": 1000, "gap_seconds": 0.01}
            client.ask("round_trips", first=10, seconds=bench.seconds / 5, **options)
            if loaded:
                trips = _under_load(bench, peer, scene, client)
            else:
                trips = client.ask("round_trips", first=100_000, seconds=bench.seconds * 2, **options)
            results = client.able["results"]
        time.sleep(0.2)
        stop_process(worker)
        begun = {effect.number: effect.begun_ns for effect in read_ledger(scene.ledger)}
    starts = [(begun[number] - at) / 1e6 for number, at, _ in trips if number in begun]
    if not starts:
        raise MeasureError("no task of the round trips ran")
    found = {"start_p50": figures.percentile(starts, 0.5), "start_p99": figures.percentile(starts, 0.99)}
    if results:
        whole = [(end - at) / 1e6 for _, at, end in trips]
        found |= {"p50": figures.percentile(whole, 0.5), "p99": figures.percentile(whole, 0.99)}
    return found | {"trips": len(trips)}


def _under_load(bench: Bench, peer: Peer, scene: Scene, client: Client) -> list[list[int]]:
    """Return round trips while another submitter sends half of what both and the worker can do on their core."""
    submitted = bench.rates.get((peer.name, "submit"), 1000.0)
    rate = 0.5 / (1 / bench.rates.get((peer.name, "noop"), 1000.0) + 1 / submitted)
    with scene.client(peer, bench.variant(peer, "noop")) as feeder:
        feeder.begin("feed", first=1_000_000, kind="noop", seconds=bench.seconds * 2 + 1, rate=rate)
        time.sleep(0.5)
        options = {"kind": "noop", "count": 1000, "gap_seconds": 0.01}
        return list(client.ask("round_trips", first=100_000, seconds=bench.seconds * 2, **options))


def memory(bench: Bench, peer: Peer) -> Figures:
    """Return the bytes of the server per waiting task, and per completed one with what is kept of it."""
    variant, count = bench.variant(peer, "noop"), bench.count(peer, "noop", 4.0)
    with bench.scene("memory") as scene:
        empty = bench.memory()
        with scene.client(peer, variant) as client:
            client.ask("fill", first=1, kind="noop", count=count)
        pending = bench.memory()
        worker = scene.worker(peer, variant)
        _await_all(scene, [worker], count)
        time.sleep(0.5)
        stop_process(worker)
        completed = bench.memory()
    return {"pending": (pending - empty) / count, "completed": (completed - empty) / count}


def check(bench: Bench, peer: Peer) -> Figures:
    """Submit some tasks and see that each runs, and that each result, if there are results, is its own."""
    variant = bench.variant(peer, "noop")
    with bench.scene("check") as scene:
        worker = scene.worker(peer, variant)
        with scene.client(peer, variant) as client:
            if client.able["results"]:
                got = client.ask("results", first=1, kind="noop", count=CHECKED)
                if got != list(range(1, CHECKED + 1)):
                    raise MeasureError(f"{CHECKED} tasks returned {got[:5]} ...")
            else:
                client.ask("fill", first=1, kind="noop", count=CHECKED)
            effects = _await_all(scene, [worker], CHECKED)
        stop_process(worker)
    return {"effects": len({effect.number for effect in effects}), "results": CHECKED if client.able["results"] else 0}


def _used(workers: list[subprocess.Popen[bytes]]) -> float:
    return processor_seconds([worker.pid for worker in workers])


def _await_runs(scene: Scene, workers: list[subprocess.Popen[bytes]], count: int) -> None:
    """Wait until so many tasks have begun."""
    until = time.monotonic() + START_SECONDS
    while (runs := scene.runs()) < count:
        if all(worker.poll() is not None for worker in workers):
            raise MeasureError(f"the worker ended after {runs} tasks: {scene.said()}")
        if time.monotonic() > until:
            raise MeasureError(f"{runs} of {count} tasks after {START_SECONDS:.0f} s: {scene.said()}")
        time.sleep(0.005)


def _await_all(scene: Scene, workers: list[subprocess.Popen[bytes]], count: int) -> list[Effect]:
    """Wait until each of so many tasks has begun; return all runs."""
    runs, moved = 0, time.monotonic()
    while True:
        if (now := scene.runs()) != runs:
            runs, moved = now, time.monotonic()
            if runs >= count:
                effects = read_ledger(scene.ledger)
                if len({effect.number for effect in effects}) >= count:
                    return effects
        if time.monotonic() - moved > (STALL_SECONDS if runs else START_SECONDS):
            raise MeasureError(f"{runs} of {count} tasks, then nothing: {scene.said()}")
        if all(worker.poll() is not None for worker in workers):
            raise MeasureError(f"the worker ended after {runs} of {count} tasks: {scene.said()}")
        time.sleep(0.01)


def explain(error: Exception) -> str:
    """Return what the report says of a failure."""
    if isinstance(error, AdapterError | MeasureError):
        return str(error)
    return f"{type(error).__name__}: {error}"

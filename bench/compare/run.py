"""One run: every work, round by round, peer by peer within a round, so that all see the machine in the same mood."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis

from bench.compare import measures
from bench.compare.catalogue import Peer, Variant
from bench.compare.environments import ROOT, InstallError, ensure
from bench.compare.measures import Bench, Figures, explain
from bench.compare.processes import CORES
from bench.compare.recovery import recover

Measure = Callable[[Bench, Peer], Figures]
Say = Callable[[str], None]


def _submit(verb: str) -> Measure:
    return lambda bench, peer: measures.submit(bench, peer, verb)


def _drain(kind: str, processes: int = 1) -> Measure:
    def measure(bench: Bench, peer: Peer) -> Figures:
        count = bench.count(peer, kind, bench.seconds) * processes
        return measures.drain(bench, peer, kind, count, processes=processes)

    return measure


IN_TURNS: dict[str, Measure] = {
    "submit": _submit("submit"),
    "together": _submit("together"),
    "batch": _submit("batch"),
    "drain_noop": _drain("noop"),
    "drain_sleep": _drain("sleep"),
    "drain_cpu": _drain("cpu"),
    "two_noop": _drain("noop", 2),
    "two_cpu": _drain("cpu", 2),
    "round_trip": lambda bench, peer: measures.round_trip(bench, peer, loaded=False),
    "loaded": lambda bench, peer: measures.round_trip(bench, peer, loaded=True),
}
ONCE: dict[str, Measure] = {"memory": measures.memory}
KILLS = {"recovery": False, "child": True}  # whether only the process that runs the task is killed
CHILD_SECONDS = 90.0  # who supervises a process notices soon, or does not
WORKS = (*IN_TURNS, *ONCE, *KILLS)
# for which works the fastest worker of a kind of task has to be known
KINDS = {
    "noop": {"submit", "together", "batch", "drain_noop", "two_noop", "round_trip", "loaded", "memory"},
    "sleep": {"drain_sleep"},
    "cpu": {"drain_cpu", "two_cpu"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run measures.

    Args:
        works: names of ``WORKS``.
        rounds: readings of everything that is measured in turns.
        seconds: how long one reading takes, roughly.
        tasks: most tasks of a drain.
        choose: try all documented ways to run a worker first, and keep the fastest for each kind of task.
        cap_seconds: how long to wait for the task of a killed worker.
        variants: by peer and kind of task, ways that an earlier run has found fastest: no others are tried.
    """

    works: tuple[str, ...] = WORKS
    rounds: int = 3
    seconds: float = 2.0
    tasks: int = 10_000
    choose: bool = True
    cap_seconds: float = 90.0
    variants: Mapping[str, Mapping[str, Variant]] = field(default_factory=dict)


@dataclass(slots=True)
class Record:
    """All that a run found; as JSON it is the raw file.

    Args:
        about: date, machine, server, options.
        versions: of the packages, by peer.
        variants: how the worker was started, by peer and kind of task.
        readings: by work and peer: one entry per round, figures or ``{"error": text}``.
    """

    about: dict[str, Any]
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    readings: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)

    def add(self, work: str, peer: Peer, entry: dict[str, Any]) -> None:
        """Keep one reading."""
        self.readings.setdefault(work, {}).setdefault(peer.name, []).append(entry)

    def failed(self, work: str, peer: Peer) -> bool:
        """Return whether a peer has failed at a work."""
        return any("error" in entry for entry in self.readings.get(work, {}).get(peer.name, []))


def describe(admin: redis.Redis, tasks: int) -> dict[str, Any]:
    """Return what a reader must know about machine, server and run; no host name."""
    info = admin.info("server")
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": model,
        "cores": len(CORES) or os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "server": f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}",
        "commit": commit.stdout.strip(),
        "tasks": tasks,
        "load_at_start": round(os.getloadavg()[0], 1),
    }


def run(bench: Bench, peers: list[Peer], options: Options, say: Say) -> Record:
    """Measure.

    Args:
        bench: server and durations.
        peers: to measure, in this order.
        options: what to measure.
        say: told about progress, a line at a time.

    Returns:
        Everything found; a peer that failed has its error in the place of figures.
    """
    begun = time.monotonic()
    said = {"rounds": options.rounds, "seconds": options.seconds, "chosen": options.choose}
    record = Record(describe(bench.admin, options.tasks) | said | {"cap_seconds": options.cap_seconds})
    able = [peer for peer in peers if _prepare(bench, peer, record, say)]
    for peer in able:
        if not KILLS.keys() >= set(options.works):  # its speed does not matter there
            _choose(bench, peer, record, options, say)
            if "loaded" in options.works and "submit" not in options.works:  # half of what is a load?
                bench.rates[peer.name, "submit"] = measures.submit(bench, peer, "submit")["rate"]
    for work in (name for name in IN_TURNS if name in options.works):
        for turn in range(options.rounds):
            for peer in able:
                if not record.failed(work, peer):
                    _measure(bench, peer, work, IN_TURNS[work], record)
            say(f"{work}: round {turn + 1} of {options.rounds}, {time.monotonic() - begun:.0f} s since the start")
    for work in (name for name in ONCE if name in options.works):
        for peer in able:
            _measure(bench, peer, work, ONCE[work], record)
        say(f"{work}: done")
    for work in (name for name in KILLS if name in options.works):
        child = KILLS[work]
        cap = min(options.cap_seconds, CHILD_SECONDS) if child else options.cap_seconds
        say(f"{work}: up to {cap:.0f} s")
        asked = [peer for peer in able if (peer.child is not None if child else peer.name != "bare")]
        found = recover(bench, asked, cap, child=child)
        for peer in asked:
            entry = found[peer.name]
            record.add(work, peer, {"error": explain(entry)} if isinstance(entry, Exception) else entry)
    record.about["minutes"] = round((time.monotonic() - begun) / 60, 1)
    return record


def _prepare(bench: Bench, peer: Peer, record: Record, say: Say) -> bool:
    """Install a peer and see that it does what it is to do; return whether it can be measured."""
    try:
        ensure(peer)
        with bench.scene("versions") as scene, scene.client(peer, peer.variants[0]) as client:
            record.versions[peer.name] = client.able["versions"]
        record.add("check", peer, measures.check(bench, peer))
    except (InstallError, Exception) as error:
        say(f"{peer.name}: {explain(error)}")
        record.add("check", peer, {"error": explain(error)})
        return False
    say(f"{peer.name}: ready, {' '.join(f'{name} {version}' for name, version in record.versions[peer.name].items())}")
    return True


def _choose(bench: Bench, peer: Peer, record: Record, options: Options, say: Say) -> None:
    """Find the fastest documented way to run a worker for each kind of task, and how fast it is."""
    chosen: dict[str, Any] = {}
    for kind in (kind for kind, works in KINDS.items() if works.intersection(options.works)):
        speeds: list[tuple[float, int]] = []
        known = options.variants.get(peer.name, {}).get(kind)
        offered = peer.variants[: None if options.choose else 1] if known is None else (known,)
        for index, variant in enumerate(offered):
            try:
                count = 200
                found = measures.drain(bench, peer, kind, count, variant=variant)
                if found["rate"] > 1000:  # too short to be true
                    found = measures.drain(bench, peer, kind, int(min(options.tasks, found["rate"])), variant=variant)
                speeds.append((found["rate"], -index))
            except Exception as error:
                say(f"{peer.name}, {kind}, {dict(variant)}: {explain(error)}")
        if speeds:
            speed, index = max(speeds)
            bench.rates[peer.name, kind] = speed
            bench.variants[peer.name, kind] = offered[-index]
            chosen[kind] = dict(offered[-index])
    record.variants[peer.name] = chosen
    say(f"{peer.name}: {chosen}")


def _measure(bench: Bench, peer: Peer, work: str, measure: Measure, record: Record) -> None:
    try:
        found = measure(bench, peer)
    except Exception as error:
        record.add(work, peer, {"error": explain(error)})
        return
    record.add(work, peer, found)
    if work == "submit":
        bench.rates[peer.name, "submit"] = found["rate"]

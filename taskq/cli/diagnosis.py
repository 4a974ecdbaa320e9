"""The checks of ``taskq doctor``: from what was read to verdicts. No I/O here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from taskq.cli.output import duration_text, size_text
from taskq.model.task import DEFAULT_QUEUE
from taskq.model.views import QueueStats, WorkerInfo
from taskq.protocol.operations import PROTOCOL_VERSION
from taskq.transport.server_info import ServerReading

OK, WARN, BAD = "ok", "warn", "bad"

_FLOORS = {"Redis": (7, 0), "Valkey": (7, 2)}
_CLOCK_TOLERANCE_MS = 1_000
_SLOW_ROUND_TRIP_MS = 50
_REPLICA_LAG_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: what was looked at, in a word or two.
        verdict: ``ok``, ``warn`` or ``bad``.
        message: what was found.
        advice: what to change; empty if nothing is to be changed.
    """

    check: str
    verdict: str
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """What was read of a namespace and its server."""

    address: str
    prefix: str
    reading: ServerReading
    stats: QueueStats
    workers: list[WorkerInfo]


def diagnose(seen: Examination) -> list[Finding]:
    """Return what all checks found, in the order in which an operator reads them."""
    return [finding for check in _CHECKS for finding in check(seen)]


def _server(seen: Examination) -> Iterator[Finding]:
    reading = seen.reading
    trip = f"{reading.round_trip_ms:.1f} ms per round trip"
    if reading.round_trip_ms > _SLOW_ROUND_TRIP_MS:
        yield Finding(
            "connection", WARN, f"{seen.address}, {trip}", "run workers near the server: each task costs trips"
        )
    else:
        yield Finding("connection", OK, f"{seen.address}, {trip}")
    name, version = reading.product
    if not name:
        yield _unknown(seen, "version", "INFO")
        return
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    floor = _FLOORS.get(name)
    if floor is None:
        yield Finding("version", WARN, f"{name} {version}", "taskq is tested on Redis and Valkey only")
    elif found < floor:
        oldest = " or ".join(f"{kind} {major}.{minor}" for kind, (major, minor) in _FLOORS.items())
        yield Finding("version", BAD, f"{name} {version} is too old", f"taskq needs {oldest}, or newer")
    else:
        yield Finding("version", OK, f"{name} {version}")
    if reading.info.get("cluster_enabled") == "1" and "+cluster" not in seen.address:
        yield Finding(
            "cluster", WARN, "the server is a node of a cluster", "use redis+cluster://host:port as REDIS_URL"
        )


def _unknown(seen: Examination, check: str, command: str) -> Finding:
    why = seen.reading.refused.get(command, "the server does not say")
    return Finding(
        check, WARN, f"cannot be checked: {command} gave {why!r}", f"allow it: ACL SETUSER <user> +{command.lower()}"
    )


def _role(seen: Examination) -> Iterator[Finding]:
    reading = seen.reading
    role = reading.info.get("role")
    if role is None:
        return
    if role != "master":
        primary = f"{reading.info.get('master_host')}:{reading.info.get('master_port')}"
        yield Finding(
            "replication", BAD, f"this is a replica of {primary}, it takes no writes", "set REDIS_URL to the primary"
        )
        return
    replicas = [line for name, line in reading.info.items() if re.fullmatch(r"slave\d+", name)]
    late = [line for line in replicas if _lag_seconds(line) > _REPLICA_LAG_SECONDS or "state=online" not in line]
    message = f"primary, {len(replicas)} replica{'' if len(replicas) == 1 else 's'}"
    if late:
        yield Finding(
            "replication", WARN, f"{message}, {len(late)} far behind", "after a failover now, tasks would be lost"
        )
    else:
        yield Finding("replication", OK, message)


def _lag_seconds(replica: str) -> int:
    match = re.search(r"lag=(\d+)", replica)
    return int(match[1]) if match else 0


def _eviction(seen: Examination) -> Iterator[Finding]:
    reading = seen.reading
    if not reading.info:
        yield _unknown(seen, "eviction", "INFO")
        return
    policy, limit = reading.info.get("maxmemory_policy", "unknown"), reading.number("maxmemory")
    advice = "CONFIG SET maxmemory-policy noeviction, and in the configuration of the server"
    if policy == "noeviction":
        yield Finding("eviction", OK, "maxmemory-policy is noeviction")
    elif limit:
        yield Finding("eviction", BAD, f"maxmemory-policy is {policy}: a full server deletes tasks or results", advice)
    else:
        yield Finding(
            "eviction", WARN, f"maxmemory-policy is {policy}, harmless only while maxmemory is not set", advice
        )


def _memory(seen: Examination) -> Iterator[Finding]:
    reading = seen.reading
    if not reading.info:
        return
    used, limit = reading.number("used_memory"), reading.number("maxmemory")
    total = limit or reading.number("total_system_memory")
    what = "maxmemory" if limit else "the memory of the machine, maxmemory is not set"
    if not total:
        yield Finding("memory", OK, f"{size_text(used)} used, no limit")
        return
    share = used / total
    verdict = BAD if share > 0.95 else WARN if share > 0.8 else OK
    advice = "" if verdict == OK else "start more workers, shorten TASKQ_RESULT_TTL, or give the server more memory"
    yield Finding("memory", verdict, f"{size_text(used)} used, {share:.0%} of {size_text(total)} ({what})", advice)


def _persistence(seen: Examination) -> Iterator[Finding]:
    reading, info = seen.reading, seen.reading.info
    if not info:
        yield _unknown(seen, "persistence", "INFO")
        return
    failed = [name for name in ("aof_last_write_status", "rdb_last_bgsave_status") if info.get(name, "ok") != "ok"]
    if failed:
        yield Finding(
            "persistence",
            BAD,
            f"the last write to disk failed ({', '.join(failed)})",
            "see the server's log; is the disk full?",
        )
    elif info.get("aof_enabled") == "1":
        yield _append_only(reading.config.get("appendfsync"))
    elif reading.config.get("save") == "":
        yield Finding(
            "persistence",
            WARN,
            "none: a restart of the server loses all tasks",
            "CONFIG SET appendonly yes, and in its configuration",
        )
    else:
        saved = (
            "snapshots (RDB)"
            if "save" in reading.config
            else "no append-only file, perhaps snapshots (CONFIG is forbidden)"
        )
        yield Finding(
            "persistence",
            WARN,
            f"{saved}: a crash of the server loses what came after the last one",
            "CONFIG SET appendonly yes, and in its configuration",
        )


def _append_only(fsync: str | None) -> Finding:
    if fsync == "no":
        return Finding(
            "persistence",
            WARN,
            "append-only file, appendfsync no: a power cut loses up to 30 s",
            "CONFIG SET appendfsync everysec",
        )
    loss = {"always": "a power cut loses nothing", "everysec": "a power cut loses about 1 s"}.get(fsync or "")
    return Finding(
        "persistence",
        OK,
        f"append-only file, appendfsync {fsync or 'unknown (CONFIG is forbidden)'}" + (f": {loss}" if loss else ""),
    )


def _clock(seen: Examination) -> Iterator[Finding]:
    ahead_ms = seen.reading.clock_ahead_ms
    if ahead_ms is None:
        yield _unknown(seen, "clock", "TIME")
        return
    message = f"the server's is {abs(ahead_ms) / 1000:.3f} s {'ahead of' if ahead_ms >= 0 else 'behind'} the one here"
    if abs(ahead_ms) > _CLOCK_TOLERANCE_MS:
        yield Finding(
            "clock", WARN, message, "run NTP on both: --at and expires_in count by the clock of the submitter"
        )
    else:
        yield Finding("clock", OK, message)


def _namespace(seen: Examination) -> Iterator[Finding]:
    meta, others = seen.reading.meta, seen.reading.other_prefixes
    used = seen.stats.counters.get("submitted", 0)
    if not meta and not used and others:
        yield Finding(
            "namespace",
            WARN,
            f"{seen.prefix} is empty, but there is {', '.join(others)} on this server",
            f"is this the right prefix (--prefix {others[0]}, TASKQ_PREFIX) and the right server (REDIS_URL)?",
        )
        return
    version = meta.get("version", str(PROTOCOL_VERSION))
    if version != str(PROTOCOL_VERSION):
        yield Finding(
            "namespace",
            BAD,
            f"{seen.prefix} was written with protocol {version}, this is {PROTOCOL_VERSION}",
            "use one release of taskq for all clients and workers of a namespace",
        )
    elif not meta and not used:
        yield Finding("namespace", OK, f"{seen.prefix}, new: nothing has been submitted yet")
    else:
        yield Finding("namespace", OK, f"{seen.prefix}, protocol {version}, {used:,} tasks submitted so far")


def _workers(seen: Examination) -> Iterator[Finding]:
    silent = [worker for worker in seen.workers if worker.lease_seconds <= 0]
    alive = len(seen.workers) - len(silent)
    waiting = seen.stats.pending_tasks
    if alive:
        yield Finding("workers", OK, f"{alive:,} alive, {seen.stats.running_tasks:,} tasks running")
    elif waiting:
        yield Finding("workers", BAD, f"none is alive, and {waiting:,} tasks wait", "start one: taskq worker")
    else:
        yield Finding("workers", WARN, "none is alive", "start one: taskq worker")
    if silent:
        held = sum(len(worker.held) for worker in silent)
        names = ", ".join(worker.worker_id for worker in silent[:3])
        yield Finding(
            "leases",
            WARN if alive else BAD,
            f"{len(silent):,} of dead workers have run out ({names}), with {held:,} tasks",
            "look again in some seconds" if alive else "any running worker brings the tasks back: taskq worker",
        )


def _lists(seen: Examination) -> Iterator[Finding]:
    paused = [item for item in seen.stats.lists if item.paused]
    if paused:
        names = ", ".join(f"{item.queue}:{item.priority}" for item in paused)
        queue = "" if paused[0].queue == DEFAULT_QUEUE else f" {paused[0].queue}"
        yield Finding("lists", WARN, f"paused: {names}", f"taskq queue resume{queue}")
    oldest = max((item.oldest_seconds or 0.0 for item in seen.stats.lists), default=0.0)
    depth = sum(item.depth for item in seen.stats.lists)
    if not paused:
        age = f", the oldest for {duration_text(oldest)}" if depth else ""
        yield Finding("lists", OK, f"{depth:,} tasks wait{age}, none is paused")


def _dead_letters(seen: Examination) -> Iterator[Finding]:
    number = seen.stats.dead_letters
    if number:
        yield Finding(
            "dead letters", WARN, f"{number:,} tasks failed for good", "taskq dlq ls, then taskq dlq replay or purge"
        )
    else:
        yield Finding("dead letters", OK, "none")


_CHECKS: tuple[Callable[[Examination], Iterator[Finding]], ...] = (
    _server,
    _role,
    _eviction,
    _memory,
    _persistence,
    _clock,
    _namespace,
    _workers,
    _lists,
    _dead_letters,
)

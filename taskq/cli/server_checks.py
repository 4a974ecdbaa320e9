"""The checks of ``taskq doctor`` on the server: from what it says about itself to verdicts. No I/O here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from taskq.cli.output import plural, size_text
from taskq.transport.server_info import ServerReading

OK, WARN, BAD = "ok", "warn", "bad"

_FLOORS = {"Redis": (7, 0), "Valkey": (7, 2)}
_CLOCK_TOLERANCE_MS = 1_000
_SLOW_ROUND_TRIP_MS = 50
_KEEPALIVE_SECONDS = 300
_MANY_SCRIPTS = 1_000


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


def examine_server(address: str, reading: ServerReading) -> list[Finding]:
    """Return what there is to say about a server.

    Args:
        address: as it may be shown.
        reading: what it says about itself.
    """
    found = list(_connection(address, reading))
    for check in (_eviction, _memory, _persistence, _clock, _keepalive, _clients, _script_cache):
        found += check(reading)
    return found


def _connection(address: str, reading: ServerReading) -> Iterator[Finding]:
    trip = f"{reading.round_trip_ms:.2f} ms per round trip"
    if reading.round_trip_ms > _SLOW_ROUND_TRIP_MS:
        yield Finding("connection", WARN, f"{address}, {trip}", "run workers near the server: each task costs trips")
    else:
        yield Finding("connection", OK, f"{address}, {trip}")
    name, version = reading.product
    if not name:
        yield _unknown(reading, "version", "INFO")
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
    if reading.info.get("cluster_enabled") == "1" and "+cluster" not in address:
        yield Finding(
            "cluster", WARN, "the server is a node of a cluster", "use redis+cluster://host:port as REDIS_URL"
        )


def _unknown(reading: ServerReading, check: str, command: str) -> Finding:
    why = reading.refused.get(command, "the server does not say")
    return Finding(
        check, WARN, f"cannot be checked: {command} gave {why!r}", f"allow it: ACL SETUSER <user> +{command.lower()}"
    )


def _eviction(reading: ServerReading) -> Iterator[Finding]:
    if not reading.info:
        yield _unknown(reading, "eviction", "INFO")
        return
    policy, limit = reading.info.get("maxmemory_policy", "unknown"), reading.number("maxmemory")
    evicted = reading.number("evicted_keys")
    gone = f", {plural(evicted, 'key')} so far" if evicted else ""
    advice = "CONFIG SET maxmemory-policy noeviction, and in the configuration of the server"
    if policy == "noeviction":
        yield Finding("eviction", OK, "maxmemory-policy is noeviction")
    elif limit:
        yield Finding(
            "eviction", BAD, f"maxmemory-policy is {policy}: a full server deletes tasks or results{gone}", advice
        )
    else:
        yield Finding(
            "eviction", WARN, f"maxmemory-policy is {policy}, harmless only while maxmemory is not set", advice
        )


def _memory(reading: ServerReading) -> Iterator[Finding]:
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


def _persistence(reading: ServerReading) -> Iterator[Finding]:
    info = reading.info
    if not info:
        yield _unknown(reading, "persistence", "INFO")
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
    loss = {
        "always": "a power cut loses nothing",
        "everysec": "a power cut loses about 1 s, a crash on a busy disk up to 2 s",
    }.get(fsync or "")
    return Finding(
        "persistence",
        OK,
        f"append-only file, appendfsync {fsync or 'unknown (CONFIG is forbidden)'}" + (f": {loss}" if loss else ""),
    )


def _clock(reading: ServerReading) -> Iterator[Finding]:
    ahead_ms = reading.clock_ahead_ms
    if ahead_ms is None:
        yield _unknown(reading, "clock", "TIME")
        return
    message = f"the server's is {abs(ahead_ms) / 1000:.3f} s {'ahead of' if ahead_ms >= 0 else 'behind'} the one here"
    if abs(ahead_ms) > _CLOCK_TOLERANCE_MS:
        yield Finding(
            "clock", WARN, message, "run NTP on both: --at and expires_in count by the clock of the submitter"
        )
    else:
        yield Finding("clock", OK, message)


def _keepalive(reading: ServerReading) -> Iterator[Finding]:
    text = reading.config.get("tcp-keepalive")
    if text is None or not text.isdigit():
        return
    seconds = int(text)
    if seconds == 0 or seconds > _KEEPALIVE_SECONDS:
        yield Finding(
            "keepalive",
            WARN,
            f"tcp-keepalive is {seconds}: connections of lost machines stay, and firewalls drop quiet ones unseen",
            f"CONFIG SET tcp-keepalive {_KEEPALIVE_SECONDS}, and in the configuration of the server",
        )
    else:
        yield Finding("keepalive", OK, f"tcp-keepalive is {seconds} s")


def _clients(reading: ServerReading) -> Iterator[Finding]:
    used, most = reading.number("connected_clients"), reading.number("maxclients")
    if not most:
        return
    if used > 0.8 * most:
        yield Finding(
            "clients", WARN, f"{used:,} of {most:,} connections are in use", "CONFIG SET maxclients, or fewer programs"
        )
    else:
        yield Finding("clients", OK, f"{used:,} of {most:,} connections in use")


def _script_cache(reading: ServerReading) -> Iterator[Finding]:
    if "number_of_cached_scripts" not in reading.info:
        return
    cached = reading.number("number_of_cached_scripts")
    if cached > _MANY_SCRIPTS:
        yield Finding(
            "scripts",
            WARN,
            f"{cached:,} scripts in the cache: some program sends a new text with each EVAL, and none is ever dropped",
            "mend that program, then SCRIPT FLUSH; taskq loads its own again by itself",
        )
    else:
        yield Finding("scripts", OK, f"{plural(cached, 'script')} in the cache")

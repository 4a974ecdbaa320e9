"""The checks of ``taskq doctor`` on what survives the server: replicas, durability, losses noticed. No I/O here."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from taskq.cli.output import duration_text, plural
from taskq.cli.server_checks import BAD, OK, WARN, Finding
from taskq.settings import Settings
from taskq.states import Durability
from taskq.transport.server_info import ServerReading

_LAG_SECONDS = 10
_RECENT_SECONDS = 7 * 86_400


def examine_replication(settings: Settings, reading: ServerReading) -> list[Finding]:
    """Return what there is to say about replicas and about what a submit may rely on.

    Args:
        settings: for the durability that is asked for.
        reading: what the server says about itself.
    """
    return [*_role(reading), *_write_guard(reading), *_durability(settings, reading), *_losses(reading)]


def _replicas(reading: ServerReading) -> list[str]:
    return [line for name, line in reading.info.items() if re.fullmatch(r"slave\d+", name)]


def _online(reading: ServerReading) -> int:
    return sum("state=online" in line for line in _replicas(reading))


def _role(reading: ServerReading) -> Iterator[Finding]:
    role = reading.info.get("role")
    if role is None:
        return
    if role != "master":
        primary = f"{reading.info.get('master_host')}:{reading.info.get('master_port')}"
        yield Finding(
            "replication", BAD, f"this is a replica of {primary}, it takes no writes", "set REDIS_URL to the primary"
        )
        return
    replicas = _replicas(reading)
    late = [line for line in replicas if _lag_seconds(line) > _LAG_SECONDS or "state=online" not in line]
    message = f"primary, {plural(len(replicas), 'replica')}"
    if late:
        yield Finding(
            "replication", WARN, f"{message}, {len(late)} far behind", "after a failover now, tasks would be lost"
        )
    else:
        yield Finding("replication", OK, message)


def _lag_seconds(replica: str) -> int:
    match = re.search(r"lag=(\d+)", replica)
    return int(match[1]) if match else 0


def _write_guard(reading: ServerReading) -> Iterator[Finding]:
    """min-replicas-to-write: whether a primary that is cut off goes on taking tasks which will be thrown away."""
    text = reading.config.get("min-replicas-to-write")
    if text is None or not text.isdigit() or reading.info.get("role") != "master":
        return
    least, online = int(text), _online(reading)
    if least > online:
        yield Finding(
            "write guard",
            BAD,
            f"min-replicas-to-write is {least}, but {plural(online, 'replica')} online: the server refuses all writes",
            f"start the replicas, or CONFIG SET min-replicas-to-write {online}",
        )
    elif least:
        yield Finding("write guard", OK, f"min-replicas-to-write is {least}: a primary that is cut off takes no tasks")
    elif online > 1:
        yield Finding(
            "write guard",
            WARN,
            f"min-replicas-to-write is 0 with {online} replicas: a primary that is cut off takes tasks that are lost",
            "CONFIG SET min-replicas-to-write 1, and in the configuration of all of them",
        )


def _durability(settings: Settings, reading: ServerReading) -> Iterator[Finding]:
    level = settings.durability
    if not reading.info or level == Durability.MEMORY:
        return
    replicas = settings.durable_replicas if level == Durability.REPLICATED else settings.fsync_replicas
    online = _online(reading)
    if online < replicas:
        yield Finding(
            "durability",
            BAD,
            f"submits wait for {plural(replicas, 'replica')}, the server has {online} online: each is refused",
            "start replicas (REPLICAOF), lower TASKQ_DURABLE_REPLICAS or TASKQ_FSYNC_REPLICAS, or set TASKQ_DURABILITY",
        )
    elif level == Durability.FSYNC and reading.info.get("aof_enabled") != "1":
        yield Finding(
            "durability",
            BAD,
            "submits wait for the append-only file, but there is none: each is refused",
            "CONFIG SET appendonly yes, and in the configuration of the server",
        )
    elif level == Durability.FSYNC and not reading.waitaof:
        yield Finding(
            "durability",
            BAD,
            "submits wait for the append-only file, but the server does not know WAITAOF: each is refused",
            "use Redis 7.2, Valkey 7.2 or newer, or set TASKQ_DURABILITY",
        )
    elif level == Durability.FSYNC and reading.config.get("appendfsync", "always") != "always":
        yield Finding(
            "durability",
            BAD,
            f"submits wait for the disk, but appendfsync is {reading.config['appendfsync']}: each is refused",
            "CONFIG SET appendfsync always, and in the configuration of the server",
        )
    else:
        yield Finding("durability", OK, f"{level}: submits wait, and the server can do it")


def _losses(reading: ServerReading) -> Iterator[Finding]:
    """What workers have noticed of writes that were lost."""
    text = reading.meta.get("rolled_back", "")
    if not text.isdigit():
        return
    ago = time.time() + (reading.clock_ahead_ms or 0.0) / 1000 - int(text) / 1000
    if ago > _RECENT_SECONDS:
        yield Finding("lost writes", OK, f"none in the last days; the last time was {duration_text(ago)} ago")
        return
    yield Finding(
        "lost writes",
        WARN,
        f"the server had gone back {duration_text(max(0.0, ago))} ago: a failover, a restore, a power cut or a flush",
        "submit again what was acknowledged and is gone; TASKQ_DURABILITY=replicated or fsync prevents the next loss",
    )

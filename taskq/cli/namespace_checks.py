"""The checks of ``taskq doctor`` on the namespace and its workers. No I/O here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from taskq.cli.output import duration_text, plural, size_text
from taskq.cli.server_checks import BAD, OK, WARN, Finding
from taskq.model.task import DEFAULT_QUEUE
from taskq.model.views import QueueStats, WorkerInfo
from taskq.protocol.operations import PROTOCOL_VERSION
from taskq.transport.server_info import ServerReading


@dataclass(frozen=True, slots=True)
class Namespace:
    """What was read of a namespace."""

    prefix: str
    reading: ServerReading
    stats: QueueStats
    workers: list[WorkerInfo]


def examine_namespace(seen: Namespace) -> list[Finding]:
    """Return what there is to say about a namespace and its workers."""
    return [finding for check in (_prefix, _twin, _share, _workers, _lists, _dead_letters) for finding in check(seen)]


def _prefix(seen: Namespace) -> Iterator[Finding]:
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
        yield Finding("namespace", OK, f"{seen.prefix}, protocol {version}, {plural(used, 'task')} submitted so far")


def _twin(seen: Namespace) -> Iterator[Finding]:
    if seen.reading.twin:
        yield Finding(
            "hash tag",
            BAD,
            f"{seen.prefix} is in use on this server in two forms, {seen.prefix}:... and {{{seen.prefix}}}:...: "
            "workers of one do not see the tasks of the other",
            "use the same form of address everywhere: redis+cluster:// for a cluster, else redis://",
        )


def _share(seen: Namespace) -> Iterator[Finding]:
    size, used = seen.reading.bytes_of_namespace, seen.reading.number("used_memory")
    if size is not None and used:
        yield Finding("share", OK, f"about {size_text(size)} of {size_text(used)} are of {seen.prefix}, by a sample")


def _workers(seen: Namespace) -> Iterator[Finding]:
    silent = [worker for worker in seen.workers if worker.lease_seconds <= 0]
    alive = len(seen.workers) - len(silent)
    waiting = seen.stats.pending_tasks
    if alive:
        yield Finding("workers", OK, f"{alive:,} alive, {plural(seen.stats.running_tasks, 'task')} running")
    elif waiting:
        yield Finding("workers", BAD, f"none is alive, {plural(waiting, 'task')} waiting", "start one: taskq worker")
    else:
        yield Finding("workers", WARN, "none is alive", "start one: taskq worker")
    if silent:
        held = sum(len(worker.held) for worker in silent)
        names = ", ".join(worker.worker_id for worker in silent[:3])
        yield Finding(
            "leases",
            WARN if alive else BAD,
            f"{len(silent):,} of dead workers have run out ({names}), with {plural(held, 'task')}",
            "look again in some seconds" if alive else "any running worker brings the tasks back: taskq worker",
        )


def _lists(seen: Namespace) -> Iterator[Finding]:
    paused = [item for item in seen.stats.lists if item.paused]
    if paused:
        names = ", ".join(f"{item.queue}:{item.priority}" for item in paused)
        queue = "" if paused[0].queue == DEFAULT_QUEUE else f" {paused[0].queue}"
        yield Finding("lists", WARN, f"paused: {names}", f"taskq queue resume{queue}")
    oldest = max((item.oldest_seconds or 0.0 for item in seen.stats.lists), default=0.0)
    depth = sum(item.depth for item in seen.stats.lists)
    if not paused:
        age = f", the oldest for {duration_text(oldest)}" if depth else ""
        yield Finding("lists", OK, f"{plural(depth, 'task')} waiting{age}, none is paused")


def _dead_letters(seen: Namespace) -> Iterator[Finding]:
    number = seen.stats.dead_letters
    if number:
        yield Finding(
            "dead letters",
            WARN,
            f"{plural(number, 'task')} failed for good",
            "look with taskq dlq ls, then replay or purge",
        )
    else:
        yield Finding("dead letters", OK, "none")

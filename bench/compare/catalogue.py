"""Who is compared: packages with their versions, ways to run a worker, and what the documentation of each promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Variant = Mapping[str, Any]

# redis-py 8 lets every socket time out after 5 s, which some peers trip over; they get the last version that does not.
REDIS = "redis==7.4.1"
HIREDIS = "hiredis==3.5.0"
UVLOOP = "uvloop==0.23.0"
GEVENT = "gevent==26.9.0"
OURS = ("taskq", "bare")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One contestant.

    Args:
        name: of its adapter, for flags and files.
        title: for people.
        packages: with exact versions; none: it runs in the environment of the driver.
        variants: ways to start its worker that its documentation offers; the first where none is tried.
        guarantee: what a killed worker does to a task, by the documentation.
        recovery_seconds: until the task runs again by the documentation; None: the task is lost.
        child: a documented way to run tasks in a process that another one of the worker supervises, if there is one.
        registry: ``pypi`` or ``npm``.
        adapter: module or file, if it is not ``name``.
        remark: what a reader has to know about its configuration.
    """

    name: str
    title: str
    packages: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = field(default=({},))
    guarantee: str = "at least once"
    recovery_seconds: float | None = None
    child: Variant | None = None
    registry: str = "pypi"
    adapter: str = ""
    remark: str = ""


def _slots(*counts: int, **more: Any) -> tuple[Variant, ...]:
    return tuple({**more, "slots": count} for count in counts)


PEERS = (
    Peer(
        name="taskq",
        title="taskq",
        variants=(*_slots(50, 10, 200), *_slots(100, handler="async")),
        recovery_seconds=35,
        child={"slots": 50, "processes": 2},
        remark="`taskq worker`, plain handlers on threads or async handlers; recovery as documented: lease 30 s + 5 s.",
    ),
    Peer(
        name="bare",
        title="(bare yardstick)",
        variants=({}, {"threads": 50}),
        guarantee="none",
        remark="No task queue: RPUSH, pipelines of 100, one Lua call that stores results and takes up to 50 tasks, on "
        "one thread or on 50; BLPOP and a reply list for round trips.",
    ),
    Peer(
        name="bullmq_node",
        title="BullMQ (Node)",
        packages=("bullmq@6.7.0", "ioredis@6.0.0"),
        variants=_slots(50, 10, 200),
        recovery_seconds=60,
        registry="npm",
        remark="Lock 30 s, stalled check every 30 s (defaults). `waitUntilFinished` for results.",
    ),
    Peer(
        name="bullmq",
        title="BullMQ for Python",
        packages=("bullmq==3.4.4", REDIS, HIREDIS, UVLOOP),
        variants=_slots(50, 10, 200),
        recovery_seconds=60,
        remark="Results by `QueueEvents`, as on Node. uvloop.",
    ),
    Peer(
        name="rq",
        title="RQ",
        packages=("rq==3.0.0", REDIS, HIREDIS),
        variants=({"worker": "simple"}, {"worker": "fork"}),
        recovery_seconds=840,
        child={"worker": "fork"},
        remark="Jobs with `Retry(max=3)`: without it an abandoned job fails. Documented: 180 s timeout + 60 s, found "
        "by maintenance every 600 s. `SimpleWorker` runs jobs in the worker; the default forks for each.",
    ),
    Peer(
        name="celery",
        title="Celery",
        packages=("celery[redis]==5.7.0", REDIS, HIREDIS, GEVENT),
        variants=(
            {"pool": "solo", "slots": 1},
            {"pool": "threads", "slots": 10},
            {"pool": "gevent", "slots": 100},
            {"pool": "prefork", "slots": 1},
        ),
        recovery_seconds=3600,
        child={"pool": "prefork", "slots": 1},
        remark="`acks_late`, `reject_on_worker_lost`, prefetch multiplier 64, no gossip, no mingle. "
        "Documented: visibility timeout of 3,600 s.",
    ),
    Peer(
        name="dramatiq",
        title="Dramatiq",
        packages=("dramatiq[redis]==2.2.1", REDIS, HIREDIS, GEVENT),
        variants=(*_slots(8, 32), *_slots(100, pool="gevent")),
        recovery_seconds=60,
        child={"slots": 8},
        remark="Results middleware. Dead workers are found after 60 s, by chance, in 0.1 % of all commands: only under "
        "traffic.",
    ),
    Peer(
        name="huey",
        title="Huey",
        packages=("huey==3.5.4", REDIS, HIREDIS, GEVENT),
        variants=(*_slots(4, 1, 16, type="thread"), *_slots(100, type="greenlet")),
        guarantee="none: a killed worker loses its tasks",
        remark="`notify_result` only where results are waited for; without it waiting polls.",
    ),
    Peer(
        name="arq",
        title="arq",
        packages=("arq==0.28.0", HIREDIS, UVLOOP),
        variants=_slots(100, 10),
        recovery_seconds=300,
        remark="Polls every 500 ms, worker and results (defaults). Documented: job timeout of 300 s. uvloop.",
    ),
    Peer(
        name="saq",
        title="SAQ",
        packages=("saq[redis,hiredis]==0.26.4", "redis==7.4.1", UVLOOP, "typing_extensions==4.16.0"),
        variants=_slots(10, 50, 100),
        recovery_seconds=70,
        remark="`retries=3`: with the default of one a swept job is aborted. Job timeout 10 s, sweep every 60 s "
        "(defaults). Needs `typing_extensions`, which it does not declare. uvloop if its own runner takes it.",
    ),
    Peer(
        name="taskiq_list",
        title="taskiq-redis, list",
        packages=("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", HIREDIS, UVLOOP),
        variants=(*_slots(100, broker="list"), *_slots(32, broker="list", prefetch=32)),
        guarantee="none: a killed worker loses its tasks",
        adapter="taskiq_broker",
        remark="Results polled every 200 ms (default). `socket_timeout=None`, or the worker fails every 5 idle "
        "seconds. uvloop.",
    ),
    Peer(
        name="taskiq_stream",
        title="taskiq-redis, stream",
        packages=("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", HIREDIS, UVLOOP),
        variants=(*_slots(100, broker="stream"), *_slots(32, broker="stream", prefetch=32)),
        recovery_seconds=600,
        adapter="taskiq_broker",
        remark="Documented: idle timeout of 600 s, then with the next message. Results as above.",
    ),
    Peer(
        name="streaq",
        title="streaq",
        packages=("streaq==7.2.0", UVLOOP),
        variants=_slots(32, 16, 100),
        recovery_seconds=60,
        remark="Own client (coredis). Documented: idle timeout of 60 s. uvloop.",
    ),
    Peer(
        name="wakaq",
        title="WakaQ",
        packages=("wakaq==4.0.4", REDIS, HIREDIS),
        variants=({"slots": 0}, {"handler": "async", "slots": 100}),
        child={"slots": 0},
        guarantee="none: a killed worker loses its tasks",
        remark="No results.",
    ),
    Peer(
        name="tasktiger",
        title="TaskTiger",
        packages=("tasktiger==0.26.3", "redis==4.6.0", HIREDIS),
        variants=({"executor": "sync"}, {"executor": "fork"}),
        recovery_seconds=90,
        child={"executor": "fork"},
        remark="No results. Documented: active for 60 s without a heartbeat, looked for every 30 s.",
    ),
)


def find(names: list[str]) -> list[Peer]:
    """Return the peers of these names, in the order of the catalogue; no name: all.

    Raises:
        ValueError: if there is no such peer.
    """
    known = {peer.name for peer in PEERS}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no peer is called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [peer for peer in PEERS if not names or peer.name in names]

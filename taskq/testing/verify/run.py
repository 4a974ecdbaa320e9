"""The suites of ``taskq verify``, in which order, and for how long."""

from __future__ import annotations

import random
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from taskq.errors import AccessDenied, SettingsError
from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.testing.faults.proxy import Rewrite
from taskq.testing.namespace import delete_keys
from taskq.testing.verify.deaths import kills, pills, rivals, zombies
from taskq.testing.verify.losses import LossWindow, untried
from taskq.testing.verify.report import Report, Tally
from taskq.testing.verify.server_harm import server_harm
from taskq.testing.verify.site import Plan
from taskq.testing.verify.storm import Weather, storm
from taskq.testing.verify.wires import ACTIONS, lives, producers, schedulers, workers
from taskq.transport.server_info import ServerReading, read_server

# most of the time of a job is waiting, for replies that never come and leases that run out
_JOBS_AT_ONCE = 4
_SHARE_OF_POINTS = 0.65
_SHORTEST_STORM_SECONDS = 15.0
_DRAIN_SECONDS = 15.0

Job = Callable[[Plan, Tally], None]


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What to verify, and for how long.

    Attributes:
        minutes: how long it may take, about.
        seed: replays a run; None: a new one.
        allow_config: whether scripts may be flushed and ``maxmemory`` be set for moments, which other users of the
            server will notice.
        suites: names; none: all of them.
        rewrite: changes what workers send, to prove that the checks can fail.
    """

    minutes: float = 3.0
    seed: int | None = None
    allow_config: bool = False
    suites: tuple[str, ...] = ()
    rewrite: Rewrite | None = None


TITLES = {
    "producer": "each command of a client is cut, lost, left hanging or answered with an error",
    "worker": "the same for a working worker",
    "life": "the same for a worker from its first connection to its farewell",
    "scheduler": "the same for a scheduler, which is also the reaper",
    "kill": "a worker is killed before and after each of its commands",
    "zombie": "workers are frozen beyond their lease and thawed",
    "rivals": "two schedulers and twenty dead workers",
    "pill": "a poison pill among fifteen innocents, sixteen at a time",
    "storm": "random faults under load until the time is over",
}


def _jobs() -> list[tuple[str, Job]]:
    """Return the parts of the suites; those that use the time that is left stand last."""
    return [
        ("zombie", zombies),
        ("pill", pills),
        ("producer", producers),
        ("rivals", rivals),
        *(("worker", partial(workers, action=action)) for action in ACTIONS),
        *(("scheduler", partial(schedulers, action=action)) for action in ACTIONS),
        ("kill", partial(kills, when="before")),
        ("kill", partial(kills, when="after")),
        *(("life", partial(lives, action=action)) for action in ACTIONS),
    ]


def verify(
    settings: Settings, options: VerifyOptions | None = None, tell: Callable[[str], None] = lambda line: None
) -> Report:
    """Try every fault that is safe for the other users of a server, in namespaces of its own, and clean up.

    Args:
        settings: of the server.
        options: what and for how long.
        tell: called with a line about the progress.

    Returns:
        The report; its ``violations`` are empty if everything held. After a ``KeyboardInterrupt`` it has what was tried
        until then, and says so.

    Raises:
        SettingsError: for a cluster, whose clients would go round the proxy, and for a suite that does not exist.
        TaskqError: if the server cannot be used.
    """
    options = options or VerifyOptions()
    unknown = set(options.suites) - TITLES.keys()
    if unknown:
        raise SettingsError(f"there is no suite {', '.join(sorted(unknown))}: use {', '.join(TITLES)}")
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    started, begun = datetime.now(UTC), time.monotonic()
    prefix = f"taskq-verify-{secrets.token_hex(4)}"
    with TaskQueue(settings=replace(settings, prefix=prefix)) as queue, tempfile.TemporaryDirectory(prefix) as folder:
        endpoint = queue.namespace.endpoint
        reading = _try_once(queue)
        product = " ".join(reading.product).strip() or "a server that does not say its version"
        plan = Plan(
            replace(settings, redis_url=endpoint.url), Path(folder), prefix, seed, options.allow_config, options.rewrite
        )
        tell(f"{product} at {endpoint.shown}, seed {seed}, namespaces {prefix}-*")
        suites: list[Tally] = []
        interrupted = _run_or_interrupted(plan, options, tell, suites)
        losses: list[LossWindow] = [] if interrupted else untried(queue, reading)
    return Report(
        endpoint.shown,
        product,
        seed,
        started.isoformat(timespec="seconds"),
        time.monotonic() - begun,
        suites,
        losses,
        interrupted,
    )


def _try_once(queue: TaskQueue) -> ServerReading:
    """Read what the server is and submit a task, so that what cannot work is known before anything is started."""
    if queue.namespace.endpoint.clustered:
        raise SettingsError(
            "taskq verify stands between workers and server, and the clients of a cluster would go round it: name "
            "a single server of the same version and configuration"
        )
    try:
        queue.get_queue_stats()
        reading = read_server(queue.transport, queue.namespace.protocol.keys)
        if reading.info.get("role") == "slave":
            raise SettingsError(
                f"{queue.namespace.endpoint.shown} is a replica and accepts no writes: name its primary, or sentinels"
            )
        queue.submit_task(Task())
        delete_keys(queue)
    except AccessDenied as error:
        raise AccessDenied(
            f"{error}. taskq verify runs workers, schedulers and clients in namespaces of its own. A user who may do "
            "that: ACL SETUSER verify on '>password' '~taskq-verify-*' '&taskq-verify-*' +@all"
        ) from None
    return reading


def _run_or_interrupted(plan: Plan, options: VerifyOptions, tell: Callable[[str], None], suites: list[Tally]) -> bool:
    try:
        _run(plan, options, tell, suites)
    except KeyboardInterrupt:
        return True
    return False


def _run(plan: Plan, options: VerifyOptions, tell: Callable[[str], None], suites: list[Tally]) -> None:
    """Run the suites, and put their tallies into ``suites``, those of an interrupted run too."""
    wanted = options.suites or tuple(TITLES)
    seconds = options.minutes * 60
    begun = time.monotonic()
    jobs = [(name, job) for name, job in _jobs() if name in wanted]
    share = _SHARE_OF_POINTS if "storm" in wanted else 1.0
    _run_jobs(replace(plan, until=begun + share * seconds), jobs, tell, suites)
    if "storm" in wanted:
        left = max(_SHORTEST_STORM_SECONDS, seconds - (time.monotonic() - begun) - _DRAIN_SECONDS)
        tally = Tally("storm", TITLES["storm"])
        harm = server_harm(plan) if plan.allow_config else {}
        suites.append(tally)
        _run_job(plan, tally, partial(storm, weather=Weather(left, harm=harm)))
        tell(f"{'storm':<10} {'ok' if not tally.violations else 'BAD'}")


def _run_jobs(plan: Plan, jobs: Sequence[tuple[str, Job]], tell: Callable[[str], None], suites: list[Tally]) -> None:
    parts: dict[str, list[Tally]] = {}
    with ThreadPoolExecutor(_JOBS_AT_ONCE, thread_name_prefix="verify") as pool:
        pending: dict[Future[None], Tally] = {}
        for name, job in jobs:
            tally = Tally(name, TITLES[name])
            parts.setdefault(name, []).append(tally)
            pending[pool.submit(_run_job, plan, tally, job)] = tally
        try:
            while pending:
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    tally = pending.pop(future)
                    future.result()
                    tell(f"{tally.suite:<10} {tally.points:3} points  {'ok' if not tally.violations else 'BAD'}")
        except BaseException:
            plan.stop.set()  # Ctrl+C, or a server that is gone: the others end after their point
            tell("ending: the faults under way come to their end, and all is cleaned up")
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            suites += [_merged(tallies) for tallies in parts.values()]


def _run_job(plan: Plan, tally: Tally, job: Job) -> None:
    begun = time.monotonic()
    try:
        job(plan, tally)
    except (AssertionError, RuntimeError) as error:
        tally.blame([str(error)])
    finally:
        tally.seconds = time.monotonic() - begun


def _merged(parts: Sequence[Tally]) -> Tally:
    first, *others = parts
    for part in others:
        first.faults += part.faults
        first.commands += part.commands
        first.recovery_seconds += part.recovery_seconds
        first.violations += part.violations
        for name in ("points", "tasks", "lost", "double", "second_runs", "refused", "seconds"):
            setattr(first, name, getattr(first, name) + getattr(part, name))
    return first

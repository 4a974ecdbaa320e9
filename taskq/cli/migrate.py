"""``taskq migrate``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from taskq.cli import values
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import plural, show, show_json
from taskq.cli.program import EXIT_FAILED
from taskq.cli.progress import progress_bar
from taskq.cli.session import Session, with_session
from taskq.errors import TaskqError
from taskq.migrate import CeleryJobs, Plan, RqJobs, move
from taskq.migrate.jobs import OldJobs
from taskq.settings import redact_url
from taskq.states import TaskPriority
from taskq.transport.foreign import OldServer

F = TypeVar("F", bound=Callable[..., Any])

_MOST_SHOWN = 10


@click.group(cls=TaskqGroup)
def migrate() -> None:
    """Move the jobs that wait in RQ or Celery: read as data, nothing is unpickled or called."""


def _plan_options(function: F) -> F:
    """Add what says which jobs are moved, and to where."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Only say what would be moved and what would not."),
        click.option(
            "--max-retries", type=values.WholeNumber(0), metavar="N", help="Of the tasks, whatever the jobs say."
        ),
        click.option(
            "--rename", multiple=True, metavar="FUNCTION=TYPE", help="Type of the tasks for a function, if it differs."
        ),
        click.option(
            "--into", multiple=True, metavar="SOURCE=QUEUE[:PRIORITY]", help="Where the jobs of a queue there go."
        ),
        click.option("--queue", "queues", multiple=True, metavar="NAME", help="A queue there; may be repeated."),
    ):
        function = option(function)
    return function


@migrate.command("rq")
@click.option("--from", "url", envvar="RQ_REDIS_URL", required=True, metavar="URL", help="Server of RQ.")
@_plan_options
@with_session
def rq(session: Session, /, url: str, dry_run: bool, **plan: Any) -> None:
    """Move what waits in the queues of RQ, and what it has scheduled.

    \b
    Examples:
      taskq migrate rq --from redis://old:6379/0 --dry-run
      taskq migrate rq --from redis://old:6379/0 --queue high --into high=default:high
    """
    with _opened(session, url, "RQ_REDIS_URL") as server:
        _run(session, RqJobs(server, _plan(**plan)), dry_run=dry_run)


@migrate.command("celery")
@click.option("--from", "url", envvar="CELERY_BROKER_URL", required=True, metavar="URL", help="Broker of Celery.")
@click.option("--key-prefix", default="", metavar="TEXT", help="The global_keyprefix of the broker, if it has one.")
@_plan_options
@with_session
def celery(session: Session, /, url: str, key_prefix: str, dry_run: bool, **plan: Any) -> None:
    """Move the messages that wait in the queues of Celery on Redis.

    A list of another step of priority than 0 is named QUEUE:STEP.

    \b
    Examples:
      taskq migrate celery --from redis://old:6379/0 --dry-run
      taskq migrate celery --from redis://old:6379/0 --queue celery --into celery:9=default:low
    """
    with _opened(session, url, "CELERY_BROKER_URL") as server:
        _run(session, CeleryJobs(server, _plan(**plan), key_prefix), dry_run=dry_run)


def _opened(session: Session, url: str, variable: str) -> closing[OldServer]:
    source = click.get_current_context().get_parameter_source("url")
    if source is ParameterSource.COMMANDLINE and redact_url(url) != url:
        session.note(
            f"everybody on this machine can read the password in --from (ps): put the URL into {variable}",
            kind="warning",
        )
    return closing(OldServer(url, session.settings))


def _plan(queues: tuple[str, ...], into: tuple[str, ...], rename: tuple[str, ...], max_retries: int | None) -> Plan:
    return Plan(
        queues,
        {source: _target(target) for source, target in (_halves(one, "--into") for one in into)},
        dict(_halves(one, "--rename") for one in rename),
        max_retries,
    )


def _halves(text: str, flag: str) -> tuple[str, str]:
    left, equals, right = text.rpartition("=")
    if not equals or not left or not right:
        raise click.UsageError(f"{flag} {text!r} is not OLD=NEW.")
    return left, right


def _target(text: str) -> tuple[str, TaskPriority]:
    queue, _, priority = text.partition(":")
    return queue, values.priority(priority or "normal")


def _run(session: Session, jobs: OldJobs, *, dry_run: bool) -> None:
    for warning in jobs.remarks():
        session.note(warning)
    session.starts_server = True
    queue = session.queue

    def total() -> int:
        return sum(jobs.server.length(source) for source in jobs.sources())

    try:
        with progress_bar(session, "moving", total) as advance:
            report = move(queue, jobs, dry_run=dry_run, advance=advance)
    except TaskqError:
        session.note("what was on its way is kept in taskq:moving:* on the old server: run the same command again")
        raise
    if session.json:
        refused = [{"id": one.job_id, "function": one.name, "reason": one.reason} for one in report.refused]
        show_json(
            {
                "moved": report.moved,
                "finished": report.finished,
                "staying": report.staying,
                "dry_run": dry_run,
                "refused": refused,
            }
        )
    else:
        done = "could be moved" if dry_run else "moved"
        show(f"{plural(report.moved, 'job')} {done}, {report.staying:,} {'would ' if dry_run else ''}stay")
        reasons = Counter((one.name or "?", one.reason) for one in report.refused)
        for (name, reason), number in reasons.most_common(_MOST_SHOWN):
            show(f"  {number:,} × {name}: {reason}")
        if len(reasons) > _MOST_SHOWN:
            session.note(f"{len(reasons) - _MOST_SHOWN} more reasons: --json shows them")
    if report.staying:
        click.get_current_context().exit(EXIT_FAILED)

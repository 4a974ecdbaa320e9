"""``taskq submit``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

import click

from taskq.cli.commands import TaskqCommand
from taskq.cli.options import Duration, Moment
from taskq.cli.output import printable, show, show_json
from taskq.cli.program import EXIT_FAILED
from taskq.cli.session import Session, with_session
from taskq.cli.task_options import build_task, task_options, type_and_payload
from taskq.model.task import Task
from taskq.scheduler import TaskScheduler
from taskq.states import TaskStatus

_FOR_EVER = "for ever"


class _Patience(Duration):
    """A duration; without a value: as long as it takes."""

    name = "[duration]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == _FOR_EVER:
            return value
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise click.BadParameter(
                f"{error.message}. Without a limit, put --wait at the end of the line.", ctx, param
            ) from None


@click.command(cls=TaskqCommand)
@click.argument("words", nargs=-1, metavar="[TYPE] [PAYLOAD|-]")
@task_options
@click.option("--delay", type=Duration(), help="Start after this time, such as 5m.")
@click.option("--at", type=Moment(), help="Start at this time: 2026-11-21T09:00 (local), or with Z or +01:00.")
@click.option("--id", "task_id", metavar="ID", help="Id of the task; a repeated submit with it is stored once.")
@click.option("--count", type=click.IntRange(1, 1_000_000), help="Submit this many of them.")
@click.option(
    "--wait",
    type=_Patience(),
    is_flag=False,
    flag_value=_FOR_EVER,
    metavar="[DURATION]",
    help="Wait for the result and print it; exit code 1 if the task failed, 124 if the time is over.",
)
@with_session
def submit(session: Session, words: tuple[str, ...], **options: Any) -> None:
    """Submit a task and print its id.

    PAYLOAD is JSON; `-` reads it from the standard input. TYPE says which handler runs it; without it the type is
    agent_query. Every worker knows the type `echo`, which returns its payload.

    \b
    Examples:
      taskq submit echo '{"hello": "world"}' --wait
      taskq submit resize '{"file": "a.png"}' --priority high --delay 5m
      taskq submit '{"query": "What is a queue?"}'
      cat order.json | taskq submit order -
    """
    delay, at = options["delay"], options["at"]
    if delay is not None and at is not None:
        raise click.UsageError("--delay and --at both say when to start: leave one of them out.")
    ids: list[str] = []
    for chunk in _chunks(_tasks(words, options), session.settings.batch_size):
        sent = _send(session, chunk, delay, at)
        ids += sent
        if sent[0] != chunk[0].task_id:
            session.note(f"a task with the key {chunk[0].unique_key} is live; it is the one shown, nothing was added")
        if options["wait"] is None and not session.json:
            show("\n".join(sent))
    if options["wait"] is not None:
        _wait(session, ids, None if options["wait"] == _FOR_EVER else options["wait"], many=bool(options["count"]))
    elif session.json:
        show_json({"task_ids": ids} if options["count"] else {"task_id": ids[0]})


def _tasks(words: tuple[str, ...], options: dict[str, Any]) -> Iterator[Task]:
    task = build_task(words, **options)
    if options["count"] and (options["task_id"] or options["unique_key"]):
        raise click.UsageError(
            "--count submits different tasks, --id and --unique-key name one: leave one of them out."
        )
    yield task
    for _ in range(1, options["count"] or 1):
        yield replace(task, task_id="")


def _chunks(tasks: Iterator[Task], size: int) -> Iterator[list[Task]]:
    while chunk := list(islice(tasks, size)):
        yield chunk


def _send(session: Session, tasks: list[Task], delay_seconds: float | None, at: datetime | None) -> list[str]:
    if not delay_seconds and at is None:
        return session.queue.submit_batch(tasks)
    scheduler = TaskScheduler(session.queue)
    if at is not None:
        return [scheduler.schedule_task(task, at) for task in tasks]
    return [scheduler.schedule_task_in(task, delay_seconds or 0.0) for task in tasks]


def _wait(session: Session, ids: list[str], seconds: float | None, *, many: bool) -> None:
    """Print the results as they were submitted; end the command if one is no success."""
    if not session.json:
        session.note(f"submitted {ids[0] if len(ids) == 1 else f'{len(ids):,} tasks'}, waiting for the result")
    if session.queue.get_queue_stats().active_workers == 0:
        session.note("no worker is running: start one in another terminal with `taskq worker`")
    deadline = None if seconds is None else time.monotonic() + seconds
    results = []
    for task_id in ids:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        results.append(session.queue.wait_for_result(task_id, left))
        if not session.json:
            _show_result(session, results[-1])
    if session.json:
        show_json(results if many else results[0])
    if any(result["status"] != TaskStatus.COMPLETED for result in results):
        click.get_current_context().exit(EXIT_FAILED)


def _show_result(session: Session, result: dict[str, Any]) -> None:
    if result["status"] != TaskStatus.COMPLETED:
        reason = printable(str(result.get("error") or "no reason was stored")).rstrip()
        session.note(f"task {result['task_id']} {result['status']}: {reason}")
        return
    value = result["result"]
    if isinstance(value, str):
        show(printable(value) if sys.stdout.isatty() else value)
    else:
        show_json(value)

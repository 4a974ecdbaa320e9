"""``taskq submit``."""

from __future__ import annotations

import contextlib
import difflib
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

import click

from taskq.cli import values
from taskq.cli.commands import TaskqCommand
from taskq.cli.output import plural, printable, show, show_json
from taskq.cli.program import EXIT_FAILED
from taskq.cli.session import Session, with_session
from taskq.cli.task_options import build_task, known_types, task_options
from taskq.errors import AccessDenied
from taskq.model.moment import MAX_SECONDS, to_epoch_ms
from taskq.model.task import Task
from taskq.model.uniqueness import UniquePolicy
from taskq.model.views import WorkerInfo
from taskq.protocol.keys import list_name
from taskq.registry import Registry
from taskq.scheduler import TaskScheduler
from taskq.states import Durability, TaskStatus

_FOR_EVER = "for ever"
# The card of a worker shows no more of its types than this many characters.
_CUT = 4_000


def _limit(value: str) -> float | str:
    """Return the seconds to wait; ``_FOR_EVER`` stands for an option without a value."""
    if value == _FOR_EVER:
        return value
    try:
        return values.duration(value)
    except click.BadParameter as error:
        raise click.BadParameter(f"{error.message}. Without a limit, put --wait at the end of the line.") from None


@click.command(cls=TaskqCommand)
@click.argument("words", nargs=-1, metavar="[TYPE] [PAYLOAD|-]")
@task_options
@click.option("--delay", type=values.duration, help="Start after this time, such as 5m.")
@click.option(
    "--at",
    type=values.moment,
    metavar="TIME",
    help="Start at this time: 2026-11-21T09:00 (local), or with Z or +01:00.",
)
@click.option("--id", "task_id", metavar="ID", help="Id of the task; without it one is made up.")
@click.option("--unique-key", metavar="KEY", help="While a task with this key is live, another one is not accepted.")
@click.option(
    "--unique-policy",
    type=click.Choice([policy.value for policy in UniquePolicy]),
    help="What to do if the key is held.  [default: existing]",
)
@click.option("--unique-ttl", type=values.duration, help="Let go of the key after this time, even if the task is live.")
@click.option("--unique-window", type=values.duration, help="The window of debounce or throttle, such as 5s.")
@click.option(
    "--idempotency", type=values.duration, help="Keep the key for this time after the completion; needs --unique-key."
)
@click.option("--ordering-key", metavar="KEY", help="Run tasks with this key one after the other, in order.")
@click.option("--group-key", metavar="KEY", help="Tasks with this key take turns with all others of their list.")
@click.option(
    "--limit-key", "limit_keys", multiple=True, metavar="KEY", help="Limit by which it is counted; may be repeated."
)
@click.option("--count", type=values.WholeNumber(1, 1_000_000), metavar="N", help="Submit this many of them.")
@click.option(
    "--durability",
    type=click.Choice([level.value for level in Durability]),
    help="What to wait for before the id is printed.  [default: TASKQ_DURABILITY, memory]",
)
@click.option(
    "--wait",
    type=_limit,
    is_flag=False,
    flag_value=_FOR_EVER,
    metavar="[DURATION]",
    help="Wait for the result and print it; exit code 1 if the task failed, 124 if the time is over.",
)
@with_session
def submit(session: Session, /, words: tuple[str, ...], **options: Any) -> None:
    """Submit a task and print its id.

    PAYLOAD is JSON; `-` reads it from the standard input. TYPE says which handler runs it; without it the type is
    agent_query. Every worker knows the type `echo`, which returns its payload.

    \b
    Examples:
      taskq submit echo '{"hello": "world"}' --wait
      taskq submit resize '{"file": "a.png"}' --priority high --delay 5m
      taskq submit '{"query": "What is a queue?"}'
      cat order.json | taskq submit order -
      taskq submit shop.pay '{"order": 7}' --handlers shop:app
    """
    session.starts_server = True
    delay, at = options["delay"], options["at"]
    if delay is not None and at is not None:
        raise click.UsageError("--delay and --at both say when to start: leave one of them out.")
    if at is not None:
        _check_moment(session, at)
    if options["durability"]:
        session.settings = replace(session.settings, durability=options["durability"])
    if registry := known_types(options["handlers"]):
        session.queue.registry.update(registry)  # its schemas and middleware
    tasks = _tasks(words, options, registry)
    first = next(tasks)
    ids: list[str] = []
    for chunk in _chunks(chain([first], tasks), session.settings.batch_size):
        sent = _send(session, chunk, delay, at)
        ids += sent
        if options["wait"] is None and not session.json:
            show("\n".join(sent))
    if ids[0] != first.task_id:
        session.note(f"a task with the key {first.unique_key} is there already; it is the one shown, nothing was added")
    if options["wait"] is not None:
        limit = None if options["wait"] == _FOR_EVER else options["wait"]
        _wait(session, first, ids, limit, many=bool(options["count"]))
    elif session.json:
        show_json({"task_ids": ids} if options["count"] else {"task_id": ids[0]})


def _check_moment(session: Session, at: datetime) -> None:
    """Refuse a start that ``--delay`` could not name either; one that is over is worth a word."""
    left = to_epoch_ms(at) / 1000 - time.time()
    if left > MAX_SECONDS:
        raise click.BadParameter(f"{at.isoformat()} is more than 100 years away", param_hint="--at")
    if left < 0:
        session.note(f"{at.isoformat()} is over: the task starts at once")


def _tasks(words: tuple[str, ...], options: dict[str, Any], registry: Registry | None) -> Iterator[Task]:
    task = build_task(words, registry, **options)
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


def _wait(session: Session, task: Task, ids: list[str], seconds: float | None, *, many: bool) -> None:
    """Print the results as they were submitted; end the command if one is no success."""
    if not session.json:
        session.note(f"submitted {ids[0] if len(ids) == 1 else plural(len(ids), 'task')}, waiting for the result")
    with contextlib.suppress(AccessDenied):  # a producer need not be allowed to see the workers
        if why := _why_nobody_runs(session.queue.list_workers(), task):
            session.note(why)
    deadline = None if seconds is None else time.monotonic() + seconds
    results = []
    for task_id in ids:
        left = None if deadline is None else round(max(0.0, deadline - time.monotonic()), 3)
        results.append(_result(session, ids, task_id, left))
        if not session.json:
            _show_result(session, results[-1])
    if session.json:
        show_json(results if many else results[0])
    if any(result["status"] != TaskStatus.COMPLETED for result in results):
        click.get_current_context().exit(EXIT_FAILED)


def _result(session: Session, ids: list[str], task_id: str, seconds: float | None) -> dict[str, Any]:
    """Return a result; Ctrl+C ends the wait and not the tasks, which is worth a word."""
    try:
        return session.queue.wait_for_result(task_id, seconds)
    except KeyboardInterrupt:
        left = len(ids) - ids.index(task_id)
        what = f"task {task_id} goes on" if left == 1 else f"{left:,} tasks go on, the first of them is {task_id}"
        session.note(f"{what}: `taskq task show {task_id}` shows it, `taskq task cancel {task_id}` ends it")
        raise


def _why_nobody_runs(workers: list[WorkerInfo], task: Task) -> str | None:
    """Return why no worker would run a task; None if one would, or if the cards of the workers do not tell."""
    if not workers:
        return "no worker is running: start one in another terminal with `taskq worker`"
    name = list_name(task.queue, task.priority)
    serving = [worker.card for worker in workers if name in worker.card.get("lists", name).split()]
    if not serving:
        return f"no running worker serves the list {name}: `taskq worker ls` shows what they serve"
    types = [card.get("types", "") for card in serving]
    if all(0 < len(text) < _CUT and task.task_type not in text.split() for text in types):
        known = sorted({kind for text in types for kind in text.split()})
        near = difflib.get_close_matches(task.task_type, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"they know {', '.join(known[:10])}"
        return f"no running worker knows the type {task.task_type}: {hint}"
    return None


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

"""``taskq schedule``."""

from __future__ import annotations

from typing import Any

import click

from taskq.cli import values
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import age_text, seconds_since, show, show_json, table, when_text
from taskq.cli.session import Session, with_session
from taskq.cli.task_options import build_task, known_types, task_options
from taskq.scheduler import ScheduleInfo, TaskScheduler

# A scheduler that runs is never this late.
_LATE_SECONDS = 30


@click.group(cls=TaskqGroup)
def schedule() -> None:
    """List, add, pause, run or remove recurring tasks; a running `taskq scheduler` submits them."""


@schedule.command("ls")
@with_session
def ls(session: Session) -> None:
    """List the schedules with the time of their next and their last run."""
    schedules = [item.to_dict() for item in TaskScheduler(session.queue).list_schedules()]
    if session.json:
        show_json(schedules)
    elif schedules:
        headers = ("NAME", "WHEN", "TYPE", "QUEUE", "PRIORITY", "NEXT RUN", "LAST RUN")
        show(table(headers, [_row(item) for item in schedules]))
        for item in schedules:
            if item["problem"]:
                session.note(f"{item['name']} is not run: {item['problem']}", kind="warning")
        if any((seconds_since(item["next_run"]) or 0) > _LATE_SECONDS for item in schedules):
            session.note("some of them are late: is a `taskq scheduler` running?", kind="warning")
    else:
        session.note('no schedule: add one with `taskq schedule add nightly --cron "0 3 * * *" TYPE PAYLOAD`')


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    return (
        item["name"],
        item["description"],
        item["task_type"],
        item["queue"],
        item["priority"],
        "paused" if item["paused"] else when_text(item["next_run"]),
        age_text(item["last_run"]),
    )


@schedule.command("add")
@click.argument("name")
@click.argument("words", nargs=-1, metavar="[TYPE] [PAYLOAD|-]")
@click.option("--cron", metavar="EXPRESSION", help='Minute, hour, day, month, weekday: "0 9 * * mon-fri".')
@click.option("--tz", metavar="ZONE", help="Time zone of --cron, such as Europe/Berlin; without it UTC.")
@click.option("--every", type=values.duration, help="Time between two runs, such as 30s.")
@task_options
@with_session
def add(session: Session, /, name: str, words: tuple[str, ...], **options: Any) -> None:
    """Add a recurring task, or replace the one of the same name.

    \b
    Examples:
      taskq schedule add nightly --cron "0 3 * * *" --tz Europe/Berlin report '{"kind": "daily"}'
      taskq schedule add pulse --every 30s echo '{}'
    """
    cron, every, tz = options["cron"], options["every"], options["tz"]
    if (cron is None) == (every is None):
        raise click.UsageError('Say when it is to run: either --cron "0 9 * * *" or --every 30s.')
    if tz is not None and cron is None:
        raise click.UsageError("--tz is the time zone of --cron; --every counts seconds and needs none.")
    task = build_task(words, known_types(options["handlers"]), **options)
    session.starts_server = True
    scheduler = TaskScheduler(session.queue)
    if cron is not None:
        added = scheduler.schedule_cron(name, cron, task, tz=tz or "UTC")
    else:
        added = scheduler.schedule_every(name, every, task)
    if session.json:
        show_json(added.to_dict())
    else:
        show(f"{name} is due {added.description}, next {when_text(added.next_run)}")
        session.note("a running `taskq scheduler` submits its tasks")


@schedule.command("pause")
@click.argument("name")
@with_session
def pause(session: Session, name: str) -> None:
    """Stop firing a schedule until it is resumed; its tasks that wait or run already go on."""
    _show(session, TaskScheduler(session.queue).pause_schedule(name))


@schedule.command("resume")
@click.argument("name")
@with_session
def resume(session: Session, name: str) -> None:
    """Fire a paused schedule again, from its next time on; what was missed is not made up for."""
    _show(session, TaskScheduler(session.queue).resume_schedule(name))


def _show(session: Session, info: ScheduleInfo) -> None:
    if session.json:
        show_json(info.to_dict())
    else:
        show(f"{info.name} is paused" if info.paused else f"{info.name} is due next {when_text(info.next_run)}")


@schedule.command("run")
@click.argument("name")
@with_session
def run(session: Session, name: str) -> None:
    """Submit the task of a schedule now, besides its times; paused ones too. Prints the id of the task."""
    task_id = TaskScheduler(session.queue).run_now(name)
    if session.json:
        show_json({"name": name, "task_id": task_id})
    else:
        show(task_id)


@schedule.command("rm")
@click.argument("name")
@with_session
def remove(session: Session, name: str) -> None:
    """Remove a schedule; tasks that it has submitted stay."""
    removed = TaskScheduler(session.queue).remove_schedule(name)
    none = f"there is no schedule {name!r}: `taskq schedule ls` shows them all"
    session.tell_removed(removed, {"name": name}, f"{name} removed", none)

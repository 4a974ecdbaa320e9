"""``taskq limit``."""

from __future__ import annotations

import click

from taskq.cli import values
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import show, show_json, table
from taskq.cli.session import Session, with_session


@click.group(cls=TaskqGroup)
def limit() -> None:
    """Limit how many tasks run at a time, or start within a time."""


@limit.command("set")
@click.argument("name")
@click.option("--concurrency", type=values.WholeNumber(1), metavar="N", help="How many may run at a time.")
@click.option("--rate", metavar="N/TIME", help="How many may start within a time: 100/s, 10/m, 500/15m.")
@click.option("--burst", type=values.WholeNumber(1), metavar="N", help="How many may start at once after a pause.")
@click.option("--sliding", is_flag=True, help="No span of that time has more starts, wherever it begins.")
@with_session
def set_limit(
    session: Session, name: str, concurrency: int | None, rate: str | None, burst: int | None, sliding: bool
) -> None:
    """Add or replace a limit.

    NAME counts the tasks that have it among their limit keys, and those of each key NAME:... by itself; type:NAME
    counts the tasks of a type.

    \b
    Examples:
      taskq limit set type:resize --concurrency 4
      taskq limit set smtp --concurrency 10 --rate 100/m
      taskq limit set customer --rate 5/s --burst 10
    """
    session.queue.set_limit(name, concurrency=concurrency, rate=rate, burst=burst, sliding=sliding)
    if session.json:
        show_json({"name": name, "concurrency": concurrency, "rate": rate, "burst": burst, "sliding": sliding})
    else:
        show(f"{name} is limited")


@limit.command("ls")
@with_session
def ls(session: Session) -> None:
    """List the limits, and how many tasks run with them and wait for room."""
    found = session.queue.list_limits()
    if session.json:
        show_json([info.to_dict() for info in found])
    elif not found:
        session.note(f"there is no limit in {session.settings.prefix}")
    else:
        rows = []
        for info in found:
            item = info.limit
            form = "sliding" if item.sliding else f"burst {item.burst}" if item.burst else ""
            rows.append((item.name, item.concurrency, item.rate, form, info.running, info.waiting))
        headers = ("NAME", "CONCURRENCY", "RATE", "FORM", "RUNNING", "WAITING")
        show(table(headers, rows, right=("CONCURRENCY", "RUNNING", "WAITING")))


@limit.command("rm")
@click.argument("name")
@with_session
def rm(session: Session, name: str) -> None:
    """Remove a limit; what waits for it starts."""
    removed = session.queue.remove_limit(name)
    none = f"there is no limit {name}: `taskq limit ls` shows them"
    session.tell_removed(removed, {"name": name}, f"{name} is not limited any more", none)

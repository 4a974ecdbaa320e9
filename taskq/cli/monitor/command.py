"""``taskq monitor``: read, draw, listen to keys, once a second until the user has seen enough."""

from __future__ import annotations

import sys
import time

import click
from rich.console import Console
from rich.live import Live

from taskq.cli import values
from taskq.cli.commands import TaskqCommand
from taskq.cli.monitor.keys import Keyboard
from taskq.cli.monitor.reading import Rates, Reading, read
from taskq.cli.monitor.screen import View, screen
from taskq.cli.monitor.steering import Steering
from taskq.cli.output import show_json
from taskq.cli.session import Session, with_session
from taskq.errors import TaskqError


@click.command(cls=TaskqCommand)
@click.option("--snapshot", is_flag=True, help="Print one screen and end: for scripts, cron and pipes.")
@click.option("--every", type=values.duration, default=1.0, help="Time between two looks.  [default: 1s]")
@with_session
def monitor(session: Session, snapshot: bool, every: float) -> None:
    """Watch lists, workers and dead letters live, and act on them.

    \b
    Keys: ? all keys, q quit, tab next panel, arrows select, enter details of a task, p pause or resume the
    selected list, r replay the selected dead letter, c cancel the task that is looked at.
    With --json one document is printed instead.
    """
    if session.json:
        show_json(read(session.queue).to_dict())
        return
    console = Console()
    if snapshot or not (console.is_terminal and sys.stdin.isatty()):
        reading, rates = read(session.queue), Rates()
        rates.add(reading)
        console.print(screen(reading, rates, View(focus=""), console.width, None))
        return
    _watch(session, console, max(0.1, every))


def _watch(session: Session, console: Console, every: float) -> None:
    rates, view = Rates(), View()
    reading = read(session.queue)
    rates.add(reading)
    steering = Steering(session.queue, view)
    with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        next_at = time.monotonic() + every
        while not steering.ended:
            live.update(screen(reading, rates, view, console.width, console.height), refresh=True)
            key = keyboard.read(max(0.0, next_at - time.monotonic()))
            if key:
                steering.press(key, reading)
            if time.monotonic() >= next_at or steering.changed:
                reading = _read_again(session, reading, rates, view)
                steering.changed = False
                next_at = time.monotonic() + every


def _read_again(session: Session, before: Reading, rates: Rates, view: View) -> Reading:
    """Read once more; while the server is away, what was read last stays on the screen."""
    try:
        reading = read(session.queue)
    except TaskqError as error:
        view.message = f"no answer: {error}"
        return before
    if view.message.startswith("no answer"):
        view.message = ""
    rates.add(reading)
    return reading

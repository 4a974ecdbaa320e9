"""The scheduler as a process: banner, signals, statistics."""

from __future__ import annotations

import logging
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import click

from taskq.endings import ending_signals
from taskq.errors import ServerUnavailable
from taskq.logs import set_up_logging
from taskq.queue import TaskQueue
from taskq.scheduler.loop import SchedulerLoop
from taskq.settings import Settings

log = logging.getLogger("taskq.scheduler")

_LOOK_SECONDS = 0.2
# Every step leaves the namespace whole, so a loop that waits for a silent server can be left behind.
_FAREWELL_SECONDS = 0.6


def run_scheduler(settings: Settings, stop: threading.Event | None = None) -> int:
    """Run one scheduler until SIGINT, SIGTERM or SIGHUP, which end it within a second; a second signal ends it at once.

    The banner and the totals at the end go to the standard output, the log to the standard error.

    Args:
        settings: which server and namespace.
        stop: an event that ends it as well. On another thread than the main one, it is the only way.

    Returns:
        0, the exit code of the process.

    Raises:
        SettingsError, EmbeddedServerError: if there is no usable address.
        AccessDenied, ServerError: if the server refuses at the start.
    """
    set_up_logging(settings)
    stop = stop or threading.Event()
    name = f"scheduler-{secrets.token_hex(4)}"
    with TaskQueue(settings=settings) as queue, _ended_by_signals(stop):
        loop = SchedulerLoop(queue, stop)  # a server that is started for it speaks first
        click.echo(f"taskq scheduler {version('taskq')}")
        click.echo(f"  server     {queue.namespace.endpoint.shown}")
        click.echo(f"  prefix     {settings.prefix}")
        on_thread = _LoopThread(loop, name)
        on_thread.start()
        on_thread.watch(stop)
    done = loop.statistics
    click.echo(
        f"Scheduler {name} stopped: {done.promoted:,} promoted, {done.fired:,} fired, {done.recovered:,} recovered, "
        f"{done.forgotten:,} forgotten"
    )
    return 0


class _LoopThread(threading.Thread):
    """The loop beside the main thread, which stays free to end the process while a silent server holds the loop."""

    def __init__(self, loop: SchedulerLoop, name: str) -> None:
        super().__init__(name="taskq scheduler", daemon=True)
        self._loop = loop
        self._scheduler_name = name
        self._failure: Exception | None = None

    def run(self) -> None:
        try:
            click.echo(f"  schedules  {self._loop.connect():,}")
            click.echo(f"Scheduler {self._scheduler_name} ready")
            self._loop.run()
        except ServerUnavailable:
            pass  # stopped before the server was there
        except Exception as error:
            self._failure = error

    def watch(self, stop: threading.Event) -> None:
        """Return when ``stop`` is set and the loop has ended, or has had its time to; raise what has ended it."""
        while self.is_alive() and not stop.is_set():
            self.join(_LOOK_SECONDS)
        self.join(_FAREWELL_SECONDS)
        if self.is_alive():
            log.warning("the server does not answer: leaving without waiting for it")
        if self._failure is not None:
            raise self._failure


@contextmanager
def _ended_by_signals(stop: threading.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    numbers = ending_signals()

    def end(number: int, _: object) -> None:
        stop.set()
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)  # the next one is not asked what it wants

    previous = {each: signal.signal(each, end) for each in numbers}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)

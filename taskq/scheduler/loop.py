"""The scheduler as a process runs it: three small services, and a sleep in the server between their steps."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from taskq.errors import InvalidTask, ServerUnavailable, TaskqError
from taskq.model.moment import seconds_to_ms
from taskq.protocol.keys import SCHEDULER_BELL
from taskq.queue import TaskQueue
from taskq.scheduler.alarm import Alarm
from taskq.scheduler.complaints import Complaints
from taskq.scheduler.janitor import Janitor
from taskq.scheduler.promoter import Promoter
from taskq.scheduler.recurring import Recurring
from taskq.scheduler.steady import SteadyLine
from taskq.transport.bell import Bell

CHECK_INTERVAL_SECONDS = 10.0
_RETRY_SECONDS = 1.0


class Service(Protocol):
    """One duty of the loop."""

    name: str

    def step(self) -> float:
        """Do a short piece of work; return the seconds until there is more, 0 for at once."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What one scheduler has done.

    Attributes:
        promoted: delayed tasks and retries moved to their lists.
        fired: recurring slots whose task it submitted.
        recovered: tasks taken from dead workers.
        forgotten: ids of ended tasks cleared away after their retention.
    """

    promoted: int
    fired: int
    recovered: int
    forgotten: int


class SchedulerLoop:
    """One scheduler. Any number of them may run at once.

    Args:
        queue: the namespace it serves; it uses two connections of its own.
        stop: ends it.
        check_interval_seconds: how often the recurring schedules are listed when there is no reason to.

    Raises:
        InvalidTask: if the interval is no usable length of time.
        SettingsError, EmbeddedServerError: if there is no usable address.
    """

    def __init__(
        self, queue: TaskQueue, stop: threading.Event, check_interval_seconds: float = CHECK_INTERVAL_SECONDS
    ) -> None:
        if seconds_to_ms(check_interval_seconds, "check_interval") == 0:
            raise InvalidTask("check_interval is 0: use a number of seconds above 0")
        context, endpoint = queue.context, queue.namespace.endpoint
        self._stop = stop
        self._context = context
        self._line = SteadyLine(queue.transport.own_line(), endpoint.shown, stop)
        run = self._line.run
        self._promoter = Promoter(run, context.protocol)
        self._recurring = Recurring(run, context, check_interval_seconds)
        self._janitor = Janitor(run, context.protocol, context.settings)
        self._services: tuple[Service, ...] = (self._promoter, self._recurring, self._janitor)
        self._alarm = Alarm(Bell(endpoint, context.protocol.bell_keys([SCHEDULER_BELL])), stop)
        self._complaints = Complaints()

    def connect(self) -> int:
        """Wait for the server; return how many recurring schedules there are.

        Raises:
            ServerUnavailable: if ``stop`` is set meanwhile.
            TaskqError: if the server refuses, for instance the password: no later step would fare better.
        """
        _, texts, _ = self._line.run(self._context.protocol.list_schedules())
        return len(texts)

    def run(self) -> None:
        """Work until ``stop`` is set; outlasts every outage."""
        try:
            while not self._stop.is_set():
                pause = min([self._step(service) for service in self._services])
                if self._alarm.wait(pause):
                    self._recurring.hint()
        except ServerUnavailable:
            if not self._stop.is_set():
                raise
        finally:
            self._alarm.close()
            self._line.close()

    def _step(self, service: Service) -> float:
        try:
            pause = service.step()
        except ServerUnavailable:
            raise
        except Exception as error:  # a service in trouble must not take the others with it
            self._complaints.say(service.name, error, traceback=not isinstance(error, TaskqError))
            return _RETRY_SECONDS
        self._complaints.over(service.name)
        return pause

    @property
    def statistics(self) -> Statistics:
        """What has been done so far."""
        return Statistics(
            self._promoter.promoted, self._recurring.fired, self._janitor.recovered, self._janitor.forgotten
        )

"""Tasks for later, and tasks that recur."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from taskq import flows, submitting
from taskq.current import get_task_queue
from taskq.errors import InvalidTask, NameNotFound, ServerUnavailable
from taskq.model.moment import iso_utc, parse_iso, seconds_to_ms
from taskq.model.names import check_name
from taskq.model.recurrence import Cron, Every, Recurrence
from taskq.model.task import Task, alike
from taskq.queue import TaskQueue
from taskq.scheduler.definition import Definition, parse, parse_or_none, template_of, to_stored
from taskq.scheduler.info import ScheduleInfo, info_of
from taskq.scheduler.loop import CHECK_INTERVAL_SECONDS, SchedulerLoop
from taskq.scheduler.promoter import Promoter
from taskq.scheduler.recurring import Recurring


class TaskScheduler:
    """Delayed and recurring tasks of a queue.

    Delayed tasks are started by any running worker or scheduler, recurring ones by a scheduler: ``python
    schedule_worker.py``, or ``run_scheduler_loop``. Any number of schedulers may run; no slot runs twice.

    Args:
        queue: None: the ``TaskQueue`` of this process, configured from the environment.
    """

    def __init__(self, queue: TaskQueue | None = None) -> None:
        self.queue = queue or get_task_queue()
        self._stopped = threading.Event()
        self._running: threading.Event | None = None

    def __repr__(self) -> str:
        return f"<TaskScheduler {self.queue.settings.prefix!r}>"

    def schedule_task(self, task: Task, when: datetime) -> str:
        """Submit a task that is to start at a moment.

        Args:
            task: what to run. Where ``expires_in`` comes from ``TASKQ_MESSAGE_TTL``, it counts from ``when``.
            when: an aware datetime is taken as it is; a naive one is the local time of this machine. A moment that
                has passed means now.

        Returns:
            The id of the task.

        Raises:
            InvalidTask: if ``when`` is no datetime, or the task would have expired by then.
            PayloadTooLarge, QueueFull, TaskConflict, ServerUnavailable, ServerFull: as ``TaskQueue.submit_task``.
        """
        due = flows.due_at(when)
        return self.queue.submit_later(self._lasting(task, int(due)), due)

    def schedule_task_in(self, task: Task, delay_seconds: float) -> str:
        """Submit a task that is to start after a delay, counted by the clock of the server.

        Args:
            task: what to run. Where ``expires_in`` comes from ``TASKQ_MESSAGE_TTL``, it counts from the end of the
                delay.
            delay_seconds: 0 or more; a fraction is kept to the millisecond.

        Returns:
            The id of the task.

        Raises:
            InvalidTask: if the delay is no length of time, or the task would have expired by then.
            PayloadTooLarge, QueueFull, TaskConflict, ServerUnavailable, ServerFull: as ``TaskQueue.submit_task``.
        """
        due = flows.due_in(delay_seconds)
        delay_ms = seconds_to_ms(delay_seconds, "delay_seconds")
        return self.queue.submit_later(self._lasting(task, delay_ms=delay_ms), due)

    def _lasting(self, task: Task, due_ms: int | None = None, delay_ms: int = 0) -> Task:
        """Return the task with a lifetime that reaches beyond the moment at which it is due."""
        if not isinstance(task, Task):
            return task  # the submit says what is wrong
        default = self.queue.settings.message_ttl_seconds
        if task.expires_in is None and default is None:
            return task
        if due_ms is not None:
            delay_ms = max(0, due_ms - parse_iso(task.created_at))
        if task.expires_in is None:
            return replace(task, expires_in=delay_ms / 1000 + (default or 0.0))
        if delay_ms >= task.expires_in * 1000:
            raise InvalidTask(
                f"task {task.task_id} expires {task.expires_in:g} s after it was made and would start "
                f"{delay_ms / 1000:g} s after that, so it would never run: raise expires_in, or leave it out"
            )
        return task

    def schedule_cron(self, name: str, expression: str, task: Task, tz: str = "UTC") -> ScheduleInfo:
        """Run a task at the times of a cron expression.

        To add it again with the same arguments, as a program does at each start, changes nothing. With another task
        and the same times, the next slot runs the new task; with other times the schedule begins anew.

        Args:
            name: of the schedule; one that exists under it is replaced.
            expression: five fields, six with the second first, or @hourly, @daily, @weekly, @monthly, @yearly.
            task: what each run is a copy of, with an id of its own. The metadata of a run has ``schedule``, the name,
                and ``slot``, the moment it is for. After a downtime, only the latest slot that was missed runs.
            tz: IANA name of the time zone. A time of day that the clocks skip in the spring runs at the moment of the
                change; one that they show twice in the autumn runs once.

        Returns:
            The schedule as ``list_schedules`` shows it.

        Raises:
            InvalidTask: if the name, the expression, the zone or the task cannot be used.
            ServerUnavailable: if the server does not answer in time.
        """
        recurrence = Cron(expression, tz)
        return self._add(name, lambda _: recurrence, task)

    def schedule_every(self, name: str, seconds: float, task: Task) -> ScheduleInfo:
        """Run a task at a fixed interval, the first time one interval from now.

        To add it again with the same arguments changes nothing, and with another task it keeps its beat.

        Args:
            name: of the schedule; one that exists under it is replaced.
            seconds: the interval, at least 0.1.
            task: as for ``schedule_cron``.

        Returns:
            The schedule as ``list_schedules`` shows it.

        Raises:
            InvalidTask: if the name, the interval or the task cannot be used.
            ServerUnavailable: if the server does not answer in time.
        """
        Every(seconds, 0)  # a bad interval is refused before the server is asked
        return self._add(name, lambda now_ms: Every(seconds, now_ms), task)

    def _add(self, name: str, recurrence_from: Callable[[int], Recurrence], task: Task) -> ScheduleInfo:
        check_name(name, "schedule name")
        template = template_of(task)
        run, protocol, seal = self.queue.transport.run, self.queue.context.protocol, self.queue.context.seal
        deadline = time.monotonic() + self.queue.settings.call_timeout_seconds
        while True:
            now_ms, texts, slots = run(protocol.list_schedules())
            wanted = Definition(recurrence_from(now_ms), template, now_ms)
            stored_text, last_ms = texts.get(name), slots.get(name)
            stored = parse_or_none(stored_text, name, seal)
            if stored is not None:
                wanted = wanted.after(stored, last_ms)
            known = wanted is stored
            if not known:
                self._check_run(name, wanted, now_ms)
            text = to_stored(wanted, name, seal)
            # what is sealed with an older key, or not at all, is stored anew, so that the older key can be removed
            if known and (seal is None or text == stored_text):
                return info_of(name, text, last_ms, now_ms, seal)
            operation = protocol.add_schedule(name, text, former=(stored_text or "") if known else "")
            try:
                # Not repeated as it is: what was listed may be out of date by the time the server is back.
                added = run(operation, timeout_seconds=0) == 1
            except ServerUnavailable:
                if time.monotonic() >= deadline:
                    raise
            else:
                if added:
                    return info_of(name, text, last_ms if known else None, now_ms, seal)

    def _check_run(self, name: str, definition: Definition, now_ms: int) -> None:
        """Refuse here, and not in the middle of the night, what could not be submitted."""
        slot_ms = definition.next_slot(None)
        submitting.submission(self.queue.context, definition.run_of(self.queue.settings.prefix, name, slot_ms, now_ms))

    def list_schedules(self) -> list[ScheduleInfo]:
        """Return the recurring schedules by name, those that cannot be fired included.

        Raises:
            ServerUnavailable: if the server does not answer in time.
        """
        context = self.queue.context
        now_ms, texts, slots = self.queue.transport.run(context.protocol.list_schedules())
        return [info_of(name, text, slots.get(name), now_ms, context.seal) for name, text in sorted(texts.items())]

    def run_now(self, name: str) -> str:
        """Submit the task of a recurring schedule now, besides its slots, which go on as they are.

        Args:
            name: of the schedule.

        Returns:
            The id of the task; its metadata has ``schedule``, the name, and no ``slot``.

        Raises:
            NameNotFound: if there is no such schedule.
            CorruptTask: if its definition cannot be understood.
            QueueFull, ServerUnavailable, ServerFull: as ``TaskQueue.submit_task``.
        """
        context = self.queue.context
        now_ms, texts, _ = self.queue.transport.run(context.protocol.list_schedules())
        template = parse(_found(texts, name), name, context.seal).template
        task = alike(template, template.payload)
        task.created_at, task.metadata = iso_utc(now_ms), {**template.metadata, "schedule": name}
        return self.queue.submit_task(task)

    def remove_schedule(self, name: str) -> bool:
        """Remove a recurring schedule; tasks that it has submitted go on.

        Args:
            name: of the schedule.

        Returns:
            Whether there was one.

        Raises:
            ServerUnavailable: if the server does not answer in time.
        """
        return self.queue.transport.run(self.queue.context.protocol.remove_schedule(name)) == 1

    def pause_schedule(self, name: str) -> ScheduleInfo:
        """Stop firing a recurring schedule until it is resumed; to add it again does not resume it.

        Args:
            name: of the schedule.

        Returns:
            The schedule as ``list_schedules`` shows it.

        Raises:
            NameNotFound: if there is no such schedule.
            CorruptTask: if its definition cannot be understood.
            ServerUnavailable: if the server does not answer in time.
        """
        return self._set_paused(name, paused=True)

    def resume_schedule(self, name: str) -> ScheduleInfo:
        """Fire a paused schedule again, from its next slot on; what was missed meanwhile is not made up for.

        Args:
            name: of the schedule.

        Returns:
            The schedule as ``list_schedules`` shows it.

        Raises:
            NameNotFound: if there is no such schedule.
            CorruptTask: if its definition cannot be understood.
            ServerUnavailable: if the server does not answer in time.
        """
        return self._set_paused(name, paused=False)

    def _set_paused(self, name: str, *, paused: bool) -> ScheduleInfo:
        run, protocol, seal = self.queue.transport.run, self.queue.context.protocol, self.queue.context.seal
        while True:
            now_ms, texts, slots = run(protocol.list_schedules())
            stored_text = _found(texts, name)
            stored = parse(stored_text, name, seal)
            if stored.paused == paused:
                return info_of(name, stored_text, slots.get(name), now_ms, seal)
            added_ms = stored.added_ms if paused else now_ms
            text = to_stored(replace(stored, paused=paused, added_ms=added_ms), name, seal)
            # if somebody has changed it since it was listed, it is looked at once more
            if run(protocol.add_schedule(name, text, former=stored_text)) == 1:
                return info_of(name, text, slots.get(name), now_ms, seal)

    def run_once(self) -> int:
        """Start everything that is due now, and return; for a crontab, and for tests.

        Returns:
            How many tasks were moved or submitted to their lists.

        Raises:
            ServerUnavailable: if the server does not answer in time.
            ServerError: if it refused the task of a slot; everything else that was due was started nevertheless.
        """
        context, run = self.queue.context, self.queue.transport.run
        promoter = Promoter(run, context.protocol)
        while promoter.step() == 0:
            pass
        recurring = Recurring(run, context, CHECK_INTERVAL_SECONDS)
        recurring.step()
        while recurring.cut_short:
            recurring.step()
        for error in recurring.refused.values():
            raise error
        return promoter.promoted + recurring.fired

    def run_scheduler_loop(
        self, check_interval: float = CHECK_INTERVAL_SECONDS, stop: threading.Event | None = None
    ) -> None:
        """Start what falls due, to the millisecond, until ``stop``; outlasts every outage of the server.

        The loop sleeps in the server: a task or schedule that is added meanwhile wakes it.

        Args:
            check_interval: seconds after which the recurring schedules are looked through even if nothing seems to
                have changed.
            stop: an event that ends the loop, besides ``stop()``.

        Raises:
            InvalidTask: if the interval is no usable length of time.
            SettingsError, EmbeddedServerError: if there is no usable address.
            AccessDenied, ServerError: if the server refuses at the start.
        """
        # First said, then looked: a stop from another thread cannot fall between the two.
        self._running = stop = stop or self._stopped
        if self._stopped.is_set():
            return
        loop = SchedulerLoop(self.queue, stop, check_interval)
        try:
            loop.connect()
        except ServerUnavailable:
            return  # stopped before the server was there
        loop.run()

    def stop(self) -> None:
        """End ``run_scheduler_loop``; one that has not begun yet will return at once. May be called from anywhere."""
        self._stopped.set()
        if self._running is not None:
            self._running.set()


def _found(texts: dict[str, str], name: str) -> str:
    if name not in texts:
        raise NameNotFound(f"there is no schedule {name!r:.140}: `taskq schedule ls` shows them all")
    return texts[name]

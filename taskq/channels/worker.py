"""``ChannelWorker``: a handler per channel, in the user's own process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from taskq.channels.consumer import Consumer
from taskq.channels.lane import Handler, Lane
from taskq.channels.message import Channel, channel_of
from taskq.channels.naming import check_count
from taskq.current import get_task_queue
from taskq.errors import InvalidTask
from taskq.model.retry import RetryPolicy
from taskq.queue import TaskQueue
from taskq.worker.signals import StopOnSignals

log = logging.getLogger("taskq.channels")


@dataclass(frozen=True, slots=True)
class _Route:
    channel: Channel
    handler: Handler
    size: int
    batch: bool
    policy: RetryPolicy | None


class ChannelWorker:
    """Calls handlers with messages of channels; one that returns acknowledges, one that raises rejects.

    A channel has a consumer and a thread of its own, so a slow one does not hold up the others.

    Args:
        queue: the namespace; None: the one of this process, from the environment.
        concurrency: messages of a channel that are handled at a time, unless its handler takes batches.
        grace_seconds: how long running handlers may go on after a stop before their messages are handed back.
        name: for people; the ids of its consumers begin with it.

    Raises:
        InvalidTask: if a number cannot be used.
    """

    def __init__(
        self,
        queue: TaskQueue | None = None,
        *,
        concurrency: int = 1,
        grace_seconds: float = 30.0,
        name: str | None = None,
    ) -> None:
        self._queue = queue or get_task_queue()
        self._concurrency = check_count(concurrency)
        self._grace_seconds = grace_seconds
        self._name = name
        self._routes: dict[str, _Route] = {}
        self._stopping = threading.Event()
        self._stop_by: float | None = None
        self._lanes: list[Lane] = []

    def register_handler(
        self,
        channel: str | Channel,
        handler: Handler,
        *,
        batch_size: int | None = None,
        policy: RetryPolicy | None = None,
    ) -> None:
        """Handle the messages of a channel with a function.

        Args:
            channel: its name, or a ``Channel`` where something special holds.
            handler: ``fn(message)``, or with a batch size ``fn(list of messages)``; plain or async. A message whose
                handler raises is delivered again later, and is a dead letter when the retries are used up; a batch
                handler raises ``PartialFailure`` if only some have failed.
            batch_size: the most messages that the handler gets at a time; None: one.
            policy: what to do when it raises; by default as with tasks.

        Raises:
            InvalidTask: if a value cannot be used.
        """
        if not callable(handler):
            raise InvalidTask(f"the handler of a channel is a function, not a {type(handler).__name__}")
        chosen = channel_of(channel)
        size = self._concurrency if batch_size is None else check_count(batch_size)
        self._routes[chosen.name] = _Route(chosen, handler, size, batch_size is not None, policy)

    def start(self) -> dict[str, int]:
        """Handle messages until ``stop`` is called, or SIGINT or SIGTERM arrives on the main thread; blocks.

        Returns:
            Counts: acknowledged, failed, refused.

        Raises:
            TaskqError: if the server refuses to work with us.
        """
        errors: list[BaseException] = []
        lanes, stopping = self._open(), self._stopping

        def serve(lane: Lane) -> None:
            try:
                lane.serve(stopping)
            except BaseException as error:
                errors.append(error)
                self.stop(0.0)

        threads = [threading.Thread(target=serve, args=(lane,), name="taskq channel", daemon=True) for lane in lanes]
        with StopOnSignals(self._on_signal):
            try:
                for thread in threads:
                    thread.start()
                self._wait_for(threads)
            finally:
                self._close()
        if errors:
            raise errors[0]
        return _totals(lanes)

    def _wait_for(self, threads: list[threading.Thread]) -> None:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(0.1)
            if self._stop_by is not None and time.monotonic() >= self._stop_by:
                break

    def run_once(self) -> int:
        """Handle once, for each channel, as many of the waiting messages as fit; return how many. For cron and tests.

        Raises:
            ServerUnavailable: if the server is away.
        """
        return self._run(lambda lanes: sum(lane.step(0) for lane in lanes))

    def run_until_empty(self) -> int:
        """Handle messages until none waits; return how many. Retries that are not due yet are not waited for.

        Raises:
            ServerUnavailable: if the server is away.
        """

        def until_empty(lanes: list[Lane]) -> int:
            total = 0
            while handled := sum(lane.step(0) for lane in lanes):
                total += handled
            return total

        return self._run(until_empty)

    def _run(self, work: Callable[[list[Lane]], int]) -> int:
        try:
            return work(self._open())
        finally:
            self._close()

    def stop(self, grace_seconds: float | None = None) -> None:
        """Take nothing more, let running handlers end, and make ``start`` return. For any thread.

        Args:
            grace_seconds: how long they may go on; None: as given to the constructor. Then their messages are handed
                back to the heads of their lists, uncharged.
        """
        self._stop_by = time.monotonic() + (self._grace_seconds if grace_seconds is None else grace_seconds)
        self._stopping.set()
        for lane in list(self._lanes):
            lane.consumer.interrupt()

    def _on_signal(self, number: int) -> None:
        again = self._stopping.is_set()
        log.warning("stopping now" if again else "stopping after the running handlers; once more to stop at once")
        self.stop(0.0 if again else None)

    def _open(self) -> list[Lane]:
        if not self._routes:
            raise InvalidTask("this worker has no handler: call register_handler(channel, handler) first")
        self._lanes = [
            Lane(
                Consumer(route.channel, self._queue, name=self._name, policy=route.policy),
                route.handler,
                route.size,
                route.batch,
            )
            for route in self._routes.values()
        ]
        return self._lanes

    def _close(self) -> None:
        for lane in self._lanes:
            lane.close()
        self._lanes = []
        # another one: a handler that outlasts the grace has to find the old one set
        self._stopping = threading.Event()
        self._stop_by = None


def _totals(lanes: list[Lane]) -> dict[str, int]:
    return {name: sum(lane.counts[name] for lane in lanes) for name in ("acknowledged", "failed", "refused")}

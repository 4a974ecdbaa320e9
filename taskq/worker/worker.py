"""``TaskWorker``: a worker inside the user's own process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from taskq.current import get_task_queue
from taskq.middleware import Installs
from taskq.model.retry import RetryPolicy
from taskq.queue import Priority, TaskQueue
from taskq.registry import Handler, Registry
from taskq.settings import Settings
from taskq.states import TaskPriority
from taskq.worker.fleet import AnyEngine, engine_for, served
from taskq.worker.guards import ProcessGuard, ThreadGuard
from taskq.worker.options import EngineOptions, WorkerOptions
from taskq.worker.plan import Fairness
from taskq.worker.signals import StopOnSignals
from taskq.worker.steering import Steering

log = logging.getLogger("taskq.worker")


class TaskWorker(Installs):
    """Runs tasks with handlers of this process.

    Args:
        queue: whose tasks; None: the ``TaskQueue`` of this process. Its decorated tasks are known to the worker.
        concurrency: tasks at a time.
        queues: names of the queues to serve; none: the default queue.
        priorities: the lists to serve; none: all four.
        grace_seconds: how long running tasks may go on after a stop before they are handed back.
        name: of the worker, for people.
        partitions: numbers of the partitions to serve; none: all.
        fairness: weights instead of strict priority, reserved slots, aging; None: none of them.

    Raises:
        SettingsError, InvalidTask: if an argument cannot be used.
    """

    def __init__(
        self,
        queue: TaskQueue | None = None,
        *,
        concurrency: int = 10,
        queues: Sequence[str] = (),
        priorities: Sequence[Priority] = (),
        grace_seconds: float = 30.0,
        name: str | None = None,
        partitions: Sequence[int] = (),
        fairness: Fairness | None = None,
    ) -> None:
        self.queue = queue or get_task_queue()
        self._options = WorkerOptions(
            concurrency=concurrency,
            queues=tuple(queues),
            priorities=tuple(TaskPriority.parse(priority).label for priority in priorities),
            grace_seconds=grace_seconds,
            name=name,
            partitions=tuple(partitions),
            weights=fairness.weights if fairness else None,
            reserve=fairness.reserve if fairness else {},
            aging_seconds=fairness.aging if fairness else None,
        )
        served(self.queue.settings.partitions, self._options.partitions)
        self.registry = Registry()
        self.registry.update(self.queue.registry)
        self._engine: AnyEngine | None = None
        self._stop_by: float | None = None
        self._lock = threading.RLock()  # a signal may call stop() while this thread holds it
        self._stopped_early = False

    def register_handler(
        self,
        task_type: str,
        handler: Handler,
        policy: RetryPolicy | None = None,
        schema: Any = None,
        version: int = 1,
    ) -> None:
        """Run tasks of a type with a function.

        Args:
            task_type: the type.
            handler: ``fn(task)`` or ``fn(task, ctx)``, plain or async; what it returns is the result, as JSON.
            policy: what to do when it raises; by default retries with exponential backoff.
            schema: what the payload has to look like, as ``TaskQueue.set_schema``; with a class, ``task.payload`` is an
                instance of it. A task that does not fit becomes a dead letter with the reason ``schema``.
            version: of the payloads that it takes. A task of another one is left to a worker that knows it, unless
                ``register_upcast`` says how it is made to fit.

        Raises:
            InvalidTask: if the name, the function or the schema cannot be used.
            SettingsError: if the library for the schema is not installed.
        """
        self.registry.register(task_type, handler, policy, schema, version)

    def register_upcast(self, task_type: str, from_version: int, function: Callable[[Any], Any]) -> None:
        """Say how a payload of one version becomes one of the next; several make a chain.

        Args:
            task_type: the type.
            from_version: the version of the payloads that the function takes.
            function: takes the payload and returns that of the next version; called before the handler.

        Raises:
            InvalidTask: if the name, the version or the function cannot be used.
        """
        self.registry.add_upcast(task_type, from_version, function)

    def start(self) -> dict[str, int]:
        """Serve until ``stop`` is called, or SIGINT or SIGTERM arrives on the main thread; blocks.

        A process beside this one beats for it, so that a handler which holds the GIL does not look dead, and brings
        its tasks back at once if this process is killed.

        Returns:
            Counts: completed, failed, retried, cancelled, snoozed, released, waited, parked, refused.

        Raises:
            TaskqError: if the server refuses to work with us.
        """
        self.queue.namespace.protocol  # noqa: B018 - an address that cannot be used is better reported before the start
        guard = ProcessGuard(self._settings_with_url(), self._options.partitions)
        with StopOnSignals(self._on_signal):
            return self._run(guard, self._engine_options())

    def run_once(self) -> int:
        """Run up to ``concurrency`` of the tasks that wait now; return how many were run. For cron and tests.

        Raises:
            ServerUnavailable: if the server is away when it begins.
        """
        return self._run_some(self._options.concurrency)

    def run_until_empty(self) -> int:
        """Run tasks until the lists are empty; return how many were run. Scheduled tasks are not waited for.

        Raises:
            ServerUnavailable: if the server is away when it begins.
        """
        return self._run_some(None)

    def _run_some(self, max_tasks: int | None) -> int:
        options = replace(self._engine_options(), burst=True, max_tasks=max_tasks)
        self.queue.get_queue_stats()  # a job of cron must not wait for ever for a server that is away
        counts = self._run(ThreadGuard(self.queue, self._options.partitions), options)
        return sum(counts.values()) - counts["parked"]

    def stop(self, grace_seconds: float | None = None) -> None:
        """Claim nothing more, let running tasks end, and make ``start`` return. For any thread.

        Args:
            grace_seconds: how long running tasks may go on; None: as given to the constructor. Then they are handed
                back to the heads of their lists, uncharged.
        """
        grace = self._options.grace_seconds if grace_seconds is None else grace_seconds
        with self._lock:
            self._stop_by = time.monotonic() + grace
            if self._engine is not None:
                self._engine.stop()
            else:
                self._stopped_early = True

    def _engine_options(self) -> EngineOptions:
        chosen = self._options
        return EngineOptions(
            chosen.lists,
            chosen.concurrency,
            name=chosen.name,
            weights=chosen.weights,
            reserve=chosen.reserve,
            aging_seconds=chosen.aging_seconds,
        )

    def _settings_with_url(self) -> Settings:
        return replace(self.queue.settings, redis_url=self.queue.namespace.endpoint.url)

    def _on_signal(self, number: int) -> None:
        again = self._stop_by is not None
        self.stop(0.0 if again else None)
        # only now: the next signal may come as soon as somebody reads this
        log.warning("stopping now" if again else "stopping after the running tasks; once more to stop at once")

    def _run(self, guard: ProcessGuard | ThreadGuard, options: EngineOptions) -> dict[str, int]:
        engine = engine_for(self.queue, self.registry, options, guard, self._options.partitions)
        guard.engine, guard.steering = engine, Steering(engine, guard.tell, self.stop)
        with self._lock:
            self._engine = engine
            if self._stopped_early:
                engine.stop()
        errors: list[BaseException] = []

        def serve() -> None:
            try:
                engine.run()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=serve, name="taskq engine", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(0.1)
                if self._stop_by is not None and time.monotonic() >= self._stop_by and thread.is_alive():
                    engine.abandon()
                    break
        except BaseException:  # Ctrl+C outside of start(): what runs must not have to wait for the lease
            engine.stop()
            engine.abandon()
            raise
        finally:
            with self._lock:
                self._engine, self._stop_by, self._stopped_early = None, None, False
            guard.close()
        if errors:
            raise errors[0]
        return engine.tally.as_dict()

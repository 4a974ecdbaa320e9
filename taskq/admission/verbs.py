"""The verbs of ``TaskQueue`` that say what may start."""

from __future__ import annotations

from typing import Any, TypeVar

from taskq.admission import bounds, circuits, explain, limits, sla
from taskq.admission.explain import Explanation
from taskq.flows import Flow
from taskq.model.bound import QueueLimit
from taskq.model.circuit import Circuit, CircuitInfo
from taskq.model.limit import Limit, LimitInfo
from taskq.model.task import DEFAULT_QUEUE
from taskq.model.threshold import SlaReading
from taskq.states import TaskPriority

T = TypeVar("T")


class AdmissionVerbs:
    """The verbs for code that may block."""

    spread: Any  # set by the queue: its partitions

    def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    def set_limit(
        self,
        name: str,
        *,
        concurrency: int | None = None,
        rate: str | None = None,
        burst: int | None = None,
        sliding: bool = False,
    ) -> None:
        """Limit how many tasks of a kind run or start, over all workers; replaces the limit of that name.

        What runs already goes on; what waits for room is looked at again at once.

        Args:
            name: what is counted: tasks with this name in their ``limit_keys``, and those of each key ``<name>:<more>``
                by itself; ``type:<type>`` counts the tasks of a type, ``type`` those of each type by itself.
            concurrency: how many may run at a time; None: any number.
            rate: how many may start within a time, such as ``"100/s"``, ``"10/m"`` or ``"500/15m"``; None: any number.
            burst: how many may start at once after a pause; None: as many as the rate says.
            sliding: whether no span of that time, wherever it begins, may have more starts than the rate says; else
                room comes back evenly (token bucket).

        Raises:
            InvalidTask: for a name, number or rate that cannot be used, or if there are 1,000 limits.
            ServerUnavailable: if the server cannot be asked.
        """
        self.run_flow(limits.set_limit(self.spread, Limit(name, concurrency, rate, burst, sliding)))

    def remove_limit(self, name: str) -> bool:
        """Remove a limit; what waits for it starts.

        Args:
            name: of the limit.

        Returns:
            Whether there was one.

        Raises:
            ServerUnavailable: if the server cannot be asked.
        """
        return self.run_flow(limits.remove_limit(self.spread, name))

    def list_limits(self) -> list[LimitInfo]:
        """Return all limits, each with how many tasks run with it and wait for room.

        Raises:
            ServerUnavailable: if the server cannot be asked.
        """
        return self.run_flow(limits.list_limits(self.spread))

    def set_circuit(
        self,
        name: str,
        *,
        failures: int = 5,
        within: float = 60.0,
        open_for: float = 30.0,
        share: float | None = None,
    ) -> None:
        """Hold tasks of a kind back while they would fail: a circuit breaker, over all workers.

        It opens when ``failures`` attempts have failed within a time, with ``share`` only if these are that part of all
        attempts in it; then no task of the kind starts, and no attempt is charged. After ``open_for`` one is let
        through to try: if it completes, all others start; if it fails, the circuit is open again. An attempt fails if
        its handler raises, or takes longer than its timeout.

        Args:
            name: what is counted: tasks with this name in their ``limit_keys``, and those of each key ``<name>:<more>``
                by itself; ``type:<type>`` counts the tasks of a type, ``type`` those of each type by itself.
            failures: attempts that have to fail, 1 to 1,000.
            within: seconds within which they have to.
            open_for: seconds until one is let through.
            share: what part of the attempts that have completed or failed within that time must have failed besides,
                0.001 to 1; None: any. The time is then counted by tenths.

        Raises:
            InvalidTask: for a name or a number that cannot be used, or if there are 1,000 circuits.
            ServerUnavailable: if the server cannot be asked.
        """
        self.run_flow(circuits.set_circuit(self.spread, Circuit(name, failures, within, open_for, share)))

    def remove_circuit(self, name: str) -> bool:
        """Remove a circuit; what it holds back starts.

        Args:
            name: of the circuit.

        Returns:
            Whether there was one.

        Raises:
            ServerUnavailable: if the server cannot be asked.
        """
        return self.run_flow(circuits.remove_circuit(self.spread, name))

    def open_circuit(self, key: str, seconds: float | None = None) -> None:
        """Hold back the tasks of a key now, as if they had failed.

        Args:
            key: of tasks for which there is a circuit.
            seconds: after which one is let through to try; None: as the circuit says.

        Raises:
            NameNotFound: if no circuit is for that key.
            ServerUnavailable: if the server cannot be asked.
        """
        self.run_flow(circuits.open_circuit(self.spread, key, seconds))

    def close_circuit(self, key: str) -> bool:
        """Let the tasks of a key start again now, without a try.

        Args:
            key: of tasks for which there is a circuit.

        Returns:
            Whether they were held back.

        Raises:
            ServerUnavailable: if the server cannot be asked.
        """
        return self.run_flow(circuits.close_circuit(self.spread, key))

    def list_circuits(self) -> list[CircuitInfo]:
        """Return all circuits, each with how it is for the keys for which it is not closed.

        Raises:
            ServerUnavailable: if the server cannot be asked.
        """
        return self.run_flow(circuits.list_circuits(self.spread))

    def set_queue_limit(
        self,
        queue: str | None = None,
        *,
        max_tasks: int | None = None,
        max_bytes: int | None = None,
        on_full: str = "reject",
        timeout: float = 30.0,
    ) -> None:
        """Limit how much the lists of a queue hold together; replaces the limit that it has.

        Counted is what stands in its four lists: not what runs, is delayed, or waits in no list. What is there already
        stays. Children of a fan-out or a commit, tasks with ``depends_on``, recurring ones and those that come back
        from a delay, a retry or a worker are always let in.

        Args:
            queue: its name; None: the default queue.
            max_tasks: how many tasks; None: any number.
            max_bytes: how many bytes those tasks may have together, as they are stored; None: any number.
            on_full: what becomes of more: ``reject`` (``QueueFull``), ``block`` (the submit waits for room) or
                ``shed_low`` (the newest tasks of the lowest priority are cancelled, if that is lower than the one of
                the new task).
            timeout: seconds that ``block`` waits before it raises ``QueueFull``.

        Raises:
            InvalidTask: for a name or a value that cannot be used.
            ServerUnavailable: if the server cannot be asked.
        """
        limit = QueueLimit(queue or DEFAULT_QUEUE, max_tasks, on_full, timeout, max_bytes)
        self.run_flow(bounds.set_queue_limit(self.spread, limit))

    def remove_queue_limit(self, queue: str | None = None) -> bool:
        """Remove the limit of a queue.

        Args:
            queue: its name; None: the default queue.

        Returns:
            Whether there was one.

        Raises:
            ServerUnavailable: if the server cannot be asked.
        """
        return self.run_flow(bounds.remove_queue_limit(self.spread, queue))

    def list_queue_limits(self) -> list[QueueLimit]:
        """Return the limits of queues.

        Raises:
            ServerUnavailable: if the server cannot be asked.
        """
        return self.run_flow(bounds.list_queue_limits(self.spread))

    def explain(self, task_id: str) -> Explanation:
        """Return why a task is where it is, and what it waits for. Reads only, and never much.

        Args:
            task_id: which one.

        Returns:
            Its ``reason`` in a word, the whole of it as ``message``, names and numbers in ``details``; the reason is
            ``unknown`` if there is no such task.

        Raises:
            ServerUnavailable: if the server cannot be asked.
        """
        return self.run_flow(explain.explain(self.spread.of(task_id), task_id))

    def set_sla(
        self,
        priority: TaskPriority | str | int,
        *,
        age: float | None = None,
        start: float | None = None,
        queue: str | None = None,
    ) -> None:
        """Say how long the tasks of a list may wait; replaces what was said of that list before.

        Whoever beats, a worker or a scheduler, compares: the event ``sla.breached`` tells when a threshold is broken,
        ``sla.recovered`` when that is over. What a task waits before it comes into its list, for a time, a limit or
        other tasks, does not count.

        Args:
            priority: of the list.
            age: how many seconds the oldest task may have waited; None: any.
            start: how many seconds nineteen of twenty tasks may have waited when they start; None: any.
            queue: its name; None: the default queue.

        Raises:
            InvalidTask: for a length of time or a name that cannot be used, or if 250 lists have thresholds.
            ServerUnavailable: if the server cannot be asked.
        """
        self.run_flow(sla.set_sla(self.spread, priority, age, start, queue))

    def remove_sla(self, priority: TaskPriority | str | int, *, queue: str | None = None) -> bool:
        """Let the tasks of a list wait for any time.

        Args:
            priority: of the list.
            queue: its name; None: the default queue.

        Returns:
            Whether it had thresholds.

        Raises:
            ServerUnavailable: if the server cannot be asked.
        """
        return self.run_flow(sla.remove_sla(self.spread, priority, queue))

    def check_sla(self) -> list[SlaReading]:
        """Return how long tasks wait now in the lists that have thresholds; of several partitions the worst.

        Raises:
            ServerUnavailable: if the server cannot be asked.
        """
        return self.run_flow(sla.check_sla(self.spread))

"""One guardian for each partition that a process serves, with the verbs of one guardian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from taskq.model.partition import home_of
from taskq.protocol.replies import Settlement
from taskq.queue import TaskQueue
from taskq.worker.fleet import served
from taskq.worker.guardian import Guardian, Ward, guardian_of


class Guardians:
    """Guards workers of several partitions.

    Args:
        count: how many partitions the queue has.
        guardians: by partition.
    """

    def __init__(self, count: int, guardians: dict[int, Guardian]) -> None:
        self._count = count
        self._guardians = guardians
        self._where: dict[str, Guardian] = {}

    @property
    def recovered(self) -> int:
        """How many tasks of dead workers were brought back."""
        return sum(guardian.recovered for guardian in self._guardians.values())

    def start(self) -> None:
        """Begin to beat."""
        for guardian in self._guardians.values():
            guardian.start()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Finish the jobs at hand and end."""
        for guardian in self._guardians.values():
            guardian.stop(timeout_seconds)

    def adopt(self, ward: Ward) -> None:
        """Beat for a worker from now on."""
        self._where[ward.worker] = self._guardians[ward.partition]
        self._guardians[ward.partition].adopt(ward)

    def confirm(self, worker: str) -> None:
        """Take note that a worker has registered."""
        if worker in self._where:
            self._where[worker].confirm(worker)

    def forget(self, worker: str) -> None:
        """Beat for a worker no longer."""
        if worker in self._where:
            self._where.pop(worker).forget(worker)

    def wards_of(self, tell: Callable[[dict[str, Any]], None]) -> list[str]:
        """Return the ids of the workers whose process is reached by ``tell``."""
        return [worker for guardian in self._guardians.values() for worker in guardian.wards_of(tell)]

    def show(self, worker: str, fields: dict[str, str]) -> None:
        """Write onto the card of a worker, now or when it has registered."""
        if worker in self._where:
            self._where[worker].show(worker, fields)

    def bury(self, worker: str, charge: bool) -> None:
        """Bring back the tasks of a worker whose process has ended."""
        if worker in self._where:
            self._where.pop(worker).bury(worker, charge)

    def settle(self, settlement: Settlement, then: Callable[[], object]) -> None:
        """Settle a task in the name of a process that is about to be killed, then call back."""
        self._guardians[home_of(settlement.task_id, self._count)].settle(settlement, then)


AnyGuardian = Guardian | Guardians


def guardian_for(queue: TaskQueue, partitions: Sequence[int] = ()) -> AnyGuardian:
    """Return what guards the workers of some partitions of a queue.

    Raises:
        SettingsError: if the queue has no such partition.
    """
    count = queue.settings.partitions
    if count == 1:
        return guardian_of(queue)
    return Guardians(count, {index: guardian_of(queue.partition(index)) for index in served(count, partitions)})

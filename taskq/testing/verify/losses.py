"""What a crash takes of what was accepted, by durability: measured where a server may be killed, else said untried."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from taskq.errors import TaskqError, UnsupportedDurability
from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.states import Durability
from taskq.testing.namespace import delete_keys
from taskq.transport.server_info import ServerReading

KILLED, POWER_CUT, FAILOVER = "server killed", "power cut", "failover"
NOT_TRIED = "not tried: it takes the life of the server"


@dataclass(frozen=True, slots=True)
class LossWindow:
    """How much a crash has taken of what was accepted with one durability.

    Attributes:
        level: the durability.
        event: what happened to the server.
        setting: how the server keeps what it is told, as far as it says so.
        acknowledged: submits that had returned an id; None if it was not tried.
        lost: those of them that were gone afterwards.
        window_ms: from the first of the lost ones to the event; 0 if none was lost.
        why_not: why it was not tried; empty if it was.
    """

    level: str
    event: str
    setting: str
    acknowledged: int | None = None
    lost: int | None = None
    window_ms: float | None = None
    why_not: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can say it."""
        return asdict(self)

    def row(self) -> tuple[object, ...]:
        """Return the line of a table; ``LOSS_HEADERS`` has the titles."""
        window = None if self.window_ms is None else f"{self.window_ms:.0f} ms"
        return self.level, self.event, self.setting, self.acknowledged, self.lost, window, self.why_not


LOSS_HEADERS = ("LEVEL", "WHEN", "SETTING", "ACKNOWLEDGED", "LOST", "WINDOW", "WHY NOT")


def untried(queue: TaskQueue, reading: ServerReading) -> list[LossWindow]:
    """Return what could be tried on a server if it might be killed, and what it cannot give at all.

    Args:
        queue: of a namespace of our own, which is empty afterwards.
        reading: of the server.
    """
    refusals = {level.value: _refusal(queue, level.value) for level in Durability}
    delete_keys(queue)
    disk, replicas = _disk(reading), f"{reading.number('connected_slaves')} replicas"
    wanted = [
        (Durability.MEMORY, KILLED, disk),
        (Durability.MEMORY, POWER_CUT, disk),
        (Durability.MEMORY, FAILOVER, replicas),
        (Durability.REPLICATED, FAILOVER, replicas),
        (Durability.FSYNC, POWER_CUT, disk),
    ]
    return [
        LossWindow(level.value, event, setting, why_not=refusals[level.value] or NOT_TRIED)
        for level, event, setting in wanted
    ]


def _refusal(queue: TaskQueue, level: str) -> str:
    """Return why a submit with a durability is refused; empty if it is not."""
    try:
        queue.submit_task(Task(), durability=level)
    except UnsupportedDurability:
        return "this server cannot give it"
    except TaskqError as error:  # it is accepted, but not as safe in time
        return type(error).__name__
    return ""


def _disk(reading: ServerReading) -> str:
    if reading.info.get("aof_enabled") == "1":
        return f"appendfsync {reading.config.get('appendfsync', 'unknown')}"
    return "snapshots" if reading.config.get("save") else "nothing on disk"

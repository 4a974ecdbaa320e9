"""The limit of a queue: how many tasks its lists may hold, and what happens to more. Pure values, no I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from taskq.errors import InvalidTask
from taskq.model.moment import seconds_to_ms

MOST_TASKS = 1_000_000_000


class OnFull(StrEnum):
    """What becomes of a task whose queue is full."""

    REJECT = "reject"
    """The submit raises ``QueueFull``."""
    BLOCK = "block"
    """The submit waits for room, and raises ``QueueFull`` if there is none in time."""
    SHED_LOW = "shed_low"
    """The newest of the lowest priority makes room, if that is lower than its own; else as ``reject``."""


@dataclass(frozen=True, slots=True)
class QueueLimit:
    """The limit of one queue.

    Args:
        queue: its name.
        max_tasks: how many tasks its four lists may hold together; what runs, is delayed or waits elsewhere does not
            count.
        on_full: what becomes of more; see ``OnFull``.
        timeout: seconds that ``block`` waits.

    Raises:
        InvalidTask: for a value that cannot be used.
    """

    queue: str
    max_tasks: int
    on_full: str = OnFull.REJECT
    timeout: float = 30.0

    def __post_init__(self) -> None:
        if type(self.max_tasks) is not int or not 1 <= self.max_tasks <= MOST_TASKS:
            raise InvalidTask(f"max_tasks is {self.max_tasks!r:.60}: use a whole number from 1 to {MOST_TASKS:,}")
        if self.on_full not in tuple(OnFull):
            raise InvalidTask(f"on_full is {self.on_full!r:.60}: use one of {', '.join(OnFull)}")
        seconds_to_ms(self.timeout, "timeout")

    def text(self, keep_ms: int) -> str:
        """Return it as it is stored: most, what to do, how long to wait, how long the end of a shed task is kept."""
        return f"{self.max_tasks} {self.on_full} {seconds_to_ms(self.timeout, 'timeout')} {keep_ms}"

    @classmethod
    def parse(cls, queue: str, text: str) -> QueueLimit:
        """Return what is stored.

        Raises:
            InvalidTask, ValueError: if it is none of ours.
        """
        most, on_full, timeout_ms, _ = text.split(" ")
        return cls(queue, int(most), on_full, int(timeout_ms) / 1000)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that JSON can say."""
        return asdict(self)

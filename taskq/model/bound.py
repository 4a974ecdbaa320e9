"""The limit of a queue: how many tasks and bytes its lists may hold, and what happens to more. Pure values, no I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from taskq.errors import InvalidTask
from taskq.model.moment import seconds_to_ms

MOST_TASKS = 1_000_000_000
MOST_BYTES = 2**50
_LISTED = ("tasks", "bytes", "awaited")


class OnFull(StrEnum):
    """What becomes of a task whose queue is full."""

    REJECT = "reject"
    """The submit raises ``QueueFull``."""
    BLOCK = "block"
    """The submit waits for room, and raises ``QueueFull`` if there is none in time."""
    SHED_LOW = "shed_low"
    """The newest of the lowest priority make room, if that is lower than its own; else as ``reject``."""


@dataclass(frozen=True, slots=True)
class QueueLimit:
    """The limit of one queue.

    Args:
        queue: its name.
        max_tasks: how many tasks its four lists may hold together; what runs, is delayed or waits elsewhere does not
            count; None: any number.
        on_full: what becomes of more; see ``OnFull``.
        timeout: seconds that ``block`` waits.
        max_bytes: how many bytes those tasks may have together, as they are stored; None: any number.
        tasks: how many it holds, when it was listed.
        bytes: how many bytes those have, if any limit of a queue counts bytes; so much is known to wait.
        awaited: whether a submit has waited for room in the last ten seconds.

    Raises:
        InvalidTask: for a value that cannot be used, or if it limits nothing.
    """

    queue: str
    max_tasks: int | None = None
    on_full: str = OnFull.REJECT
    timeout: float = 30.0
    max_bytes: int | None = None
    tasks: int | None = field(default=None, compare=False)
    bytes: int | None = field(default=None, compare=False)
    awaited: bool | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name, value, most in (
            ("max_tasks", self.max_tasks, MOST_TASKS),
            ("max_bytes", self.max_bytes, MOST_BYTES),
        ):
            if value is not None and (type(value) is not int or not 1 <= value <= most):
                raise InvalidTask(f"{name} is {value!r:.60}: use a whole number from 1 to {most:,}")
        if self.max_tasks is None and self.max_bytes is None:
            raise InvalidTask("neither max_tasks nor max_bytes is given: say how much the queue may hold")
        if self.on_full not in tuple(OnFull):
            raise InvalidTask(f"on_full is {self.on_full!r:.60}: use one of {', '.join(OnFull)}")
        seconds_to_ms(self.timeout, "timeout")

    def text(self, keep_ms: int) -> str:
        """Return it as it is stored.

        That is most (0: any), what to do, how long to wait, how long the end of a shed task is kept, and, if it counts
        them, the most bytes.
        """
        by_bytes = "" if self.max_bytes is None else f" {self.max_bytes}"
        return f"{self.max_tasks or 0} {self.on_full} {seconds_to_ms(self.timeout, 'timeout')} {keep_ms}{by_bytes}"

    @classmethod
    def parse(cls, queue: str, text: str) -> QueueLimit:
        """Return what is stored.

        Raises:
            InvalidTask, ValueError: if it is none of ours.
        """
        most, on_full, timeout_ms, _, *by_bytes = text.split(" ")
        max_bytes = int(*by_bytes) if by_bytes else None
        return cls(queue, int(most) or None, on_full, int(timeout_ms) / 1000, max_bytes)

    def beside(self, other: QueueLimit) -> QueueLimit:
        """Return it with what the same queue holds in another partition, too."""
        known = [size for size in (self.bytes, other.bytes) if size is not None]
        return replace(
            self,
            tasks=(self.tasks or 0) + (other.tasks or 0),
            bytes=sum(known) if known else None,
            awaited=self.awaited or other.awaited,
        )

    def held(self) -> str:
        """Return how much it holds of what it may, in words."""
        words = [] if self.max_tasks is None else [f"{self.tasks or 0:,} of {self.max_tasks:,} tasks"]
        words += [] if self.max_bytes is None else [f"{self.bytes or 0:,} of {self.max_bytes:,} bytes"]
        return " and ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that JSON can say; what it holds only if it was listed."""
        words = asdict(self)
        return words if self.tasks is not None else {k: v for k, v in words.items() if k not in _LISTED}

"""What a pause is about, and how it is set and lifted, written once for both clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taskq.errors import InvalidTask
from taskq.flows import Flow, lists_meant
from taskq.model.names import check_name
from taskq.partitions import Spread
from taskq.protocol.keys import ALL_LISTS
from taskq.protocol.walks import all_circuits
from taskq.states import TaskPriority


@dataclass(frozen=True, slots=True)
class Scope:
    """A queue, one of its lists, a type, or everything.

    Raises:
        InvalidTask: for a name that cannot be used, or if more than one of them is meant.
    """

    queue: str | None = None
    priority: TaskPriority | str | int | None = None
    task_type: str | None = None
    everything: bool = False

    def __post_init__(self) -> None:
        named = self.queue is not None or self.priority is not None
        if named + (self.task_type is not None) + self.everything > 1:
            raise InvalidTask("a pause is of a queue, of a type or of everything: name one of them")
        if self.task_type is not None:
            check_name(self.task_type, "task type")

    @property
    def lists(self) -> list[str]:
        """The names of the lists that are meant."""
        return [ALL_LISTS] if self.everything else lists_meant(self.queue, self.priority)


def pause(spread: Spread[Any], paused: bool, scope: Scope) -> Flow[int]:
    """Stop or resume claims; return how many lists or types changed, in at least one partition."""
    changed = 0
    for context in spread.contexts:
        if scope.task_type is not None:
            operation = context.protocol.gate(paused, f"type:{scope.task_type}")
        else:
            operation = context.protocol.pause(paused, scope.lists)
        here: int = yield operation
        changed = max(changed, here)
    return changed


def paused_types(spread: Spread[Any]) -> Flow[list[str]]:
    """Return the types that are paused."""
    found: set[str] = set()
    for context in spread.contexts:
        _, paused = yield from all_circuits(context.protocol)
        found |= {key.removeprefix("type:") for key in paused if key.startswith("type:")}
    return sorted(found)

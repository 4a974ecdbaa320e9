"""How long tasks may wait in a list, and how long they do. Pure values, no I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# one call reads them all: four milliseconds at most
MAX_THRESHOLDS = 250


@dataclass(frozen=True, slots=True)
class SlaReading:
    """One threshold of a priority list, and what was measured beside it.

    Attributes:
        queue: name of the queue.
        priority: name of the priority.
        measure: ``age``: how long the oldest task has waited in the list; ``start``: how long tasks had waited there
            that have started lately.
        allowed_seconds: the threshold.
        waited_seconds: what was measured; 0 if nothing waits, or nothing has started.
        broken_since: ISO 8601, UTC; None: the threshold is kept. A breach is over when a fifth of it is left.
    """

    queue: str
    priority: str
    measure: str
    allowed_seconds: float
    waited_seconds: float
    broken_since: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that JSON can say."""
        return asdict(self)

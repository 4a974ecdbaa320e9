"""What somebody wants of a running worker, as it stands on the worker's card."""

from __future__ import annotations

from dataclasses import dataclass

from taskq.errors import SettingsError
from taskq.settings import LOG_LEVELS

MOST_SLOTS = 10_000
RUN, DRAIN, STOP = "run", "drain", "stop"

_SAME = "-"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker is to do from now on; None leaves it as it is.

    Args:
        state: ``run``; ``drain``: claim nothing more; ``stop``: end after what runs.
        concurrency: tasks that its process runs at a time.
        log_level: the least severe message that its process logs.

    Raises:
        SettingsError: for a value that no worker can follow.
    """

    state: str | None = None
    concurrency: int | None = None
    log_level: str | None = None

    def __post_init__(self) -> None:
        slots, level = self.concurrency, self.log_level
        if slots is not None and (not isinstance(slots, int) or not 1 <= slots <= MOST_SLOTS):
            raise SettingsError(f"concurrency is {slots!r}: use a whole number from 1 to {MOST_SLOTS:,}")
        if level is not None and level not in LOG_LEVELS:
            raise SettingsError(f"log_level is {level!r}: use one of {', '.join(LOG_LEVELS)}")

    def __str__(self) -> str:
        says = {RUN: "claim", DRAIN: "claim nothing more", STOP: "end"}
        parts = [says[self.state]] if self.state else []
        if self.concurrency is not None:
            parts.append(f"run {self.concurrency} at a time")
        if self.log_level is not None:
            parts.append(f"log from {self.log_level} on")
        return ", ".join(parts) or "do nothing else"

    @property
    def words(self) -> tuple[str, str, str]:
        """The three words of it, in the order in which the card shows them."""
        slots = _SAME if self.concurrency is None else str(self.concurrency)
        return self.state or _SAME, slots, self.log_level or _SAME

    @classmethod
    def parse(cls, text: str) -> Wish:
        """Return the wish of a card.

        Raises:
            SettingsError: if it is none that this release knows.
        """
        words = [None if word == _SAME else word for word in text.split()]
        if len(words) != 3 or words[0] not in (None, RUN, DRAIN, STOP) or not (words[1] or "0").isdecimal():
            raise SettingsError(f"the wish {text!r} is not understood: it may come from a newer release of taskq")
        return cls(words[0], None if words[1] is None else int(words[1]), words[2])

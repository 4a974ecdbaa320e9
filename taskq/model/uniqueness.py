"""What a submit says about a unique key: what becomes of a task whose key is held, and how long it is held. No I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from taskq.errors import InvalidTask
from taskq.model.codec import encode
from taskq.model.moment import seconds_to_ms
from taskq.model.names import in_words


class UniquePolicy(StrEnum):
    """What becomes of a task whose unique key is held by another one."""

    EXISTING = "existing"
    """It is not stored, and the submit returns the id of the holder."""
    REJECT = "reject"
    """The submit raises ``DuplicateTask``."""
    REPLACE = "replace"
    """It takes the place of a holder that waits; one that has begun goes on, and it waits until that one has ended."""
    QUEUE_ONE = "queue_one"
    """It waits until a holder that has begun has ended; if one waits already, the submit returns the id of that one."""
    DEBOUNCE = "debounce"
    """As ``replace``, and it starts when nobody has submitted another one for as long as the window."""
    THROTTLE = "throttle"
    """As ``existing``, and the key is held until the window after the start of the holder is over."""


_WINDOWED = (UniquePolicy.DEBOUNCE, UniquePolicy.THROTTLE)
_WAITING = (UniquePolicy.REPLACE, UniquePolicy.QUEUE_ONE, UniquePolicy.DEBOUNCE)


# what the fields of a ``Task``, and of its envelope, are called
FIELDS = ("unique_policy", "unique_ttl", "unique_window", "idempotency")


class Uniqueness(NamedTuple):
    """All that is said about the unique key of a task; times in seconds, None: as long as it is live, or not at all."""

    policy: str = UniquePolicy.EXISTING
    ttl: float | None = None
    window: float | None = None
    idempotency: float | None = None

    def check(self, unique_key: str | None, ordering_key: str | None) -> None:
        """Check it together with the keys of the task.

        Raises:
            InvalidTask: if one of it cannot be used, or not with the others.
        """
        if self.policy not in tuple(UniquePolicy):
            raise InvalidTask(f"unique_policy is {self.policy!r:.60}: use one of {', '.join(UniquePolicy)}")
        for name, value in zip(FIELDS[1:], self[1:], strict=True):
            if value is not None and seconds_to_ms(value, name) < 1:
                raise InvalidTask(f"{name} is {in_words(value)}: use a number of seconds above 0, or leave it out")
        if unique_key is None and self != PLAIN:
            raise InvalidTask(
                "unique_policy, unique_ttl, unique_window and idempotency belong to a unique_key: give one"
            )
        if (self.window is not None) != (self.policy in _WINDOWED):
            raise InvalidTask(
                f"unique_window is {in_words(self.window)} and unique_policy {self.policy}: debounce and throttle need "
                "a window, the others have none"
            )
        if ordering_key is not None and self.policy in _WAITING:
            raise InvalidTask(
                f"unique_policy={self.policy} cannot be had with an ordering_key: the task would wait in two places. "
                "Leave out the ordering_key, or use existing, reject or throttle"
            )

    def json(self) -> str:
        """Return it as a part of an envelope; what is as by default is left out."""
        said = zip(FIELDS, self, strict=True)
        return "".join(
            f'"{name}":{encode(value, name)},' for name, value in said if value not in (None, UniquePolicy.EXISTING)
        )

    def rules(self, keep_ms: int) -> str:
        """Return it as the scripts read it, see ``lua/lib/unique.lua``; empty for the key alone.

        Args:
            keep_ms: how long the result of a task is kept that this one takes the place of.
        """
        if self == PLAIN:
            return ""
        times = [0 if value is None else seconds_to_ms(value, "seconds") for value in self[1:]]
        return f"{self.policy} {times[0]} {times[1]} {times[2]} {keep_ms}"


PLAIN = Uniqueness()

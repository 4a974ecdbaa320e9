"""The slots of one process, shared by its engines: each gets its part, and what the others leave."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

# The server of one partition may be away: then what its engine was given counts as unused, its place in line as left.
PATIENCE_SECONDS = 1.0


@dataclass(slots=True)
class _Share:
    """What one engine has: tasks that run, slots for a turn under way, and since when."""

    held: int = 0
    granted: int = 0
    granted_at: float = 0.0

    def taken(self, now: float) -> int:
        return self.held + (self.granted if now - self.granted_at < PATIENCE_SECONDS else 0)


@dataclass(slots=True)
class _Guest:
    """An engine in the line, and when it was told that there is room."""

    invite: Callable[[], None]
    invited_at: float | None = None

    def gone(self, now: float) -> bool:
        return self.invited_at is not None and now - self.invited_at > PATIENCE_SECONDS


class Room:
    """Slots that engines take for a turn and give back.

    Who gets fewer than it wants stands in a line, and whoever gives slots back leaves them to the first of it before
    taking any for itself.

    Args:
        slots: tasks at a time.
        max_tasks: claims after which there is no room any more; None: any number.
    """

    def __init__(self, slots: int, max_tasks: int | None = None) -> None:
        self._slots = slots
        self._left = max_tasks
        self._lock = threading.Lock()
        self._shares: dict[object, _Share] = {}
        self._line: OrderedDict[object, _Guest] = OrderedDict()
        self._alone: object = None

    @property
    def used_up(self) -> bool:
        """Whether as many tasks were claimed as may be."""
        return self._left is not None and self._left <= 0

    def resize(self, slots: int) -> None:
        """Have this many slots from now on; what was granted of more stays granted."""
        with self._lock:
            self._slots = slots
            invited = self._next_guests()
        for guest in invited:
            guest.invite()

    def take(self, who: object, want: int, held: int, invite: Callable[[], None]) -> int:
        """Take slots for the claims of a turn.

        Args:
            who: the engine.
            want: how many it could use.
            held: how many tasks it runs.
            invite: called when there is room after all, if there is not enough now.

        Returns:
            How many it may claim.
        """
        now = time.monotonic()
        with self._lock:
            share = self._shares.setdefault(who, _Share())
            share.held, share.granted = held, 0
            for other in [other for other, guest in self._line.items() if guest.gone(now)]:
                del self._line[other]
            line = list(self._line)
            before = line.index(who) if who in self._line else len(line)
            share.granted = max(0, min(want, self._free(who, now) - before))
            share.granted_at = now
            if share.granted or not want:
                self._line.pop(who, None)
            else:
                self._line.setdefault(who, _Guest(invite)).invited_at = None
            return share.granted

    def _free(self, who: object, now: float) -> int:
        if self._alone not in (None, who):
            return 0
        free = self._slots - sum(share.taken(now) for share in self._shares.values())
        if self._left is None:
            return free
        return min(free, self._left - sum(share.granted for share in self._shares.values()))

    def settle(self, who: object, held: int, claimed: int, alone: bool) -> None:
        """Give back what was not used, and what has become free.

        Args:
            who: the engine.
            held: how many tasks it runs now.
            claimed: how many it has claimed since ``take``.
            alone: whether what it runs must not have company.
        """
        with self._lock:
            self._shares[who] = _Share(held)
            if self._left is not None:
                self._left -= claimed
            if alone:
                self._alone = who
            elif self._alone is who:
                self._alone = None
            invited = self._next_guests()
        for guest in invited:
            guest.invite()

    def leave(self, who: object) -> None:
        """Take an engine that has ended out of everything."""
        with self._lock:
            self._shares.pop(who, None)
            self._line.pop(who, None)
            if self._alone is who:
                self._alone = None
            invited = self._next_guests()
        for guest in invited:
            guest.invite()

    def _next_guests(self) -> list[_Guest]:
        if self._alone is not None:
            return []
        now = time.monotonic()
        free = max(0, self._free(None, now))
        guests = [guest for guest in self._line.values() if not guest.gone(now)][:free]
        for guest in guests:
            guest.invited_at = guest.invited_at or now
        return guests

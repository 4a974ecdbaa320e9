"""How many tasks an engine runs at a time, who runs plain handlers in them, and whether they may be filled now.

All of it can be changed from another thread while the engine works; it takes effect when the engine's own thread looks.
"""

from __future__ import annotations

from taskq.worker.attempt import Judge
from taskq.worker.flight import MOST_PER_TURN
from taskq.worker.runners import Finished, InlineRunner, Runner, ThreadRunner


class Slots:
    """The slots of one engine.

    Args:
        number: tasks at a time.
        judge: of the attempts.
        finished: takes their outcomes.

    Attributes:
        number: tasks at a time.
        wanted: as many it will be, once the engine's own thread has looked.
        share: how many of them one turn may fill: half, so that the other half has a turn or runs meanwhile.
        runner: runs plain handlers.
        resting: whether none may be filled.
        changed: whether something was asked for that ``adjust`` has not done.
    """

    def __init__(self, number: int, judge: Judge, finished: Finished) -> None:
        self._judge = judge
        self._finished = finished
        self.changed = False
        self._rests: set[str] = set()
        self.resting = False
        self.wanted = number
        self.runner: Runner = InlineRunner(judge, finished) if number == 1 else ThreadRunner(judge, finished, number)
        self._set(number)

    def _set(self, number: int) -> None:
        self.number = number
        self.share = min(MOST_PER_TURN, max(1, (number + 1) // 2))

    # -- for other threads --

    def resize(self, number: int) -> None:
        """Have this many from now on; what runs in one too many goes on."""
        self.wanted = number
        self.changed = True

    def rest(self, resting: bool, reason: str) -> None:
        """Fill none for a reason, or do so no longer for that reason."""
        if resting:
            self._rests.add(reason)
        else:
            self._rests.discard(reason)
        self.resting = bool(self._rests)
        self.changed = True

    @property
    def inline(self) -> bool:
        """Whether plain handlers run on the thread of the engine."""
        return isinstance(self.runner, InlineRunner)

    # -- the engine's own thread --

    def adjust(self) -> bool:
        """Do what was asked for; return whether there may be room now that was not there."""
        if not self.changed:
            return False
        self.changed = False
        wanted = self.wanted
        if wanted != self.number:
            if isinstance(self.runner, ThreadRunner):
                self.runner.resize(wanted)
            else:
                self.runner = ThreadRunner(self._judge, self._finished, wanted)
            self._set(wanted)
        return True

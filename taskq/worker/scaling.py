"""How many processes a pool should have: a decision made of samples, without a clock or a server of its own."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from taskq.errors import SettingsError
from taskq.model.names import in_words


@dataclass(frozen=True, slots=True)
class ScalingOptions:
    """Between which bounds a pool scales, and when.

    Args:
        least: processes that always run, 1 or more.
        most: processes that run at the most.
        target_wait_seconds: how long a task may wait, at the speed at which tasks end now, before there should be more
            processes.
        calm_seconds: how long fewer processes must have been enough before one ends.
        settle_seconds: how long new processes have to show what they can do before more are started.

    Raises:
        SettingsError: for bounds that contradict each other.
    """

    least: int = 1
    most: int = 4
    target_wait_seconds: float = 1.0
    calm_seconds: float = 10.0
    settle_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most <= 1_000:
            raise SettingsError(
                f"a pool of {self.least} to {self.most} processes: use two numbers from 1 to 1,000, the smaller first"
            )
        for name in ("target_wait_seconds", "calm_seconds", "settle_seconds"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} is {in_words(getattr(self, name))}: use a number of seconds above 0")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a pool sees at one moment.

    Attributes:
        at: seconds on any clock that goes on.
        waiting: tasks in the lists that the pool serves, those that are paused left out.
        running: tasks that its processes run.
        ended: tasks that its processes have ended since the pool began.
        processes: that run, those that are about to end left out.
    """

    at: float
    waiting: int
    running: int
    ended: int
    processes: int


class Scaler:
    """Turns samples into the number of processes there should be.

    Up at once, when at the present speed the tasks that wait would wait for longer than the target; down only after a
    calm time, so that a pause between two bursts costs no restarts. Depth alone is no reason: a thousand tasks of a
    millisecond are gone before a process has started.

    Args:
        options: bounds and times.
        slots: tasks that one process runs at a time.
    """

    def __init__(self, options: ScalingOptions, slots: int) -> None:
        self._options = options
        self._slots = slots
        self._last: Sample | None = None
        self._needs: deque[tuple[float, int]] = deque()
        self._grown_at = -math.inf

    def wanted(self, sample: Sample) -> int:
        """Return how many processes there should be now.

        Args:
            sample: what is seen now; about two a second.
        """
        last, self._last = self._last, sample
        need = self._need(sample, last)
        options = self._options
        self._needs.append((sample.at, need))
        since = sample.at - options.calm_seconds
        while len(self._needs) > 1 and self._needs[1][0] <= since:  # one from before shows that it was calm all along
            self._needs.popleft()
        if need > sample.processes:
            if sample.at - self._grown_at < options.settle_seconds:
                return sample.processes
            self._grown_at = sample.at
            return need
        calm = self._needs[0][0] <= since
        return max(number for _, number in self._needs) if calm else sample.processes

    def _need(self, sample: Sample, last: Sample | None) -> int:
        options = self._options
        enough = math.ceil((sample.waiting + sample.running) / self._slots)  # each task has a slot then
        if sample.waiting == 0:
            return self._bounded(enough)
        if last is None or sample.at <= last.at:
            return self._bounded(sample.processes)  # one look shows no speed
        speed = max(0, sample.ended - last.ended) / (sample.at - last.at)
        wait_seconds = sample.waiting / speed if speed else math.inf
        if wait_seconds <= options.target_wait_seconds:
            return self._bounded(sample.processes)
        if math.isinf(wait_seconds):
            return self._bounded(enough)
        return self._bounded(min(enough, math.ceil(sample.processes * wait_seconds / options.target_wait_seconds)))

    def _bounded(self, number: int) -> int:
        return max(self._options.least, min(self._options.most, number))

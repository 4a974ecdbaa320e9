"""Who may start, worked out from what was submitted, answered and told alone: nothing here asks the server."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from taskq.model.circuit import Circuit
from taskq.model.limit import Limit
from taskq.protocol.submits import Submission

# a call takes a part of a second, while the clock of the model stands still
SLACK = 0.5
# seconds from the beginning of a tenth of any circuit to that of a history, so that no event is at its end
INTO_A_TENTH = 0.5


@dataclass
class Live:
    """A task that has not ended.

    Attributes:
        keys: what counts it: its type and its limit keys.
        lines: the ordering key or unique key, in which only the first one may start.
        due: when it may start.
        worker: who runs it, if anybody.
        held: the keys whose permits its run holds.
        crashes: how many workers have died while they ran it.
    """

    list_name: str
    keys: tuple[str, ...]
    lines: tuple[str, ...]
    due: float
    worker: str = ""
    held: list[str] = field(default_factory=list)
    crashes: int = 0


def _step_and_burst(limit: Limit) -> tuple[str, int, float, int]:
    """Return the kind of a rate, its starts, its seconds and its burst."""
    _, kind, starts, period_ms, burst = limit.text().split()
    return kind, int(starts), int(period_ms) / 1000, int(burst)


class Rules:
    """The rules and what they have to know; each method is told what has happened, at the time ``now`` in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tasks: dict[str, Live] = {}
        self.lines: dict[str, list[str]] = defaultdict(list)
        self.limits: dict[str, Limit] = {}
        self.circuits: dict[str, Circuit] = {}
        self.closed_types: set[str] = set()
        self.closed_lists: set[str] = set()
        self.holders: dict[str, set[str]] = defaultdict(set)
        # starts by key since the rate that counts them was set, when that was, and the last one of all
        self.starts: dict[str, list[float]] = defaultdict(list)
        self.since: dict[str, float] = defaultdict(float)
        self.last: dict[str, float] = defaultdict(float)
        # by key of a circuit that is not closed: the probe, or when one may be sent out
        self.gates: dict[str, str | float] = {}
        self.faults: dict[str, list[float]] = defaultdict(list)
        # by key of a circuit that opens by a share: in which tenth an attempt had an answer, and whether it failed
        self.answers: dict[str, list[tuple[float, bool]]] = defaultdict(list)

    # -- what happens --

    def stored(self, one: Submission, keys: tuple[str, ...], due: float) -> None:
        lines = tuple(f"{name} {key}" for name, key in (("o", one.ordering_key), ("u", one.unique_key)) if key)
        self.tasks[one.task_id] = Live(one.list_name, keys, lines, due)
        for line in lines:
            self.lines[line].append(one.task_id)

    def ended(self, task_id: str) -> None:
        """It is forgotten, whether it ran or not."""
        live = self.tasks.pop(task_id)
        for line in live.lines:
            self.lines[line].remove(task_id)

    def limited(self, name: str, limit: Limit | None) -> None:
        if limit is None:
            self.limits.pop(name, None)
        else:
            self.limits[name] = limit
        for key in [*self.starts, *self.last]:
            if name in (key, key.partition(":")[0]):
                self.starts.pop(key, None)
                self.since[key] = self.now

    def uncircled(self, name: str) -> None:
        del self.circuits[name]
        if name in self.gates:
            self.closes(name)

    def closes(self, key: str) -> None:
        self.gates.pop(key, None)
        self.faults.pop(key, None)
        self.answers.pop(key, None)

    def opens(self, key: str) -> None:
        self.gates[key] = self.now + self.circuits[key].open_for
        self.faults.pop(key, None)
        self.answers.pop(key, None)

    def run_over(self, task_id: str, outcome: str, due: float = 0.0) -> None:
        """A run has ended; ``lost`` if its worker died."""
        live = self.tasks[task_id]
        for key in live.held:
            self.holders[key].discard(task_id)
            self._answer(key, task_id, outcome)
        live.worker, live.held, live.due = "", [], due
        if outcome in ("complete", "fail", "cancel"):
            self.ended(task_id)

    def _answer(self, key: str, task_id: str, outcome: str) -> None:
        failed, circuit = outcome in ("retry", "fail"), self.circuits.get(key)
        if self.gates.get(key) == task_id:
            if failed:
                self.opens(key)
            elif outcome == "complete":
                self.closes(key)
            else:
                self.gates[key] = self.now
        elif circuit and circuit.share and key not in self.gates:
            if failed or outcome == "complete":
                self._answered(key, circuit, circuit.share, failed)
        elif circuit and failed and key not in self.gates:
            kept = self.faults[key] = [*self.faults[key], self.now][-circuit.failures :]
            if len(kept) == circuit.failures and kept[0] > self.now - circuit.within:
                self.opens(key)

    def _answered(self, key: str, circuit: Circuit, share: float, failed: bool) -> None:
        self.answers[key].append((self.tenth(circuit), failed))
        attempts, faults = self.tally(circuit)
        if failed and faults >= max(circuit.failures, share * attempts):
            self.opens(key)

    def tenth(self, circuit: Circuit) -> float:
        return (self.now + INTO_A_TENTH) // (circuit.within / 10)

    def tally(self, circuit: Circuit) -> tuple[int, int]:
        """Return how many attempts a circuit with a share counts, and how many failures."""
        counted = [failed for at, failed in self.answers[circuit.name] if at > self.tenth(circuit) - 10]
        return len(counted), sum(counted)

    def claimed(self, task_id: str, worker: str) -> None:
        """A run has begun.

        Raises:
            AssertionError: if it must not.
        """
        live = self.tasks[task_id]
        assert not live.worker, f"{task_id} runs already"
        why = self.held_back(task_id)
        assert why is None, f"{task_id} must not start: {why}"
        live.worker = worker
        for key in live.keys:
            limit = self.limit_of(key)
            if key in self.gates:
                self.gates[key] = task_id
            if key in self.circuits or (limit and limit.concurrency):
                live.held.append(key)
                self.holders[key].add(task_id)
            if limit and limit.rate:
                self.starts[key].append(self.now)
            self.last[key] = self.now

    # -- what follows --

    def limit_of(self, key: str) -> Limit | None:
        return self.limits.get(key) or self.limits.get(key.partition(":")[0])

    def held_back(self, task_id: str, *, surely: bool = False) -> str | None:
        """Return why a task must not start, or with ``surely`` why it perhaps must not."""
        live, by = self.tasks[task_id], self.now + (-SLACK if surely else SLACK)
        if live.list_name in self.closed_lists:
            return "its list is paused"
        if live.due > by:
            return f"it is due at {live.due}"
        for line in live.lines:
            if self.lines[line][0] != task_id:
                return f"{self.lines[line][0]} is before it in {line}"
        return next(filter(None, (self._closed(key, by) or self._full(key, surely) for key in live.keys)), None)

    def _closed(self, key: str, by: float) -> str | None:
        if key in self.closed_types:
            return f"{key} is paused"
        gate = self.gates.get(key)
        if isinstance(gate, str):
            return f"{gate} is the probe of {key}"
        return f"the circuit of {key} is open until {gate}" if gate is not None and gate > by else None

    def _full(self, key: str, surely: bool) -> str | None:
        limit = self.limit_of(key)
        if limit and limit.concurrency and len(self.holders[key]) >= limit.concurrency:
            return f"{sorted(self.holders[key])} hold {key}"
        if not limit or not limit.rate:
            return None
        kind, most, period, burst = _step_and_burst(limit)
        step = period / most
        if surely:
            quiet = period if kind == "window" else (burst + 1) * step
            free = self.now - max(self.since[key], self.last[key]) > quiet + 2
            return None if free else f"{key} may have no start left"
        starts = [*self.starts[key], self.now]
        if kind == "window":
            over = len(starts) > most and self.now - starts[-most - 1] <= period - 2 * SLACK
        else:
            over = any(
                len(starts) - i > burst + (self.now - start + SLACK) / step + 1e-6 for i, start in enumerate(starts)
            )
        return f"too many starts of {key} at {starts}" if over else None

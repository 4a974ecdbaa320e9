"""The protocol of waiting, claiming, settling and reaping as a state machine small enough to visit every state.

Two workers with one slot each, two tasks, a bell, a reaper, and an adversary with a small budget of faults: he kills
workers, lets leases run out under live ones, loses replies and delivers old requests late. Numbers that only grow are
left out: of a turn's number only matters whether the server has seen this turn, or a later one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

BELL_MAX = 2
GUARDS = ("fence", "cascade", "timeout", "turn number")


class Task(NamedTuple):
    """Where a task is: ``new``, ``pending``, ``running`` or ``done``; ``fence`` counts its attempts."""

    place: str = "new"
    owner: int = -1
    fence: int = 0
    ends: int = 0


class Claim(NamedTuple):
    """An attempt, as server or worker remember it."""

    task: int
    fence: int


class Worker(NamedTuple):
    """A worker and what the server knows of it.

    Attributes:
        phase: ``look`` (its next turn is to be sent), ``again`` (it was processed, the reply was lost), ``sleep`` (on
            the bell), ``work``, ``ghost`` (dead, its connection still waits for the bell), ``dead``.
        held: the attempt that it runs, or settles with its next turn.
        registered: whether the server has a lease for it.
        last: what its last turn has claimed, for a repetition.
        late: a copy of a turn on its way: what it settles; ``()`` if there is none.
        outdated: whether the server has seen a later turn than that copy.
    """

    phase: str = "look"
    held: Claim | None = None
    registered: bool = True
    last: Claim | None = None
    late: tuple[Claim | None, ...] = ()
    outdated: bool = False


class State(NamedTuple):
    """Everything."""

    tasks: tuple[Task, ...]
    workers: tuple[Worker, ...]
    bell: int = 0
    faults: int = 0


class Step(NamedTuple):
    """What can happen next; a fault need not."""

    name: str
    after: State
    fault: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """A protocol.

    Attributes:
        without: guards that are left out, to see what they are for.
        faults: how often the adversary may strike.
        batch: whether both tasks are submitted in one call, with one hint.
    """

    without: frozenset[str] = frozenset()
    faults: int = 2
    batch: bool = True
    first: State = field(init=False)

    def __post_init__(self) -> None:
        assert self.without <= set(GUARDS)
        object.__setattr__(self, "first", State((Task(), Task()), (Worker(), Worker()), faults=self.faults))

    def has(self, guard: str) -> bool:
        return guard not in self.without

    # -- what the server does, each in one go --

    def ring(self, state: State) -> State:
        return state._replace(bell=min(BELL_MAX, state.bell + 1))

    def submit(self, state: State) -> State:
        new = [n for n, task in enumerate(state.tasks) if task.place == "new"]
        for n in new if self.batch else new[:1]:
            state = with_task(state, n, Task("pending"))
        return self.ring(state)

    def settle(self, state: State, who: int, held: Claim) -> State:
        task = state.tasks[held.task]
        if self.has("fence") and (task.place, task.owner, task.fence) != ("running", who, held.fence):
            return state
        return with_task(state, held.task, task._replace(place="done", owner=-1, ends=task.ends + 1))

    def turn(self, state: State, who: int, settles: Claim | None) -> tuple[State, Claim | None]:
        """Settle and claim; return what was claimed."""
        if settles is not None:
            state = self.settle(state, who, settles)
        pending = [n for n, task in enumerate(state.tasks) if task.place == "pending"]
        claim = None
        if pending:
            fence = state.tasks[pending[0]].fence + 1
            state = with_task(state, pending[0], Task("running", who, fence))
            claim = Claim(pending[0], fence)
        if len(pending) > 1 and self.has("cascade"):
            state = state._replace(bell=max(1, state.bell))
        if not pending:
            state = state._replace(bell=0)
        worker = state.workers[who]
        return with_worker(state, who, worker._replace(last=claim, outdated=bool(worker.late))), claim

    def reap(self, state: State, who: int) -> State:
        for n, task in enumerate(state.tasks):
            if (task.place, task.owner) == ("running", who):
                state = self.ring(with_task(state, n, task._replace(place="pending", owner=-1)))
        return with_worker(state, who, state.workers[who]._replace(registered=False, late=(), outdated=False))

    # -- what can happen --

    def steps(self, state: State) -> Iterator[Step]:
        if any(task.place == "new" for task in state.tasks):
            yield Step("submit", self.submit(state))
        for who, worker in enumerate(state.workers):
            yield from self.steps_of(state, who, worker)
            if state.faults:
                spent = state._replace(faults=state.faults - 1)
                for step in self.faults_of(spent, who, worker):
                    yield step._replace(fault=True)

    def steps_of(self, state: State, who: int, worker: Worker) -> Iterator[Step]:
        if worker.phase == "work":
            yield Step(f"{who} finishes", with_worker(state, who, worker._replace(phase="look")))
        if worker.phase in ("look", "again"):
            yield Step(f"{who} takes a turn", self.answered(state, who))
        if worker.phase in ("sleep", "ghost") and state.bell:
            phase = "look" if worker.phase == "sleep" else "dead"
            woken = with_worker(state, who, worker._replace(phase=phase))
            yield Step(f"{who} is woken", woken._replace(bell=state.bell - 1))
        if worker.phase == "sleep" and self.has("timeout"):
            yield Step(f"{who} has slept enough", with_worker(state, who, worker._replace(phase="look")))
        if worker.phase in ("dead", "ghost") and worker.registered:
            yield Step(f"{who} is reaped", self.reap(state, who))
        if worker.late:
            yield Step(f"an old turn of {who} arrives", self.arrived_late(state, who))

    def faults_of(self, state: State, who: int, worker: Worker) -> Iterator[Step]:
        if worker.phase in ("dead", "ghost"):
            return
        if sum(other.phase not in ("dead", "ghost") for other in state.workers) > 1:
            phase = "ghost" if worker.phase == "sleep" else "dead"
            yield Step(f"{who} dies", with_worker(state, who, worker._replace(phase=phase)))
        if worker.registered:
            yield Step(f"the lease of {who} runs out", self.reap(state, who))
        if worker.phase == "look" and worker.registered:
            sent, _ = self.turn(state, who, worker.held)
            lost = sent.workers[who]._replace(phase="again")
            yield Step(f"the reply to {who} is lost", with_worker(sent, who, lost))
            copy = lost._replace(late=(worker.held,), outdated=False)
            yield Step(f"a turn of {who} is sent twice", with_worker(sent, who, copy))

    def answered(self, state: State, who: int) -> State:
        """Send the turn of a worker, the first time or again, and let it act on the reply."""
        worker = state.workers[who]
        if not worker.registered:  # it comes back under another name; what it still holds is settled with its next turn
            return with_worker(state, who, Worker(held=worker.held))
        if worker.phase == "again" and self.has("turn number"):
            claim = worker.last
        else:
            state, claim = self.turn(state, who, worker.held)
        phase = "sleep" if claim is None else "work"
        return with_worker(state, who, state.workers[who]._replace(phase=phase, held=claim))

    def arrived_late(self, state: State, who: int) -> State:
        (settles,) = state.workers[who].late
        state = with_worker(state, who, state.workers[who]._replace(late=(), outdated=False))
        return state if self.has("turn number") else self.turn(state, who, settles)[0]


def with_task(state: State, n: int, task: Task) -> State:
    return state._replace(tasks=tuple(task if i == n else old for i, old in enumerate(state.tasks)))


def with_worker(state: State, n: int, worker: Worker) -> State:
    return state._replace(workers=tuple(worker if i == n else old for i, old in enumerate(state.workers)))


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: how many states there are, and the shortest way to a bad one, if there is one."""

    states: int
    problem: str = ""
    way: tuple[str, ...] = ()


def explore(model: Model) -> Finding:
    """Visit every state, breadth first.

    Bad is a state in which a task has ended twice, and one from which no way leads to the end of all tasks although
    nothing more goes wrong: somebody waits for a hint that never comes, or a task is held by nobody who knows of it.
    """
    came: dict[State, tuple[State, str] | None] = {model.first: None}
    backward: dict[State, list[State]] = {}
    queue = deque([model.first])
    while queue:
        state = queue.popleft()
        if any(task.ends > 1 for task in state.tasks):
            return Finding(len(came), "a task has ended twice", _way(came, state))
        for step in model.steps(state):
            if not step.fault:
                backward.setdefault(step.after, []).append(state)
            if step.after not in came:
                came[step.after] = (state, step.name)
                queue.append(step.after)
    reaching = {state for state in came if all(task.place == "done" for task in state.tasks)}
    queue = deque(reaching)
    while queue:
        for before in backward.get(queue.popleft(), ()):
            if before not in reaching:
                reaching.add(before)
                queue.append(before)
    stuck = next((state for state in came if state not in reaching), None)
    if stuck is not None:
        return Finding(len(came), "a task can never end", _way(came, stuck))
    return Finding(len(came))


def _way(came: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    names = []
    while (before := came[state]) is not None:
        state, name = before
        names.append(name)
    return tuple(reversed(names))

"""Unique keys under kills and races: one holder at a time, one outcome each, and nothing is left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from taskq import Settings, Task, TaskQueue
from taskq.model.uniqueness import Uniqueness, UniquePolicy
from taskq.protocol.operation import Operation
from taskq.protocol.operations import CrashLimits, LeaseTimes, Protocol
from taskq.protocol.replies import Settlement
from taskq.protocol.submits import Submission
from taskq.states import TaskStatus
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Spawn
from tests.waiting import eventually
from tests.worker.background import findings

RACES = 1000
TTL_MS = 60_000
POLICIES = list(UniquePolicy)


def keyed(task_id: str, key: str, list_name: str, policy: str = "existing") -> Submission:
    window = 60 if policy in (UniquePolicy.DEBOUNCE, UniquePolicy.THROTTLE) else None
    return Submission(task_id, "{}", list_name, "0", key, rules=Uniqueness(policy, None, window).rules(TTL_MS))


class Track:
    """Races of two calls each; each call is sent twice, as if its reply had been lost."""

    def __init__(self, queue: TaskQueue, settings: Settings) -> None:
        self.queue, self.settings = queue, settings
        self.protocol: Protocol = queue.namespace.protocol
        self._seq = 0
        self.run(self.protocol.register("racer", "t", LeaseTimes(3_000, 500), "uuid", {}))

    def run(self, operation: Operation[Any]) -> Any:
        return self.queue.transport.run(operation)

    def submit(self, tasks: Sequence[Submission]) -> None:
        for start in range(0, len(tasks), 250):
            self.run(self.protocol.submit(tasks[start : start + 250], 0))

    def turn(self, want: int, list_name: str) -> Operation[Any]:
        self._seq += 1
        return self.protocol.turn("racer", "t", self._seq, want, [list_name])

    def claim_all(self, list_name: str) -> dict[str, str]:
        """Claim what stands in a list; return the fences."""
        fences: dict[str, str] = {}
        while claims := self.run(self.turn(100, list_name)).claims:
            fences |= {claim.task_id: claim.fence for claim in claims}
        return fences

    def race(self, left: Sequence[Operation[Any]], right: Sequence[Operation[Any]]) -> tuple[list[Any], list[Any]]:
        """Send the calls of both sides, pair by pair at the same moment; return the last reply to each."""
        start, replies = threading.Barrier(2), ([], [])

        def side(number: int, calls: Sequence[Operation[Any]]) -> None:
            with TaskQueue(settings=self.settings) as own:
                own.get_queue_stats()
                for call in calls:
                    start.wait(60)
                    own.transport.run(call)
                    replies[number].append(own.transport.run(call))

        threads = [threading.Thread(target=side, args=(n, calls)) for n, calls in enumerate((left, right))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(side) for side in replies] == [len(left), len(right)]
        return replies

    def statuses(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for status in TaskStatus:
            cursor = ""
            while cursor != "0":
                cursor, ids = self.run(self.protocol.ids(status.value, cursor or "0", 500))
                found |= dict.fromkeys(ids, status.value)
        return found

    def leave(self) -> None:
        gone = False
        while not gone:
            gone = self.run(self.protocol.evict("racer", False, 500, CrashLimits(3, TTL_MS)))[2]


@pytest.fixture
def track(queue: TaskQueue, settings: Settings) -> Iterator[Track]:
    track = Track(queue, settings)
    yield track
    assert findings(queue) == []
    track.leave()


def both(counts: tuple[int, int]) -> None:
    """Each race had one of two outcomes; how often which one, is printed."""
    print(f"{counts[0]} times the one, {counts[1]} times the other came first")
    assert sum(counts) == RACES


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_unique_and_complete(track: Track) -> None:
    """The holder ends when another one comes, whatever its policy: that one is stored and starts, or is not stored."""
    track.submit([keyed(f"h{n}", f"k{n}", "normal") for n in range(RACES)])
    fences = track.claim_all("normal")
    ends = [
        track.protocol.settle([Settlement(f"h{n}", fences[f"h{n}"], "complete", "{}", TTL_MS)]) for n in range(RACES)
    ]
    comers = [
        track.protocol.submit([keyed(f"n{n}", f"k{n}", "low", POLICIES[n % len(POLICIES)])], 0) for n in range(RACES)
    ]
    _, replies = track.race(ends, comers)
    found = track.statuses()
    stored = 0
    for n, reply in enumerate(replies):
        assert found[f"h{n}"] == "completed"
        status = found.get(f"n{n}")
        if status is None:
            assert reply.ids == (f"h{n}",) or reply.duplicate == (0, f"h{n}")
            continue
        stored += 1
        assert reply.ids == (f"n{n}",)
        assert status == ("scheduled" if POLICIES[n % len(POLICIES)] == UniquePolicy.DEBOUNCE else "pending")
    both((stored, RACES - stored))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_replace_and_claim(track: Track) -> None:
    """The holder is claimed and goes on while the other waits; or it has been replaced, and the other is claimed."""
    track.submit([keyed(f"h{n}", f"k{n}", f"q{n}:normal") for n in range(RACES)])
    turns = [track.turn(1, f"q{n}:normal") for n in range(RACES)]
    comers = [track.protocol.submit([keyed(f"n{n}", f"k{n}", f"q{n}:normal", "replace")], 0) for n in range(RACES)]
    claimed, _ = track.race(turns, comers)
    found = track.statuses()
    replaced = 0
    for n, reply in enumerate(claimed):
        ids = [claim.task_id for claim in reply.claims]
        outcome = (ids, found[f"h{n}"], found[f"n{n}"])
        if ids == [f"h{n}"]:
            assert outcome == ([f"h{n}"], "running", "waiting")
        else:
            assert outcome == ([f"n{n}"], "cancelled", "running")
            replaced += 1
    both((replaced, RACES - replaced))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_cancel_and_claim(track: Track) -> None:
    track.submit([keyed(f"h{n}", f"k{n}", f"q{n}:normal") for n in range(RACES)])
    turns = [track.turn(1, f"q{n}:normal") for n in range(RACES)]
    cancels = [track.protocol.cancel(f"h{n}", "{}", TTL_MS) for n in range(RACES)]
    claimed, replies = track.race(turns, cancels)
    found = track.statuses()
    for n, (turn, reply) in enumerate(zip(claimed, replies, strict=True)):
        ids = [claim.task_id for claim in turn.claims]
        assert (ids, reply, found[f"h{n}"]) in (
            ([f"h{n}"], "requested", "running"),
            ([], "cancelled", "cancelled"),
        )
    cancelled = replies.count("cancelled")
    both((cancelled, RACES - cancelled))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_pause_and_claim(track: Track) -> None:
    lists = [f"q{n}:normal" for n in range(RACES)]
    track.submit([keyed(f"h{n}", f"k{n}", lists[n]) for n in range(RACES)])
    claimed, _ = track.race([track.turn(1, name) for name in lists], [track.protocol.pause(True, [n]) for n in lists])
    found = track.statuses()
    for n, turn in enumerate(claimed):
        assert ([claim.task_id for claim in turn.claims], found[f"h{n}"]) in (([f"h{n}"], "running"), ([], "pending"))
    paused = sum(not turn.claims for turn in claimed)
    assert [name for name in lists[:50] if track.run(track.turn(1, name)).claims] == [], (
        "nothing is claimed from a pause"
    )
    track.run(track.protocol.pause(False, lists))
    for n in range(RACES):
        if found[f"h{n}"] == "pending":
            assert [claim.task_id for claim in track.run(track.turn(1, lists[n])).claims] == [f"h{n}"]
    both((paused, RACES - paused))


def test_the_next_attempt_of_a_killed_holder_comes_before_its_successor(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger
) -> None:
    spawn("--processes", "2", "--concurrency", "4").ready(2)
    (first,) = ledger.submit(queue, [Task(task_type="die_once", unique_key="k")])
    eventually(lambda: ledger.count("start") > 0, 40, "the first to start")
    (second,) = ledger.submit(queue, [Task(task_type="work", unique_key="k", unique_policy="queue_one")])
    assert queue.wait_for_result(second, 30)["status"] == "completed"
    moves = [(note.what, note.task_id) for note in ledger.notes() if note.what in ("start", "end")]
    assert moves.index(("end", first)) < moves.index(("start", second))
    assert moves.count(("start", first)) == 2

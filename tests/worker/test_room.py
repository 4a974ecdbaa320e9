"""The slots that engines of one process share."""

from __future__ import annotations

import pytest

from taskq.worker import room as module
from taskq.worker.room import Room


class Engine:
    """Takes slots as an engine does."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.held = 0
        self.invitations = 0

    def _invite(self) -> None:
        self.invitations += 1

    def ask(self, want: int) -> int:
        """Take slots and leave the turn open, as if the server did not answer."""
        return self.room.take(self, want, self.held, self._invite)

    def turn(self, want: int, there: int | None = None, alone: bool = False) -> int:
        """Claim up to ``want`` of the tasks that are there."""
        granted = self.ask(want)
        claimed = granted if there is None else min(granted, there)
        self.held += claimed
        self.room.settle(self, self.held, claimed, alone)
        return claimed

    def end(self, tasks: int = 1) -> None:
        self.held -= tasks


def test_one_engine_gets_all_that_nobody_else_wants() -> None:
    room = Room(4)
    one, other = Engine(room), Engine(room)
    assert one.turn(4) == 4
    assert other.turn(4) == 0
    one.end(4)
    assert one.turn(4) == 3, "one is left for the other"
    assert other.invitations == 1
    assert other.turn(4) == 1


def test_a_single_slot_goes_round() -> None:
    room = Room(1)
    engines = [Engine(room) for _ in range(3)]
    ran: list[int] = []
    assert engines[0].turn(1) == 1
    assert [engine.turn(1) for engine in engines[1:]] == [0, 0]
    for _ in range(6):
        busy = next(index for index, engine in enumerate(engines) if engine.held)
        ran.append(busy)
        engines[busy].end()
        assert engines[busy].turn(1) == 0, "the others come first"
        invited = next(engine for engine in engines if engine.invitations)
        invited.invitations = 0
        assert invited.turn(1) == 1
    assert ran == [0, 1, 2, 0, 1, 2]


def test_an_invitation_in_vain_is_passed_on() -> None:
    room = Room(1)
    busy, idle, waiting = (Engine(room) for _ in range(3))
    busy.turn(1)
    idle.turn(1)
    waiting.turn(1)
    busy.end()
    busy.turn(0)
    assert (idle.invitations, waiting.invitations) == (1, 0)
    assert idle.turn(1, there=0) == 0
    assert waiting.invitations == 1
    assert waiting.turn(1) == 1


def test_a_server_that_is_away_keeps_no_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    room = Room(2)
    stuck, other = Engine(room), Engine(room)
    assert stuck.ask(2) == 2
    assert other.turn(1) == 0
    now += module.PATIENCE_SECONDS
    assert other.turn(2) == 2
    assert other.turn(1) == 0
    stuck.held += 2  # the turn got through after all
    room.settle(stuck, stuck.held, 2, alone=False)
    other.end(2)
    assert other.turn(2) == 0, "no more than two of both, as soon as that can be had"


def test_who_does_not_come_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    room = Room(1)
    busy, stuck = Engine(room), Engine(room)
    busy.turn(1)
    stuck.turn(1)
    busy.end()
    assert busy.turn(1) == 0
    assert stuck.invitations == 1
    now += module.PATIENCE_SECONDS + 0.1
    assert busy.turn(1) == 1


def test_a_suspect_runs_without_company_from_other_partitions() -> None:
    room = Room(4)
    one, other = Engine(room), Engine(room)
    one.turn(1, alone=True)
    assert other.turn(1) == 0
    one.end()
    one.turn(0)
    assert other.invitations == 1
    assert other.turn(1) == 1


def test_a_number_of_tasks_for_all_together() -> None:
    room = Room(10, max_tasks=5)
    one, other = Engine(room), Engine(room)
    assert one.turn(3) == 3
    assert not room.used_up
    assert other.turn(10) == 2
    assert room.used_up
    one.end(3)
    assert one.turn(3) == 0


def test_a_number_of_tasks_counts_turns_that_are_under_way() -> None:
    room = Room(4, max_tasks=4)
    one, other = Engine(room), Engine(room)
    assert one.ask(2) == 2
    assert other.turn(2) == 2
    other.end(2)
    assert other.turn(2) == 0, "the others are promised already"


def test_who_leaves_makes_room() -> None:
    room = Room(1)
    one, other = Engine(room), Engine(room)
    one.turn(1)
    other.turn(1)
    room.leave(one)
    assert other.invitations == 1
    assert other.turn(1) == 1

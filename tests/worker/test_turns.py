"""A turn that waits in the server: it claims in the moment of the hint, and what nobody has heard of is handed back."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from taskq import Task, TaskQueue
from taskq.protocol.operations import SCRIPTS, Protocol
from taskq.transport.bell import Bell
from taskq.worker.link import Message
from taskq.worker.membership import Membership
from taskq.worker.plan import StrictPlan
from taskq.worker.turns import Turns
from taskq.worker.waiter import Waiter

LISTS = ["urgent", "high", "normal", "low"]
# no task falls due
NEVER = -1


class NoGuard:
    """Nobody beats for these workers; they do not live that long."""

    def tell(self, message: Message) -> None:
        """Forget it."""


class Member:
    """What an engine has of its turns.

    Args:
        queue: whose tasks it claims.
        protocol: with other scripts than the usual ones; None: those.
    """

    def __init__(self, queue: TaskQueue, protocol: Protocol | None = None) -> None:
        protocol = protocol or queue.namespace.protocol
        self._line = queue.transport.own_line()
        self.membership = Membership(self._line, protocol, queue.settings, NoGuard(), "parked")
        self.waiter = Waiter(Bell(queue.transport.endpoint, protocol.bell_keys(LISTS)))
        self.turns = Turns(protocol, self.membership, self.waiter, StrictPlan(LISTS))
        self.membership.register({})

    def look(self) -> None:
        """Take a turn, as an engine does before it has nothing to do; the server knows the script from then on."""
        self.turns.send([], 1, True)
        assert self.land() == []

    def park(self) -> None:
        """Send a turn along with the wait for the bell, and do not wait."""
        self.waiter.lie_down()
        self.waiter.wake()
        assert not self.turns.sleep(True, NEVER, True)
        assert not self.turns.flights, "it is not on its way: it waits"

    def land(self) -> list[str]:
        """Return what the next reply brings."""
        reply = self.turns.reply(self.turns.next_landing())
        assert reply.registered
        return [] if reply.superseded else [claim.task_id for claim in reply.claims]

    def hand_back(self) -> None:
        """Hand back what was claimed for nobody, as an engine does after a broken connection."""
        assert self.membership.reconnected
        self.membership.repair([])

    def close(self) -> None:
        """Leave."""
        self.waiter.close()
        self.membership.leave()
        self._line.close()


@pytest.fixture
def member(queue: TaskQueue) -> Iterator[Member]:
    with closing(Member(queue)) as member:
        member.look()
        yield member


def status(queue: TaskQueue, task_id: str) -> str:
    found: str = queue.get_task_status(task_id)["status"]
    return found


def test_a_parked_turn_claims_one_task_in_the_moment_of_the_hint(queue: TaskQueue, member: Member) -> None:
    member.park()
    first, second = queue.submit_batch([Task(), Task()])
    # nobody has asked for anything since
    assert [status(queue, first), status(queue, second)] == ["running", "pending"]

    assert member.turns.sleep(True, NEVER, True)

    assert member.land() == [first]


def test_a_hint_that_was_there_before_is_enough(queue: TaskQueue, member: Member) -> None:
    task_id = queue.submit_task(Task())
    member.waiter.lie_down()
    assert member.turns.sleep(True, NEVER, True)
    assert member.land() == [task_id]


def test_what_a_turn_claims_that_is_taken_back_too_late_is_handed_back_uncharged(
    queue: TaskQueue, member: Member
) -> None:
    member.park()
    task_id = queue.submit_task(Task())

    member.turns.send([], 0, True)

    assert member.land() == []
    assert status(queue, task_id) == "running"
    member.hand_back()
    found = queue.get_task_status(task_id)
    assert (found["status"], found["retry_count"]) == ("pending", 0)


def test_a_turn_that_was_taken_back_claims_nothing_any_more(queue: TaskQueue, member: Member) -> None:
    member.park()
    member.turns.send([], 0, True)
    assert member.land() == []

    task_id = queue.submit_task(Task())

    assert status(queue, task_id) == "pending"


def test_a_reply_that_was_lost_is_asked_for_again(queue: TaskQueue, member: Member) -> None:
    member.park()
    task_id = queue.submit_task(Task())
    assert status(queue, task_id) == "running"
    # the connection with the reply is gone
    member.waiter.deaf()
    queue.submit_task(Task())

    member.waiter.lie_down()
    assert member.turns.sleep(True, NEVER, True)

    assert member.land() == [task_id]


def test_none_waits_while_a_task_is_about_to_fall_due(queue: TaskQueue, member: Member) -> None:
    member.waiter.lie_down()
    assert member.turns.sleep(True, 20, True)
    assert not member.turns.flights


def test_a_server_that_has_forgotten_the_script_is_taught_it_again(queue: TaskQueue) -> None:
    usual = SCRIPTS["turn"]
    source = f"{usual.source}\n-- {uuid.uuid4()}"
    unknown = replace(usual, source=source, sha=hashlib.sha1(source.encode()).hexdigest())
    protocol = Protocol(queue.namespace.protocol.keys, {**SCRIPTS, "turn": unknown})
    with closing(Member(queue, protocol)) as member:
        member.park()
        task_id = queue.submit_task(Task())
        assert status(queue, task_id) == "pending"

        assert member.turns.sleep(True, NEVER, True)

        assert member.land() == [task_id]

"""The builders: what is sent for each call, and what its reply means."""

from __future__ import annotations

import pytest

from taskq.errors import ProtocolError
from taskq.protocol.keys import Keys
from taskq.protocol.operations import SCRIPTS, LeaseTimes, Protocol
from taskq.protocol.replies import Settlement
from taskq.protocol.submits import Submission, SubmitReply

protocol = Protocol(Keys("p"))


def test_a_call_is_one_evalsha_with_the_root_as_its_key() -> None:
    operation = protocol.result("a")
    assert operation.command() == ("EVALSHA", SCRIPTS["result"].sha, 1, "p:", "a")
    assert operation.full_command() == ("EVAL", SCRIPTS["result"].source, 1, "p:", "a")


def test_submit() -> None:
    operation = protocol.submit(
        [Submission("a", "{}", "high", "0", ""), Submission("b", "[]", "low", "+5", "k", "o", "", "g")], 9
    )
    assert operation.args == (
        9,
        1,
        0,
        2,
        "a",
        "{}",
        "high",
        "0",
        *("", "", "", ""),
        "b",
        "[]",
        "low",
        "+5",
        "k",
        "o",
        "",
        "g",
    )
    assert operation.parse([1, [1, b"holder"]]) == SubmitReply(("a", "holder"))
    assert operation.parse([1, [0, 1]]) == SubmitReply(("a", "b"))
    assert operation.parse([-1, [2]]) == SubmitReply((), conflicts=(1,))
    assert operation.parse([-2, [b"high", 9]]) == SubmitReply((), full=("high", 9))


def test_an_answer_that_nobody_has_defined() -> None:
    with pytest.raises(ProtocolError, match="submit answered"):
        protocol.submit([], 0).parse([7, []])


def test_turn() -> None:
    settlement = Settlement("a", "1.t.1", "complete", "{}", 60)
    operation = protocol.turn("w", "tok", 3, 10, ["high", "low"], [settlement])
    assert operation.args == ("w", "tok", 3, 10, 1, 2, 1, 0, "high", "low", "1.t.1", 60, 1, "a", "{}")
    assert protocol.turn("w", "tok", 4, 0, [], ring_on=False).args == ("w", "tok", 4, 0, 0, 0, 0, 0)


def test_completions_travel_by_fence_and_ttl() -> None:
    settlements = [
        Settlement("a", "1.t.1", "complete", "A", 60),
        Settlement("b", "1.t.1", "retry", "why", 5),
        Settlement("c", "2.t.2", "complete", "C", 60),
        Settlement("d", "1.t.1", "complete", "D", 60),
        Settlement("e", "1.t.1", "complete", "E", 70),
        Settlement("f", "2.t.2", "fail", "F", 80),
    ]
    groups = ("1.t.1", 60, 2, "a", "A", "d", "D", "2.t.2", 60, 1, "c", "C", "1.t.1", 70, 1, "e", "E")
    others = ("b", "1.t.1", "retry", "why", 5, "f", "2.t.2", "fail", "F", 80)
    assert protocol.settle(settlements).args == (3, 2, *groups, *others)
    assert protocol.settle([]).args == (0, 0)


def test_register() -> None:
    operation = protocol.register("w", "tok", LeaseTimes(30, 5), "uuid", {"host": "h"})
    assert operation.args == ("w", "tok", 30, 5, "uuid", 1, "host", "h")
    assert operation.parse([0, b"theirs", 7]) == (False, "theirs", 7)


@pytest.mark.parametrize(("prefix", "pattern"), [("p", "p:*"), ("a.b-c", "a.b-c:*")])
def test_the_pattern_of_a_snapshot(prefix: str, pattern: str) -> None:
    assert Protocol(Keys(prefix)).snapshot().args[0] == pattern


def test_keys_to_block_on() -> None:
    assert protocol.bell_keys(["high", "@scheduler"]) == ["p:bell:high", "p:bell:@scheduler"]
    assert protocol.reply_key("r") == "p:reply:r"
    assert protocol.events_channel == "p:events"

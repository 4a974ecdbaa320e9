"""What the scripts answer, read as values."""

from __future__ import annotations

import pytest

from taskq.model.bound import QueueLimit
from taskq.protocol.replies import (
    BeatReply,
    Claim,
    OutOfStep,
    TurnReply,
    WorkerCard,
    pairs,
    parse_beat,
    parse_cards,
    parse_inspections,
    parse_record,
    parse_turn,
)
from taskq.protocol.sizes import ListDepth, parse_sizes


class TestTurn:
    def test_claims_share_a_fence_and_are_numbered_on(self) -> None:
        ids, bodies = [b"a", b"b"], [b"body a", b"body b"]
        reply = parse_turn("tok", 7, [1, 1000, b"555", 20, 0, [b"late"], ids, bodies, [1, 0, 3, 2], 7])
        assert reply == TurnReply(
            registered=True,
            now_ms=1000,
            wait_ms=20,
            refused=("late",),
            claims=(Claim("a", b"body a", 1, 0, "555.tok.7", 555), Claim("b", b"body b", 3, 2, "555.tok.7", 556)),
        )

    def test_retries_below_zero_tell_what_has_begun(self) -> None:
        reply = parse_turn("tok", 7, [1, 1000, b"555", -1, 0, [], [b"a", b"b"], [b"", b""], [1, -1, 3, -3], 7])
        assert [(c.attempt, c.retries, c.begun) for c in reply.claims] == [(1, 0, True), (3, 2, True)]

    def test_without_counts_all_are_new(self) -> None:
        reply = parse_turn("tok", 7, [1, 1000, b"555", -1, 0, [], [b"a", b"b"], [b"", b""], [], 7])
        assert [(c.task_id, c.attempt, c.retries) for c in reply.claims] == [("a", 1, 0), ("b", 1, 0)]

    def test_large_fences_lose_no_digit(self) -> None:
        reply = parse_turn("t", 1, [1, 0, b"1795304172017123", -1, 1, [], [b"a", b"b"], [b"", b""], [], 1])
        assert [c.fence_number for c in reply.claims] == [1795304172017123, 1795304172017124]
        assert reply.hold

    def test_the_answer_to_another_turn_is_not_taken(self) -> None:
        with pytest.raises(OutOfStep, match="answer to turn 8 came for turn 7"):
            parse_turn("tok", 7, [-1, 8])

    @pytest.mark.parametrize(
        ("reply", "expected"), [([0, 7], TurnReply(False)), ([-1, 7], TurnReply(True, superseded=True))]
    )
    def test_a_turn_that_did_nothing(self, reply: list[int], expected: TurnReply) -> None:
        assert parse_turn("tok", 7, reply) == expected


def test_beat() -> None:
    reply = parse_beat([b"uuid", 1000, 1, 0, [0, [], [b"a", b"b"]], 1001, 7, [b"", b"", b"drain - -"]])
    assert reply == BeatReply("uuid", 1000, True, False, (None, (), ("a", "b")), 1001, 7, ("", "", "drain - -"))


def test_inspect() -> None:
    found = parse_inspections([[b"envelope", [b"status", b"retry"], None, 0, None], [None, [], b"result", 1, None]])
    assert (found[0].envelope, found[0].state, found[0].result, found[0].pending) == (
        b"envelope",
        {"status": "retry"},
        None,
        False,
    )
    assert (found[1].envelope, found[1].state, found[1].result, found[1].pending) == (None, {}, b"result", True)


def test_inspect_shows_the_record_of_a_run_as_part_of_the_state() -> None:
    kept = [b"status", b"running", b"attempts", b"1", b"retries", b"1", b"list", b"low", b"started", b"5"]
    (found,) = parse_inspections([[b"envelope", kept, None, 0, b"17.tok.3 w1 mail:high 2 999000 hc"]])
    assert found.state == {
        "status": "running",
        "attempts": "2",
        "retries": "1",
        "list": "mail:high",
        "started": "999000",
        "fence": "17.tok.3",
        "worker": "w1",
        "history": "1",
        "cancel": "1",
    }


@pytest.mark.parametrize(
    "record",
    [None, b"", b"17.tok.3 w1 normal", b"\xff", "17.tok.3 w1 normal 1 999000 - more", "17.tok.3 w1 normal 1 999000 l"],
)
def test_a_record_that_is_none(record: bytes | str | None) -> None:
    assert parse_record(record) == {}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("-", {}),
        ("h", {"history": "1"}),
        ("c", {"cancel": "1"}),
        ("ch", {"history": "1", "cancel": "1"}),
        ("k type:t hl", {"holds": "k type:t", "history": "1"}),
    ],
)
def test_the_flags_of_a_record(flags: str, expected: dict[str, str]) -> None:
    assert parse_record(f"17.tok.3 w1 normal 1 999000 {flags}") == {
        "status": "running",
        "fence": "17.tok.3",
        "worker": "w1",
        "list": "normal",
        "attempts": "1",
        "started": "999000",
        **expected,
    }


def test_stats() -> None:
    sizes = parse_sizes(
        [
            *(1000, [b"pending", 3], [b"urgent", 2, b"123", 1, b"low", 0, b"", 0], [b"submitted", b"5"], 4, 6, 7, b"9"),
            [b"@normal/mail@2", 3, 0],
            [b"mail", b"9 reject 30000 60000 500", 2, b"300", 1, b"foreign", b"what", 0, b"", 0],
            [b"mial:low", b"mial:high"],
        ]
    )
    assert (sizes.now_ms, sizes.statuses, sizes.counters) == (1000, {"pending": 3}, {"submitted": 5})
    assert sizes.lists == (
        ListDepth("urgent", 2, 123, True),
        ListDepth("low", 0, None, False),
        ListDepth("mial:high", 0, None, True, known=False),
        ListDepth("mial:low", 0, None, True, known=False),
    )
    assert (sizes.workers, sizes.dead, sizes.tombstones, sizes.cursor) == (4, 6, 7, "9")
    (limit,) = sizes.limits
    assert (limit, limit.tasks, limit.bytes, limit.awaited) == (QueueLimit("mail", 9, max_bytes=500), 2, 300, True)
    assert sizes.sidings == (("@normal/mail@2", 3, False),)


def test_cards() -> None:
    now_ms, cards, cursor = parse_cards([1000, [b"w1", [b"host", b"h"], [b"a"], 500, b"w2", [], [], b"-1"], b"5"])
    assert (now_ms, cursor) == (1000, "5")
    assert cards == [WorkerCard("w1", {"host": "h"}, ("a",), 500), WorkerCard("w2", {}, (), -1)]


def test_pairs_take_any_bytes() -> None:
    assert pairs([b"a", b"\xff", b"b", b""]) == {"a": "\N{REPLACEMENT CHARACTER}", "b": ""}

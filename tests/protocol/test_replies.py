"""What the scripts answer, read as values."""

from __future__ import annotations

import pytest

from taskq.protocol.replies import (
    BeatReply,
    Claim,
    ListDepth,
    TurnReply,
    WorkerCard,
    pairs,
    parse_beat,
    parse_cards,
    parse_inspections,
    parse_sizes,
    parse_turn,
)


class TestTurn:
    def test_claims_share_a_fence_and_are_numbered_on(self) -> None:
        flat = [b"a", b"body a", 1, 0, b"b", b"body b", 3, 2]
        reply = parse_turn("tok", 7, [1, 1000, b"555", 20, 0, [b"late"], flat])
        assert reply == TurnReply(
            registered=True,
            now_ms=1000,
            wait_ms=20,
            refused=("late",),
            claims=(Claim("a", b"body a", 1, 0, "555.tok.7", 555), Claim("b", b"body b", 3, 2, "555.tok.7", 556)),
        )

    def test_large_fences_lose_no_digit(self) -> None:
        reply = parse_turn("t", 1, [1, 0, b"1795304172017123", -1, 1, [], [b"a", b"", 1, 0, b"b", b"", 1, 0]])
        assert [c.fence_number for c in reply.claims] == [1795304172017123, 1795304172017124]
        assert reply.hold

    @pytest.mark.parametrize(("reply", "expected"), [([0], TurnReply(False)), ([-1], TurnReply(True, superseded=True))])
    def test_a_turn_that_did_nothing(self, reply: list[int], expected: TurnReply) -> None:
        assert parse_turn("tok", 7, reply) == expected


def test_beat() -> None:
    reply = parse_beat([b"uuid", 1000, 1, 0, [0, [], [b"a", b"b"]], 1001, 7])
    assert reply == BeatReply("uuid", 1000, True, False, (None, (), ("a", "b")), 1001, 7)


def test_inspect() -> None:
    found = parse_inspections([[b"envelope", [b"status", b"running"], None, 0], [None, [], b"result", 1]])
    assert (found[0].envelope, found[0].state, found[0].result, found[0].pending) == (
        b"envelope",
        {"status": "running"},
        None,
        False,
    )
    assert (found[1].envelope, found[1].state, found[1].result, found[1].pending) == (None, {}, b"result", True)


def test_stats() -> None:
    sizes = parse_sizes(
        [1000, [b"pending", 3], [b"urgent", 2, b'{"id"', 1, b"low", 0, b"", 0], [b"submitted", b"5"], 4, 6, 7]
    )
    assert (sizes.now_ms, sizes.statuses, sizes.counters) == (1000, {"pending": 3}, {"submitted": 5})
    assert sizes.lists == (ListDepth("urgent", 2, '{"id"', True), ListDepth("low", 0, "", False))
    assert (sizes.workers, sizes.dead, sizes.tombstones) == (4, 6, 7)


def test_an_envelope_cut_inside_a_character_is_still_shown() -> None:
    sizes = parse_sizes([0, [], [b"low", 1, "€".encode()[:2], 0], [], 0, 0, 0])
    assert sizes.lists[0].oldest == "\N{REPLACEMENT CHARACTER}"


def test_cards() -> None:
    now_ms, cards = parse_cards([1000, [b"w1", [b"host", b"h"], [b"a"], 500, b"w2", [], [], b"-1"]])
    assert now_ms == 1000
    assert cards == [WorkerCard("w1", {"host": "h"}, ("a",), 500), WorkerCard("w2", {}, (), -1)]


def test_pairs_take_any_bytes() -> None:
    assert pairs([b"a", b"\xff", b"b", b""]) == {"a": "\N{REPLACEMENT CHARACTER}", "b": ""}

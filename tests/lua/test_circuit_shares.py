"""Circuits that open by a share of the attempts."""

from __future__ import annotations

import pytest

from taskq.model.circuit import Circuit
from taskq.protocol.walks import all_circuits
from tests.lua.gatekeeping import counters, fail, gate
from tests.state import TTL_MS, Bench, settle, task


class TestShares:
    """Half of at least three: 60 s in tenths of 6 s."""

    @pytest.fixture
    def shared(self, bench: Bench) -> Bench:
        bench.register("w1", "w2")
        bench.move_clock(6 - bench.now_ms() / 1000 % 6)  # to the beginning of a tenth
        assert bench.run(bench.protocol.set_circuit(Circuit("k", 3, 60, 30, share=0.5)))
        return bench

    def test_opens_when_the_failures_are_many_and_a_share(self, shared: Bench) -> None:
        fail(shared, 4, "complete")
        fail(shared, 3)
        assert gate(shared, "!k") == "", "three of seven"
        fail(shared, 1)
        assert gate(shared, "!k") == "open"
        assert not shared.client.exists(shared.key("tallies", "k"))
        assert counters(shared, "circuits_opened") == 1

    def test_few_failures_are_none(self, shared: Bench) -> None:
        fail(shared, 2)
        assert gate(shared, "!k") == ""
        fail(shared, 1)
        assert gate(shared, "!k") == "open"

    @pytest.mark.parametrize("outcome", ["snooze", "release", "cancel"])
    def test_what_is_no_answer_is_not_counted(self, shared: Bench, outcome: str) -> None:
        fail(shared, 5, outcome)
        assert not shared.client.exists(shared.key("tallies", "k"))

    @pytest.mark.parametrize(("seconds", "opens"), [(54, ""), (60, "open")])
    def test_this_tenth_and_the_nine_before_it_count(self, shared: Bench, seconds: float, opens: str) -> None:
        fail(shared, 4, "complete")
        shared.move_clock(seconds)
        fail(shared, 3)
        assert gate(shared, "!k") == opens

    def test_old_failures_do_not_count_either(self, shared: Bench) -> None:
        fail(shared, 2)
        shared.move_clock(60)
        fail(shared, 2)
        assert gate(shared, "!k") == ""
        assert len(shared.client.hkeys(shared.key("tallies", "k"))) == 2, "those of the last tenth"
        fail(shared, 1)
        assert gate(shared, "!k") == "open"

    def test_what_is_counted_goes_with_time(self, shared: Bench) -> None:
        fail(shared, 1, "complete")
        assert 60_000 < shared.client.pttl(shared.key("tallies", "k")) <= 66_000
        assert len(shared.client.hkeys(shared.key("tallies", "k"))) == 1, "nothing without a failure"

    def test_a_clock_that_was_set_back_does_not_open_it_by_what_is_to_come(self, shared: Bench) -> None:
        fail(shared, 2)
        shared.move_clock(-600)
        fail(shared, 2)
        assert gate(shared, "!k") == ""
        fail(shared, 1)
        assert gate(shared, "!k") == "open"

    def test_turns_count_what_they_settle(self, shared: Bench) -> None:
        for _ in range(2):
            shared.submit(*(task(f"c{n}-{counters(shared, 'submitted')}", limits="k") for n in range(3)))
            claims = shared.claim("w1", 3)
            shared.run(shared.turn_op("w1", 0, [settle(claim) for claim in claims]))
        ((info,), _) = shared.walk(all_circuits(shared.protocol))
        assert (info.failed, info.attempts) == (0, 6)

    def test_a_probe_decides_alone_and_all_begins_anew(self, shared: Bench) -> None:
        fail(shared, 3)
        shared.submit(*(task(f"t{n}", limits="k") for n in range(4)))
        shared.move_clock(30)
        (probe,) = shared.claim("w2", 10)
        shared.end("w2", settle(probe))
        assert gate(shared, "!k") == ""
        assert not shared.client.exists(shared.key("tallies", "k"))
        for claim in shared.claim("w2", 10)[:2]:
            shared.end("w2", settle(claim, "retry", number=TTL_MS))
        assert gate(shared, "!k") == ""

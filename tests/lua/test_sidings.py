"""Gates: what one worker has passed over waits for one that knows it, charged to nobody and in nobody's way."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.errors import ServerError
from taskq.model.limit import Limit
from tests.lua.scenarios.sidings import pass_over, passed
from tests.lua.scenarios.sidings import worker_that_knows as worker
from tests.lua.test_events import published as published  # noqa: PLC0414 - a fixture
from tests.state import Bench, settle, task

SIDING = "@normal/new@1"


def claimed(bench: Bench, name: str, want: int = 10) -> list[str]:
    return [claim.task_id for claim in bench.claim(name, want)]


def behind(bench: Bench, siding: str = SIDING) -> list[str]:
    found: list[str] = bench.client.zrange(bench.key("blocked", siding), 0, -1)
    return found


@pytest.fixture
def both(bench: Bench) -> Bench:
    worker(bench, "old", "other@1-1")
    worker(bench, "able", "other@1-1 new@1-2")
    return bench


def test_it_leaves_its_list_uncharged_and_comes_back_to_one_who_knows_it(both: Bench) -> None:
    pass_over(both, "a", "b")
    assert behind(both) == ["a", "b"]
    assert claimed(both, "old") == []
    both.submit(task("c"))
    claims = both.claim("able", 10)
    assert [(c.task_id, c.attempt) for c in claims] == [("a", 1), ("b", 1), ("c", 1)], "they have waited there before"


def test_no_more_come_back_than_are_claimed_in_the_same_step(both: Bench) -> None:
    pass_over(both, *"abcd")
    both.submit(task("u", "urgent"))
    assert claimed(both, "able", 3) == ["u", "a", "b"]
    assert behind(both) == ["c", "d"]
    assert claimed(both, "old") == [], "nothing was left in the list for it to pass over again"
    assert claimed(both, "able", 0) == []
    assert claimed(both, "able", 1) == ["c"]


def test_nobody_comes_back_to_a_list_that_is_paused(both: Bench) -> None:
    pass_over(both, "a")
    both.run(both.protocol.pause(True, ["normal"]))
    both.submit(task("u", "urgent"))
    assert claimed(both, "able") == ["u"]
    assert behind(both) == ["a"]


def test_the_bell_of_those_who_know_it_rings(both: Bench) -> None:
    pass_over(both, "a")
    assert both.client.lrange(both.key("bell", "@able"), 0, -1) == ["1"]
    assert not both.client.exists(both.key("bell", "@old"))


@pytest.mark.parametrize(
    ("knows", "able"),
    [("new@1-1", True), ("new@2-3", False), ("a.new@1-1", False), ("new.er@1-1 x@1-9", False), ("x@1-1 new@1-9", True)],
)
def test_who_knows_it(bench: Bench, knows: str, able: bool) -> None:
    worker(bench, "old", "")
    worker(bench, "w", knows)
    pass_over(bench, "a")
    assert (claimed(bench, "w") == ["a"]) is able


def test_a_worker_of_other_lists_does_not_count(bench: Bench) -> None:
    worker(bench, "old", "")
    worker(bench, "mails", "new@1-1", "mail:normal")
    pass_over(bench, "a")
    assert bench.run(bench.protocol.stats()).sidings == ((SIDING, 1, False),)


def test_who_registers_later_looks_behind_at_once(bench: Bench, published: Any) -> None:
    worker(bench, "old", "")
    pass_over(bench, "a")
    told = [(kind, data) for kind, data in published() if kind.startswith("type.")]
    assert told == [("type.unrunnable", {"list": "normal", "task_type": "new", "version": 1})]
    worker(bench, "able", "new@1-1")
    assert [kind for kind, _ in published() if kind.startswith("type.")] == ["type.runnable"]
    assert claimed(bench, "able") == ["a"]


def test_when_the_last_who_knows_it_has_gone_somebody_says_so(both: Bench, published: Any) -> None:
    pass_over(both, "a")
    both.evict("able")
    published()
    both.run(both.protocol.watch(5_000))
    assert [kind for kind, _ in published() if kind.startswith("type.")] == ["type.unrunnable"]
    assert both.run(both.protocol.stats()).sidings == ((SIDING, 1, False),)


def test_who_drains_does_not_count_and_its_bell_is_taken_away(both: Bench) -> None:
    pass_over(both, "a")
    both.run(both.protocol.card("able", "tok-able", {"state": "draining"}))
    both.run(both.protocol.watch(5_000))
    assert both.run(both.protocol.stats()).sidings == ((SIDING, 1, False),)
    assert not both.client.exists(both.key("bell", "@able"))


def test_the_hints_of_who_still_knows_it_stay(both: Bench) -> None:
    pass_over(both, "a")
    worker(both, "other", "other@1-1")
    assert both.client.lrange(both.key("bell", "@able"), 0, -1) == ["1"]


def test_a_siding_that_is_of_no_use_any_more_is_taken_away(both: Bench) -> None:
    pass_over(both, "a")
    assert claimed(both, "able") == ["a"]
    both.move_clock(20)
    assert both.run(both.protocol.watch(5_000)), "somebody came by lately"
    assert both.client.hexists(both.key("sidings"), SIDING)
    both.move_clock(20)
    assert not both.run(both.protocol.watch(5_000))
    assert not both.client.exists(both.key("sidings"))
    assert not both.client.hexists(both.key("worker", "able"), "sidings")
    assert not both.run(both.protocol.watch(5_000))


def test_a_worker_that_says_it_knows_it_is_not_given_it_again_and_again(bench: Bench) -> None:
    worker(bench, "odd", "new@1-1")
    pass_over(bench, "a", by="odd")
    assert behind(bench) == []
    assert bench.client.zcard(bench.key("scheduled")) == 1, "later, to whoever comes"


def test_beside_a_worker_of_an_older_release_it_is_parked(bench: Bench) -> None:
    worker(bench, "old", "")
    worker(bench, "older", None)
    pass_over(bench, "a")
    assert (behind(bench), bench.client.exists(bench.key("sidings"))) == ([], 0)
    assert bench.client.zcard(bench.key("scheduled")) == 1


def test_behind_a_siding_that_was_lost_nothing_stays_for_ever(both: Bench) -> None:
    pass_over(both, "a")
    both.client.delete(both.key("sidings"))
    both.move_clock(70)
    both.run(both.protocol.promote())
    assert both.client.lrange(both.key("queue", "normal"), 0, -1) == ["a"]


def test_behind_a_siding_time_makes_no_room(both: Bench) -> None:
    pass_over(both, "a")
    both.move_clock(70)
    both.run(both.protocol.promote())
    assert behind(both) == ["a"]


def test_it_can_be_cancelled_there(both: Bench) -> None:
    pass_over(both, "a", "b")
    assert both.run(both.protocol.cancel("a", "{}", 60_000)) == "cancelled"
    assert claimed(both, "able") == ["b"]


def test_it_keeps_its_limits(both: Bench) -> None:
    both.run(both.protocol.set_limit(Limit("k", concurrency=1)))
    both.submit(task("a", limits="k"), task("b", limits="k"))
    both.end("old", *map(passed, both.claim("old", 2)))
    both.end("old", *map(passed, both.claim("old", 2)))
    assert sorted(behind(both)) == ["a", "b"]
    assert both.client.hget(both.key("permits"), "k") is None
    (first,) = both.claim("able", 2)
    both.end("able", settle(first))
    (second,) = both.claim("able", 2)
    assert {first.task_id, second.task_id} == {"a", "b"}


def test_there_is_a_bound_to_sidings(bench: Bench) -> None:
    worker(bench, "old", "")
    bench.submit(*(task(f"t{n}") for n in range(110)))
    claims = bench.claim("old", 110)
    bench.end("old", *(passed(claim, f"new{n}@1") for n, claim in enumerate(claims)))
    assert bench.client.hlen(bench.key("sidings")) == 100
    assert bench.client.zcard(bench.key("scheduled")) == 11, "the others are parked, beside the timer of the sidings"


def test_a_pass_without_a_type_changes_nothing(both: Bench) -> None:
    claim = both.claim_one("a", "old")
    with pytest.raises(ServerError, match="without its type"):
        both.end("old", settle(claim, "pass", "", 0))
    assert claimed(both, "able") == []

"""ages: for how long the first task of each list has waited."""

from __future__ import annotations

from taskq.model.moment import iso_utc
from taskq.protocol.submits import Submission
from tests.lua.ways import typed
from tests.state import LISTS, Bench, settle, task


def ages_of(bench: Bench) -> list[int | None]:
    return [None if age is None else round(age / 10) * 10 for age in bench.run(bench.protocol.ages(LISTS))]


def aged(bench: Bench, submission: Submission, seconds: int) -> Submission:
    since = iso_utc(bench.now_ms() - seconds * 1000)
    return submission._replace(envelope=submission.envelope.replace("2026-01-01T00:00:00.000Z", since))


def test_since_the_submit(bench: Bench) -> None:
    bench.submit(aged(bench, typed("a", "send", "high"), 20))
    assert ages_of(bench) == [None, 20, None, None]


def test_the_first_of_a_group_is_the_first_of_its_list(bench: Bench) -> None:
    bench.submit(*(aged(bench, task(f"a{age}", group="A"), age) for age in (40, 20)), aged(bench, task("x"), 60))
    assert ages_of(bench) == [None, None, 40, None]


def test_since_it_came_from_the_schedule(bench: Bench) -> None:
    bench.register("w1")
    bench.submit(typed("a", "send")._replace(due=bench.at(10)))
    bench.move_clock(10)
    bench.run(bench.protocol.promote())
    bench.move_clock(30)
    assert ages_of(bench) == [None, None, 30, None]
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim, "retry", number=10_000))
    bench.move_clock(20)
    bench.run(bench.protocol.promote())
    assert ages_of(bench) == [None, None, 0, None]


def test_what_cannot_be_read_is_looked_at_by_a_turn(bench: Bench) -> None:
    bench.submit(task("a", "low"))
    (*_, age) = bench.run(bench.protocol.ages(LISTS))
    assert age is not None
    assert age > 1e9

"""wish and card: what somebody wants of a worker, and what the worker shows of it."""

from __future__ import annotations

import pytest

from taskq.errors import SettingsError
from taskq.model.wish import DRAIN, RUN, Wish
from tests.state import TIMES, Bench


def test_a_wish_stands_on_the_card_and_comes_with_each_beat(bench: Bench) -> None:
    bench.register("w1", "w2")
    reply, changed = bench.act(bench.protocol.wish("w1", Wish(state=DRAIN)))
    assert (reply, changed) == (True, {"worker:w1": {"wish": "drain - -"}})
    for _ in range(2):
        reply = bench.run(bench.protocol.beat(TIMES, [("w2", "tok-w2"), ("w1", "tok-w1"), ("w1", "wrong")]))
        assert reply.wishes == ("", "drain - -", "")


def test_what_is_not_wished_anew_stays_as_it_was(bench: Bench) -> None:
    bench.register("w1")
    for wish, text in (
        (Wish(concurrency=3), "- 3 -"),
        (Wish(DRAIN, log_level="DEBUG"), "drain 3 DEBUG"),
        (Wish(concurrency=4), "drain 4 DEBUG"),
        (Wish(RUN), "run 4 DEBUG"),
    ):
        bench.run(bench.protocol.wish("w1", wish))
        assert bench.state()["worker:w1"]["wish"] == text
        assert Wish.parse(text).words == tuple(text.split())


def test_nobody_can_be_told_who_is_not_there(bench: Bench) -> None:
    bench.register("w1")
    assert bench.act(bench.protocol.wish("w2", Wish(DRAIN))) == (False, {})
    bench.evict("w1")
    assert bench.act(bench.protocol.wish("w1", Wish(DRAIN))) == (False, {})


def test_a_worker_writes_onto_its_own_card_only(bench: Bench) -> None:
    bench.register("w1")
    fields = {"state": "draining", "granted": "drain - -"}
    assert bench.act(bench.protocol.card("w1", "tok-w1", fields)) == (True, {"worker:w1": fields})
    assert bench.act(bench.protocol.card("w1", "another", {"state": ""})) == (False, {})
    assert bench.act(bench.protocol.card("w2", "tok-w2", {"state": ""})) == (False, {})


@pytest.mark.parametrize("text", ["", "drain", "drain - - -", "sing - -", "- many -", "- 0 -", "- - LOUD"])
def test_what_is_no_wish_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        Wish.parse(text)

"""submit: store tasks and put them where they wait, all or none."""

from __future__ import annotations

import pytest

from taskq.errors import ServerError
from taskq.protocol.submits import Submission, SubmitReply
from tests.state import Bench, settle, task


def test_one_task(bench: Bench) -> None:
    reply, changed = bench.act(bench.protocol.submit([task("a", "high")], 0))
    assert reply == SubmitReply(("a",))
    assert changed == {
        "task:a": "body of a",
        "queue:high": ["a"],
        "bell:high": ["1"],
        "status:pending": ["+a"],
        "counters": {"submitted": 1},
    }


class TestTheShortWay:
    """One new task that may start now takes a way of its own through the script, and ends where the long one does."""

    @pytest.mark.parametrize(
        "before",
        [(), (task("a"),), (task("a", body="other"),), (task("x"), task("y"), task("z"))],
        ids=["empty", "stored before", "conflict", "full"],
    )
    @pytest.mark.parametrize(
        "one",
        [
            task("a"),
            task("a", "urgent"),
            task("a", queue="mail"),
            task("a", due="+60000"),
            task("a", unique="k"),
        ],
        ids=["plain", "urgent", "named queue", "delayed", "unique"],
    )
    def test_it_ends_where_the_long_one_does(
        self, bench: Bench, one: Submission, before: tuple[Submission, ...]
    ) -> None:
        ends = []
        for reused in (True, False):
            if before:
                bench.submit(*before)
            ends.append(bench.act(bench.protocol.submit([one], 3, reused=reused)))
            bench.wipe()
        assert ends[0] == ends[1]

    @pytest.mark.parametrize("family", ["queue:mail:normal", "status:pending", "counters", "queues"])
    def test_a_key_of_another_type_changes_nothing(self, bench: Bench, family: str) -> None:
        bench.audited = False
        bench.client.set(f"{bench.protocol.keys.root}{family}", "foreign")
        before = bench.state()
        with pytest.raises(ServerError, match="another type"):
            bench.transport.run(bench.protocol.submit([task("a", queue="mail")], 0, reused=False))
        assert bench.state() == before


def test_a_batch_keeps_its_order_in_each_list(bench: Bench) -> None:
    bench.submit(task("first", "low"))
    batch = [task("a", "low"), task("b", "urgent"), task("c", "low"), task("d", "low", queue="mail")]
    reply, changed = bench.act(bench.protocol.submit(batch, 0))
    assert reply.ids == ("a", "b", "c", "d")
    assert changed == {
        **{f"task:{i}": f"body of {i}" for i in "abcd"},
        "queue:low": ["first", "a", "c"],
        "queue:urgent": ["b"],
        "queue:mail:low": ["d"],
        "bell:low": ["1", "1"],
        "bell:urgent": ["1"],
        "bell:mail:low": ["1"],
        "queues": ["+mail"],
        "status:pending": ["+a", "+b", "+c", "+d"],
        "counters": {"submitted": 5},
    }


def test_a_large_batch_passes_the_argument_limit_of_lua(bench: Bench) -> None:
    ids = tuple(f"id-{n}" for n in range(10_000))
    assert bench.submit(*(task(i, body="{}") for i in ids)) == ids
    assert bench.state()["queue:normal"] == list(ids)


def test_bytes_pass_unread(bench: Bench) -> None:
    body = '{"n":12345678901234567,"empty":[],"text":"\\u0000\u20ac\u0000"}'
    bench.submit(task("a", body=body))
    assert bench.client.get(bench.key("task", "a")) == body


def test_the_same_task_again_is_stored_once(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    reply, changed = bench.act(bench.protocol.submit([task("b"), task("c")], 0))
    assert reply.ids == ("b", "c")
    assert changed == {
        "task:c": "body of c",
        "queue:normal": ["a", "b", "c"],
        "bell:normal": ["1", "1"],
        "status:pending": ["+c"],
        "counters": {"submitted": 3},
    }


@pytest.mark.parametrize("outcome", ["running", "complete", "fail", "retry"])
def test_the_same_task_again_is_stored_once_wherever_it_is(bench: Bench, outcome: str) -> None:
    claim = bench.claim_one("a")
    if outcome != "running":
        bench.end("w1", settle(claim, outcome))
    reply, changed = bench.act(bench.protocol.submit([task("a")], 0))
    assert (reply.ids, changed) == (("a",), {})


def test_another_body_under_the_same_id_is_a_conflict_and_nothing_is_stored(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    batch = [task("c"), task("b", body="other"), task("d"), task("a", body="other")]
    reply, changed = bench.act(bench.protocol.submit(batch, 0))
    assert (reply, changed) == (SubmitReply((), conflicts=(1, 3)), {})


def test_twice_in_one_batch_is_stored_once(bench: Bench) -> None:
    reply, changed = bench.act(bench.protocol.submit([task("a"), task("b"), task("a")], 0))
    assert reply.ids == ("a", "b", "a")
    assert changed["queue:normal"] == ["a", "b"]
    assert changed["counters"] == {"submitted": 2}


def test_two_bodies_under_one_id_in_one_batch_are_a_conflict(bench: Bench) -> None:
    reply, changed = bench.act(bench.protocol.submit([task("a"), task("b"), task("a", body="other")], 0))
    assert (reply, changed) == (SubmitReply((), conflicts=(2,)), {})


def test_a_full_list_takes_nothing_of_the_batch(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    batch = [task("c", "high"), task("d"), task("e")]
    reply, changed = bench.act(bench.protocol.submit(batch, 3))
    assert (reply, changed) == (SubmitReply((), full=("normal", 2)), {})
    assert bench.submit(task("c", "high"), task("d"), max_length=3) == ("c", "d")


def test_a_repeated_submit_is_not_refused_by_the_list_it_has_filled(bench: Bench) -> None:
    first = bench.protocol.submit([task("a"), task("b")], 2)
    assert bench.run(first).ids == ("a", "b")
    assert bench.act(first) == (SubmitReply(("a", "b")), {})


def test_only_new_tasks_count_against_the_limit(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    assert bench.submit(task("a"), task("b"), task("c"), max_length=3) == ("a", "b", "c")


class TestDue:
    def test_in_the_future_by_the_clock(self, bench: Bench) -> None:
        reply, changed = bench.act(bench.protocol.submit([task("a", "high", due=bench.at(60))], 0))
        assert reply.ids == ("a",)
        assert changed == {
            "task:a": "body of a",
            "state:a": {"status": "scheduled", "list": "high"},
            "scheduled": {"a": "t+60"},
            "status:scheduled": ["+a"],
            "bell:high": ["1"],
            "bell:@scheduler": ["1"],
            "counters": {"submitted": 1},
        }

    def test_after_a_delay_by_the_clock_of_the_server(self, bench: Bench) -> None:
        bench.move_clock(100)
        _, changed = bench.act(bench.protocol.submit([task("a", due="+60000")], 0))
        assert changed["scheduled"] == {"a": "t+160"}

    @pytest.mark.parametrize("due", ["0", "+0", "-5", "1000"])
    def test_what_is_due_already_waits_in_its_list(self, bench: Bench, due: str) -> None:
        _, changed = bench.act(bench.protocol.submit([task("a", due=due)], 0))
        assert changed["queue:normal"] == ["a"]
        assert "scheduled" not in changed

    def test_only_the_first_to_fall_due_wakes_anybody(self, bench: Bench) -> None:
        bench.submit(task("a", due=bench.at(60)))
        _, later = bench.act(bench.protocol.submit([task("b", due=bench.at(70))], 0))
        assert not any(key.startswith("bell:") for key in later)
        _, sooner = bench.act(bench.protocol.submit([task("c", "low", due=bench.at(50))], 0))
        assert sooner["bell:@scheduler"] == ["1", "1"]
        assert sooner["bell:low"] == ["1"]

    def test_a_batch_of_both(self, bench: Bench) -> None:
        bench.submit(task("a"), task("b", due=bench.at(60)), task("c"))
        state = bench.state()
        assert (state["queue:normal"], state["scheduled"]) == (["a", "c"], {"b": "t+60"})


class TestOrderingKey:
    def test_the_first_may_be_delayed(self, bench: Bench) -> None:
        _, changed = bench.act(bench.protocol.submit([task("a", due=bench.at(60), ordering="k")], 0))
        assert (changed["scheduled"], changed["status:scheduled"]) == ({"a": "t+60"}, ["+a"])

    def test_one_behind_it_waits_for_its_time_as_well(self, bench: Bench) -> None:
        bench.submit(task("a", ordering="k"), task("b", ordering="k", due=bench.at(60)))
        bench.register("w1")
        bench.end("w1", *(settle(claim) for claim in bench.claim("w1", 5)))
        assert bench.state()["status:scheduled"] == {"b"}

    def test_a_sequence_takes_no_more_than_a_list(self, bench: Bench) -> None:
        reply, changed = bench.act(bench.protocol.submit([task(i, ordering="k") for i in ("a", "b", "c")], 2))
        assert (reply.crowded, changed) == (("k", 2), {})


class TestUniqueKey:
    def test_is_held_by_the_task(self, bench: Bench) -> None:
        _, changed = bench.act(bench.protocol.submit([task("a", unique="k")], 0))
        assert changed == {
            "task:a": "body of a",
            "state:a": {"unique": "k"},
            "unique:k": "a",
            "queue:normal": ["a"],
            "bell:normal": ["1"],
            "status:pending": ["+a"],
            "counters": {"submitted": 1},
        }

    def test_another_task_gets_the_id_of_the_holder(self, bench: Bench) -> None:
        bench.submit(task("a", unique="k"))
        reply, changed = bench.act(bench.protocol.submit([task("b", unique="k")], 0))
        assert (reply.ids, changed) == (("a",), {})

    def test_a_repeated_submit_of_the_holder_is_itself(self, bench: Bench) -> None:
        submit = bench.protocol.submit([task("a", unique="k")], 0)
        assert bench.run(submit) == bench.run(submit) == SubmitReply(("a",))

    def test_in_one_batch_the_first_holds_it(self, bench: Bench) -> None:
        reply, changed = bench.act(bench.protocol.submit([task("a", unique="k"), task("b", unique="k")], 0))
        assert reply.ids == ("a", "a")
        assert changed["counters"] == {"submitted": 1}
        assert "task:b" not in changed

    def test_of_a_delayed_task(self, bench: Bench) -> None:
        _, changed = bench.act(bench.protocol.submit([task("a", unique="k", due=bench.at(60))], 0))
        assert changed["state:a"] == {"status": "scheduled", "list": "normal", "unique": "k"}
        assert bench.submit(task("b", unique="k")) == ("a",)

    @pytest.mark.parametrize("outcome", ["running", "retry", "release", "snooze"])
    def test_is_held_while_the_task_is_live(self, bench: Bench, outcome: str) -> None:
        bench.submit(task("a", unique="k"))
        bench.register("w1")
        (claim,) = bench.claim("w1")
        if outcome != "running":
            bench.end("w1", settle(claim, outcome))
        assert bench.submit(task("b", unique="k")) == ("a",)

    @pytest.mark.parametrize("end", ["complete", "fail", "cancel", "cancelled while pending", "purged"])
    def test_is_free_when_the_task_has_ended(self, bench: Bench, end: str) -> None:
        bench.submit(task("a", unique="k"))
        if end == "cancelled while pending":
            bench.run(bench.protocol.cancel("a", "{}", 100_000))
        elif end == "purged":
            bench.run(bench.protocol.purge("normal", 10))
        else:
            bench.register("w1")
            (claim,) = bench.claim("w1")
            bench.end("w1", settle(claim, end))
        assert "unique:k" not in bench.state()
        assert bench.submit(task("b", unique="k")) == ("b",)

    def test_is_left_to_whom_a_foreign_hand_has_given_it(self, bench: Bench) -> None:
        bench.audited = False
        bench.submit(task("a", unique="k"))
        bench.client.set(bench.key("unique", "k"), "b")
        bench.run(bench.protocol.cancel("a", "{}", 100_000))
        assert bench.state()["unique:k"] == "b"

    def test_of_a_task_whose_body_was_lost_is_free_again(self, bench: Bench) -> None:
        bench.submit(task("a", unique="k"))
        bench.register("w1")
        bench.client.delete(bench.key("task", "a"))
        assert bench.claim("w1") == ()
        assert bench.submit(task("b", unique="k")) == ("b",)


class TestIdOfATaskThatHasExpired:
    """A user's own id comes back after the retention, before the janitor has forgotten the first task."""

    @pytest.mark.parametrize("outcome", ["complete", "fail", "cancel"])
    @pytest.mark.parametrize("due", ["0", "+60000"])
    def test_is_new(self, bench: Bench, outcome: str, due: str) -> None:
        claim = bench.claim_one("a")
        bench.end("w1", settle(claim, outcome))
        bench.expire("a")
        reply, _ = bench.act(bench.protocol.submit([task("a", due=due)], 0))
        assert reply.ids == ("a",)
        state = bench.state()
        assert state["counters"]["submitted"] == 2
        assert state["counters"]["expired"] == 1
        assert "dead" not in state

    def test_can_end_again_and_is_then_forgotten_once(self, bench: Bench) -> None:
        bench.end("w1", settle(bench.claim_one("a")))
        bench.expire("a")
        bench.end("w1", settle(bench.claim_one("a"), "fail"))
        bench.expire("a")
        bench.move_clock(200)
        while bench.run(bench.protocol.sweep(10)):
            pass
        state = bench.state()
        assert state["counters"] == {"submitted": 2, "completed": 1, "failed": 1, "expired": 2}
        assert not [key for key in state if key.startswith(("status:", "retained:", "retention", "dead"))]

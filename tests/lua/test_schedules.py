"""schedules and fire: recurring definitions, and one task for each of their slots."""

from __future__ import annotations

import pytest

from tests.state import Bench, task

HOURLY = '{"every":3600}'


def test_add_list_and_remove(bench: Bench) -> None:
    reply, changed = bench.act(bench.protocol.add_schedule("s", HOURLY))
    assert (reply, changed) == (1, {"schedules": {"s": HOURLY}, "bell:@scheduler": ["1"]})
    now_ms, definitions, slots = bench.run(bench.protocol.list_schedules())
    assert now_ms > 0
    assert (definitions, slots) == ({"s": HOURLY}, {})
    assert bench.act(bench.protocol.remove_schedule("s")) == (1, {"schedules": {"s": None}})
    assert bench.act(bench.protocol.remove_schedule("s")) == (0, {})


def test_the_same_definition_again_changes_nothing(bench: Bench) -> None:
    """Every scheduler that starts adds what it was configured with: that must not repeat the last slot."""
    bench.run(bench.protocol.add_schedule("s", HOURLY))
    bench.run(bench.protocol.fire("s", HOURLY, 1000, task("a")))
    assert bench.act(bench.protocol.add_schedule("s", HOURLY)) == (1, {})


def test_another_definition_begins_anew(bench: Bench) -> None:
    bench.run(bench.protocol.add_schedule("s", HOURLY))
    bench.run(bench.protocol.fire("s", HOURLY, 1000, task("a")))
    _, changed = bench.act(bench.protocol.add_schedule("s", "other"))
    assert changed == {"schedules": {"s": "other"}, "slots": {"s": None}, "bell:@scheduler": ["1", "1"]}


def test_a_swap_keeps_the_last_slot_and_needs_the_former_definition(bench: Bench) -> None:
    bench.run(bench.protocol.add_schedule("s", HOURLY))
    bench.run(bench.protocol.fire("s", HOURLY, 1000, task("a")))
    paused = '{"every":3600,"paused":true}'
    assert bench.act(bench.protocol.add_schedule("s", paused, former="another")) == (0, {})
    assert bench.act(bench.protocol.add_schedule("unknown", paused, former=HOURLY)) == (0, {})
    reply, changed = bench.act(bench.protocol.add_schedule("s", paused, former=HOURLY))
    assert (reply, changed) == (1, {"schedules": {"s": paused}, "bell:@scheduler": ["1", "1"]})
    assert bench.act(bench.protocol.add_schedule("s", paused, former=HOURLY)) == (1, {}), "the same call again"
    assert bench.run(bench.protocol.fire("s", HOURLY, 2000, task("b"))) == -1


@pytest.mark.parametrize("queue", [None, "mail"])
def test_a_slot_is_fired(bench: Bench, queue: str | None) -> None:
    bench.run(bench.protocol.add_schedule("s", HOURLY))
    name = "mail:high" if queue else "high"
    reply, changed = bench.act(bench.protocol.fire("s", HOURLY, 1000, task("a", "high", queue=queue)))
    assert reply == 1
    assert changed == {
        "slots": {"s": "1000"},
        "task:a": "body of a",
        f"queue:{name}": ["a"],
        f"bell:{name}": ["1"],
        "status:pending": ["+a"],
        "counters": {"submitted": 1},
        **({"queues": ["+mail"]} if queue else {}),
    }
    assert bench.run(bench.protocol.list_schedules())[2] == {"s": 1000}


def test_a_slot_is_fired_once(bench: Bench) -> None:
    bench.run(bench.protocol.add_schedule("s", HOURLY))
    assert bench.run(bench.protocol.fire("s", HOURLY, 2000, task("a"))) == 1
    for slot, task_id in [(2000, "a"), (2000, "b"), (1000, "c")]:
        assert bench.act(bench.protocol.fire("s", HOURLY, slot, task(task_id))) == (0, {})
    assert bench.run(bench.protocol.fire("s", HOURLY, 3000, task("d"))) == 1


def test_a_changed_or_removed_definition_fires_nothing(bench: Bench) -> None:
    assert bench.act(bench.protocol.fire("s", HOURLY, 1000, task("a"))) == (-1, {})
    bench.run(bench.protocol.add_schedule("s", "other"))
    assert bench.act(bench.protocol.fire("s", HOURLY, 1000, task("a"))) == (-1, {})


def test_a_slot_whose_task_is_there_already_is_only_noted(bench: Bench) -> None:
    """The definition was removed and added again within one slot."""
    bench.run(bench.protocol.add_schedule("s", HOURLY))
    bench.run(bench.protocol.fire("s", HOURLY, 1000, task("a")))
    bench.run(bench.protocol.remove_schedule("s"))
    bench.run(bench.protocol.add_schedule("s", HOURLY))
    assert bench.act(bench.protocol.fire("s", HOURLY, 1000, task("a"))) == (0, {"slots": {"s": "1000"}})

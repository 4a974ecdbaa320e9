"""graph: tasks of which some wait for others, and where they are then."""

from __future__ import annotations

from taskq.protocol.workflow import Node
from tests.state import Bench


def test_who_waits_for_nobody_is_in_its_list_and_its_queue_is_known(bench: Bench) -> None:
    nodes = [Node("a", "A", "mail:high", "fail_fast", ()), Node("b", "B", "low", "wait_all", ("a",))]
    reply, changed = bench.act(bench.protocol.graph(nodes, 0))
    assert reply == (1, 2)
    assert changed == {
        "task:a": "A",
        "task:b": "B",
        "queue:mail:high": ["a"],
        "queues": ["+mail"],
        "bell:mail:high": ["1"],
        "status:pending": ["+a"],
        "status:waiting": ["+b"],
        "state:a": {"status": "pending", "parents": "b/0"},
        "state:b": {"status": "waiting", "list": "low", "families": "b/0", "waits": "b/0"},
        "family:b/0": {
            "total": "1", "policy": "wait_all", "need": "0", "task": "b", "list": "low", "data": "",
            "completed": "0", "failed": "0",
        },
        "children:b/0": ["a"],
        "gathered:b/0": {"a": ""},
        "counters": {"submitted": 2},
    }  # fmt: skip


def test_one_that_is_stored_already_is_known_to_those_that_wait_for_it(bench: Bench) -> None:
    first = Node("a", "A", "low", "fail_fast", ())
    bench.run(bench.protocol.graph([first], 0))
    bench.register("w1")
    bench.claim("w1", 1)
    nodes = [first, Node("b", "B", "low", "fail_fast", ("a",)), Node("c", "C", "low", "fail_fast", ("a", "b"))]
    reply, changed = bench.act(bench.protocol.graph(nodes, 0))
    assert reply == (1, 2)
    assert changed["status:waiting"] == ["+b", "+c"]
    assert changed["state:a"] == {"status": "running", "parents": "b/0 c/0"}
    assert bench.act(bench.protocol.graph(nodes, 0)) == ((1, 0), {})

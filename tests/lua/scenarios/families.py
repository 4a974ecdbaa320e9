"""Children, graphs, and the tasks that wait for them."""

from __future__ import annotations

from typing import Any

from taskq.protocol.operation import Operation
from taskq.protocol.replies import Settlement
from taskq.protocol.workflow import Child, FamilyPlan, Node
from tests.lua.scenarios.beginnings import Scenario, fan_out, waiting_for
from tests.state import TTL_MS, Bench, settle, task


def fanout(bench: Bench) -> Operation[Any]:
    return fan_out(bench, "a", "b", "m")


def fanout_by_hand(bench: Bench) -> Operation[Any]:
    children = [Child(i, f"body of {i}", "low") for i in ("a", "b")]
    return bench.protocol.fanout(FamilyPlan("f", 4, "wait_all", ttl_ms=TTL_MS, data="1"), 0, children, 0)


def gather(bench: Bench) -> Operation[Any]:
    bench.run(fanout(bench))
    return bench.protocol.gather("p/1", 0, 10)


def report(bench: Bench) -> Operation[Any]:
    waiting_for(bench, "a")
    return bench.protocol.report("p/1", "a", "{}", "call")


def settle_wait(bench: Bench) -> Operation[Any]:
    operation = fan_out(bench, "a", "b")
    bench.run(operation)
    return bench.protocol.settle([Settlement("p", operation.args[2], "wait", "p/1", 0)])


def turn_of_the_last_child(bench: Bench) -> Operation[Any]:
    """Its end puts the parent at the head of the list from which the turn claims."""
    waiting_for(bench, "a", "b")
    first, last = bench.claim("w1", 2)
    bench.end("w1", settle(first))
    bench.submit_ids("other")
    return bench.turn_op("w1", 1, [settle(last)])


def turn_of_the_parent(bench: Bench) -> Operation[Any]:
    """A parent that completes takes what it has gathered along."""
    waiting_for(bench, "a")
    bench.end("w1", settle(bench.claim("w1", 1)[0]))
    return bench.turn_op("w1", 0, [settle(bench.claim("w1", 1)[0])])


def settle_a_child_that_fails(bench: Bench) -> Operation[Any]:
    waiting_for(bench, "a", "b")
    return bench.protocol.settle([settle(bench.claim("w1", 1)[0], "fail")])


def cancel_waiting(bench: Bench) -> Operation[Any]:
    waiting_for(bench, "a", "b")
    return bench.protocol.cancel("p", "{}", TTL_MS)


def purge_children(bench: Bench) -> Operation[Any]:
    waiting_for(bench, "a", "b")
    return bench.protocol.purge("low", 10)


def turn_loses_a_child(bench: Bench) -> Operation[Any]:
    waiting_for(bench, "a", "b")
    bench.audited = False
    bench.client.delete(bench.key("task", "a"))
    return bench.turn_op("w1", 1)


def replay_a_parent(bench: Bench) -> Operation[Any]:
    waiting_for(bench, "a")
    bench.end("w1", settle(bench.claim("w1", 1)[0], "fail"))
    bench.end("w1", settle(bench.claim("w1", 1)[0], "fail"))
    return bench.protocol.replay([("p", "normal"), ("a", "low")])


def replay_a_tree(bench: Bench) -> Operation[Any]:
    """The child first; the family of the parent, which has failed with it, is open again."""
    waiting_for(bench, "a", "b")
    bench.end("w1", settle(bench.claim("w1", 1)[0], "fail"))
    bench.end("w1", settle(bench.claim("w1", 1, ["normal"])[0], "fail"))
    return bench.protocol.replay([("a", "low"), ("p", "normal")], reopen=True)


def graph(bench: Bench) -> Operation[Any]:
    """Some wait for what is new, pending, running, completed and failed."""
    bench.submit(task("failed"), task("done"), task("running"), task("waiting", "low", unique="k"))
    bench.register("w1")
    failed, done, _ = bench.claim("w1", 3)
    bench.end("w1", settle(failed, "fail"), settle(done))
    return bench.protocol.graph(
        [
            Node("a", "A", "low", "fail_fast", ()),
            Node("b", "B", "mail:high", "fail_fast", ("a", "running", "done")),
            Node("c", "C", "low", "wait_all", ("b", "waiting")),
            Node("d", "D", "low", "wait_all", ("failed", "done")),
        ],
        0,
    )


SCENARIOS: tuple[Scenario, ...] = (
    fanout,
    fanout_by_hand,
    gather,
    graph,
    report,
    settle_wait,
    turn_of_the_last_child,
    turn_of_the_parent,
    settle_a_child_that_fails,
    cancel_waiting,
    purge_children,
    turn_loses_a_child,
    replay_a_parent,
    replay_a_tree,
)

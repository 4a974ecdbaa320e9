"""What only reads."""

from __future__ import annotations

from typing import Any

from taskq.protocol.channels import lengths
from taskq.protocol.keys import lists_of
from taskq.protocol.operation import Operation
from tests.lua.scenarios.beginnings import Scenario, something_of_everything
from tests.state import TIMES, TTL_MS, Bench, settle, task


def lengths_of_lists(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return lengths(bench.protocol, lists_of("mail"))


def inspect(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return bench.protocol.inspect(["p", "d", "f", "c", "r"])


def result(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return bench.protocol.result("c")


def stats(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return bench.protocol.stats()


def ids(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return bench.protocol.ids("pending", "0", 10)


def ids_of_the_dead(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return bench.protocol.ids("dead", "0", 10)


def snapshot(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return bench.protocol.snapshot()


def check(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return bench.protocol.check("ids", ids=["p", "d", "f", "c", "r", "nobody"])


def check_list(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return bench.protocol.entries("normal", "0", 100)


def survey(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return bench.protocol.survey("0")


def indexes(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return bench.protocol.indexes(TIMES, "workers", ["w1", "w2"])


def rows(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    bench.submit(task("b"), task("c", due="+60000"))
    return bench.protocol.rows(["a", "b", "c", "unknown"])


def ids_of_a_list(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a", "b")
    return bench.protocol.ids("list normal", "0", 1)


def ids_of_what_is_due(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", due="+60000"))
    return bench.protocol.ids("due", "0", 1)


def ids_of_what_has_ended(bench: Bench) -> Operation[Any]:
    bench.end("w1", settle(bench.claim_one("a")))
    return bench.protocol.ids(f"ended {TTL_MS}", "0", 1)


SCENARIOS: tuple[Scenario, ...] = (
    lengths_of_lists,
    inspect,
    result,
    stats,
    rows,
    ids_of_a_list,
    ids_of_what_is_due,
    ids_of_what_has_ended,
    ids,
    ids_of_the_dead,
    snapshot,
    check,
    check_list,
    survey,
    indexes,
)

"""A walk through a list meets each entry once, whatever happens at its ends meanwhile."""

from __future__ import annotations

import pytest

from taskq.transport.standing import Lists
from tests.lua.conftest import bench as bench  # noqa: PLC0414 - the fixture
from tests.state import Bench


@pytest.mark.parametrize(("pushed", "popped"), [(0, 0), (1, 0), (30, 0), (250, 0), (0, 30), (30, 30), (450, 10)])
def test_each_entry_is_met_once(bench: Bench, pushed: int, popped: int) -> None:
    bench.audited = False
    queue = bench.key("queue", "normal")
    old = [f"old{n}" for n in range(1000)]
    bench.client.rpush(queue, *old)
    taken: set[str] = set()
    met: list[str] = []
    for round_, page in enumerate(Lists(bench.transport.run, bench.protocol).pages("normal")):
        met += [entry.task_id for entry in page]
        if round_ < 3:
            bench.client.rpush(queue, *(f"new{round_}-{n}" for n in range(pushed))) if pushed else None
            taken.update(bench.client.lpop(queue, popped) or [] if popped else [])
    seen_old = [task_id for task_id in met if task_id.startswith("old")]
    assert len(seen_old) == len(set(seen_old))
    assert set(old) - taken <= set(seen_old)


def test_entries_that_stand_twice_are_met_twice(bench: Bench) -> None:
    bench.audited = False
    bench.client.rpush(bench.key("queue", "normal"), *(f"x{n % 300}" for n in range(600)))
    met = [entry.task_id for page in Lists(bench.transport.run, bench.protocol).pages("normal") for entry in page]
    assert sorted(met) == sorted(f"x{n % 300}" for n in range(600))

"""Counting runs, and adding up what several processes have counted."""

from __future__ import annotations

import json

from taskq import Task
from taskq.metrics.runs import BOUNDS_SECONDS, Distribution, RunMetrics, RunTotals
from taskq.middleware import Run
from taskq.model.moment import parse_iso


def run(task_type: str, seconds: float, outcome: str = "complete", attempt: int = 1, waited: float = 0.02) -> Run:
    task = Task(task_type=task_type, priority="high", created_at="2026-11-28T10:00:00Z")
    return Run(task, attempt, "w", parse_iso(task.created_at) + round(waited * 1000), seconds, outcome)


def test_a_distribution_is_cumulative_and_ends_without_a_bound() -> None:
    one = Distribution()
    for seconds in (0.0005, 0.001, 0.3, 9999.0):
        one.add(seconds)
    rows = dict(one.cumulative())
    assert (rows["0.001"], rows["0.25"], rows["0.5"], rows["1800"], rows["+Inf"]) == (2, 2, 3, 3, 4)
    assert len(rows) == len(BOUNDS_SECONDS) + 1
    assert one.total_seconds == 0.0005 + 0.001 + 0.3 + 9999.0


def test_runs_are_counted_by_type_and_outcome_and_survive_the_wire() -> None:
    one, other = RunMetrics(), RunMetrics()
    one.after_run(run("mail", 0.1))
    one.after_run(run("mail", 0.2, "retry"))
    one.after_run(run("mail", 0.1, attempt=2, waited=500.0))
    other.after_run(run("mail", 0.4))
    other.after_run(run("resize", 3.0))
    totals = RunTotals()
    for metrics in (one, other):
        totals.add(json.loads(json.dumps(metrics.snapshot())))
    assert totals.runs == {("mail", "complete"): 3, ("mail", "retry"): 1, ("resize", "complete"): 1}
    assert dict(totals.run_seconds["mail"].cumulative())["+Inf"] == 4
    assert round(totals.run_seconds["mail"].total_seconds, 6) == 0.8
    waits = totals.start_seconds["default", "high"]
    assert dict(waits.cumulative())["0.025"] == 4, "the second attempt says nothing of the start"

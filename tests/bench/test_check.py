"""The guard against regressions: what it measures, and when it fails."""

from __future__ import annotations

import pytest

from bench.check import __main__ as check
from bench.check.verdict import Guarded, compare, failed, table
from tests.servers import ServerProcess

RATE = Guarded("rate", "a rate", True, 0.25)
COST = Guarded("cost", "a cost", False, 0.10)


@pytest.mark.parametrize(
    ("now", "verdicts"),
    [
        ({"rate": 100.0, "cost": 10.0}, ["same", "same"]),
        ({"rate": 81.0, "cost": 10.9}, ["same", "same"]),
        ({"rate": 79.0, "cost": 10.9}, ["WORSE", "same"]),
        ({"rate": 81.0, "cost": 11.1}, ["same", "WORSE"]),
        ({"rate": 200.0, "cost": 5.0}, ["better", "better"]),
    ],
)
def test_only_what_leaves_its_band_for_the_worse_fails(now: dict[str, float], verdicts: list[str]) -> None:
    findings = compare((RATE, COST), {"rate": 100.0, "cost": 10.0}, now)
    assert [finding.verdict for finding in findings] == verdicts
    assert failed(findings) == ("WORSE" in verdicts)


def test_a_figure_that_the_release_did_not_have_fails_nothing() -> None:
    findings = compare((RATE, COST), {"rate": 100.0}, {"rate": 100.0, "cost": 10.0})
    assert [finding.verdict for finding in findings] == ["same", "new"]
    assert not failed(findings)


def test_the_table_says_by_how_much() -> None:
    text = table(compare((RATE,), {"rate": 100.0}, {"rate": 50.0}))
    assert text.splitlines()[1].split() == ["a", "rate", "100", "50.0", "100%", "25%", "WORSE"]


def test_every_guarded_figure_is_measured(server: ServerProcess) -> None:
    with server.client() as admin:
        found = check.one_round(server.url, admin, 200)
    assert {*found, "pending_bytes", "completed_bytes"} == {figure.name for figure in check.FIGURES}
    assert all(ours > 0 and bare > 0 for ours, bare in found.values())


def test_the_best_readings_count() -> None:
    pairs = [(100.0, 10.0), (80.0, 5.0), (120.0, 20.0)]
    assert check.best(RATE, pairs) == 120.0 / 20.0
    assert check.best(COST, pairs) == 80.0 / 5.0

"""``taskq verify`` on a server of this machine: it passes on ours, and fails on scripts that lack a guard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from taskq import Settings, SettingsError
from taskq.testing.faults.broken import BrokenScripts
from taskq.testing.verify import TITLES, VerifyOptions, verify
from taskq.testing.verify.report import Report
from tests.faults.commands import ROOT, Command

pytestmark = pytest.mark.slow


def run(url: str, *suites: str, broken: BrokenScripts | None = None) -> Report:
    return verify(Settings(redis_url=url), VerifyOptions(minutes=0.5, seed=7, suites=suites, rewrite=broken))


def test_it_finds_nothing_wrong_and_leaves_nothing_behind(redis_url: str, redis_client: redis.Redis) -> None:
    before = redis_client.config_get("*")
    report = run(redis_url, "producer", "zombie", "rivals")

    assert report.violations == []
    assert {suite.suite for suite in report.suites} == {"producer", "zombie", "rivals"}
    assert (report.total.lost, report.total.double, report.seed) == (0, 0, 7)
    assert report.total.refused == 8, "two tasks each, in four rounds"
    assert report.total.points > 40
    assert {"submit", "cancel", "inspect", "await"} <= report.total.commands.keys()
    assert list(redis_client.scan_iter(match="taskq-verify-*")) == []
    assert redis_client.config_get("*") == before


@pytest.mark.parametrize(
    ("pattern", "suite", "violation"),
    [
        # the fence is not compared: what a frozen worker says when it thaws overwrites the newer attempt
        (r"if state\[1\] ~= fence then return nil end", "zombie", "to be refused|completions of|has never ended"),
        # a task that has a unique key is stored although another one holds it
        (r"if holder.*", "producer", "a unique key was given twice|should have been|submitted"),
        # tasks of dead workers stay where they are
        (r"call\('LPUSH', QUEUE \.\. state\[3\], id\)\n", "rivals", "I1: "),
        # nobody counts crashes
        (r"local crashes = .* \+ charge", "pill", "did not come true"),
    ],
    ids=["no fence", "no unique key", "no requeue", "no crash count"],
)
def test_a_script_without_a_guard_is_found(redis_url: str, pattern: str, suite: str, violation: str) -> None:
    report = run(redis_url, suite, broken=BrokenScripts(pattern, "local crashes = 0" if "crashes" in pattern else ""))
    assert any(pytest.importorskip("re").search(violation, text) for text in report.violations), report.violations


def test_a_change_that_changes_nothing_proves_nothing() -> None:
    with pytest.raises(ValueError, match="nothing would be broken"):
        BrokenScripts("no script says this")


def test_a_suite_that_does_not_exist_is_refused(redis_url: str) -> None:
    with pytest.raises(SettingsError, match="there is no suite nonsense: use producer, worker"):
        run(redis_url, "nonsense")


def test_a_cluster_is_refused() -> None:
    with pytest.raises(SettingsError, match="name a single server"):
        verify(Settings(redis_url="redis+cluster://127.0.0.1:1"))


def test_the_command(redis_url: str, tmp_path: Path) -> None:
    command = Command(
        ["-m", "taskq", "verify", "--redis-url", redis_url, "--suite", "rivals", "--seed", "3", "--json"], {}, tmp_path
    )
    assert command.wait(60) == 0, command.output
    found = json.loads(command.output)
    assert (found["ok"], found["seed"], [suite["suite"] for suite in found["suites"]]) == (True, 3, ["rivals"])
    assert found["total"]["points"] == 20
    assert found["total"]["violations"] == []
    assert (ROOT / "taskq").is_dir()
    assert set(TITLES) >= {"kill", "storm"}

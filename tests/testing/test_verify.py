"""``taskq verify`` on a server of this machine: it passes on ours, and fails on scripts that lack a guard."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest
import redis

from taskq import AccessDenied, Settings, SettingsError
from taskq.testing.faults.broken import BrokenScripts
from taskq.testing.verify import VerifyOptions, verify
from taskq.testing.verify.report import Report
from tests.conftest import StartServer
from tests.faults.commands import Command, alive, children
from tests.servers import HOST
from tests.waiting import eventually

SCRIPTS = Path(__file__).parents[2] / "scripts"

pytestmark = pytest.mark.slow


def run(url: str, *suites: str, broken: BrokenScripts | None = None) -> Report:
    return verify(Settings(redis_url=url), VerifyOptions(minutes=0.5, seed=7, suites=suites, rewrite=broken))


def test_it_finds_nothing_wrong_and_leaves_nothing_behind(redis_url: str, redis_client: redis.Redis) -> None:
    before = redis_client.config_get("*")
    report = run(redis_url, "producer", "zombie", "rivals")

    assert report.violations == []
    assert {suite.suite for suite in report.suites} == {"producer", "zombie", "rivals"}
    assert (report.total.lost, report.total.double, report.seed) == (0, 0, 7)
    assert report.total.refused == 4, "two tasks each, in two rounds"
    assert report.total.points > 40
    assert {"submit", "cancel", "inspect", "await"} <= report.total.commands.keys()
    assert list(redis_client.scan_iter(match="taskq-verify-*")) == []
    assert redis_client.config_get("*") == before


@pytest.mark.parametrize(
    ("pattern", "instead", "suite", "violation"),
    [
        pytest.param(
            r" and run\.fence == fence",
            "",
            "zombie",
            "both outcomes of the frozen worker to be refused|completions of|has never ended",
            id="a stale outcome is accepted",
        ),
        pytest.param(
            r"local holder = unique .*", "local holder = false", "producer", "unique", id="a unique key is given twice"
        ),
        pytest.param(
            r"call\('LPUSH', QUEUE|call\('LPUSH', NS\.\.'queue:' \.\. [^\n]*",
            "",
            "rivals",
            "I1: |in their lists|to come back",
            id="tasks of dead workers are not put back",
        ),
        pytest.param(
            r"if stored then", "if false then", "producer", "submitted, the counter says", id="a submit is stored twice"
        ),
    ],
)
def test_a_script_without_a_guard_is_found(
    redis_url: str, pattern: str, instead: str, suite: str, violation: str
) -> None:
    report = run(redis_url, suite, broken=BrokenScripts(pattern, instead))
    assert any(re.search(violation, text) for text in report.violations), report.violations


def test_a_change_that_changes_nothing_proves_nothing() -> None:
    with pytest.raises(ValueError, match="nothing would be broken"):
        BrokenScripts("no script says this")


def test_a_suite_that_does_not_exist_is_refused(redis_url: str) -> None:
    with pytest.raises(SettingsError, match="there is no suite nonsense: use producer, worker"):
        run(redis_url, "nonsense")


def test_a_cluster_is_refused() -> None:
    with pytest.raises(SettingsError, match="name a single server"):
        verify(Settings(redis_url="redis+cluster://127.0.0.1:1"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_early_it_leaves_nothing_behind(
    number: int, redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    command = Command(["-m", "taskq", "verify", "--redis-url", redis_url, "--suite", "storm"], {}, tmp_path)
    eventually(lambda: len(children(command.pid)) == 5, 30, "three workers and two schedulers")
    started = command.tree
    command.send(number)
    assert command.wait(60) == 128 + number, command.output
    assert "interrupted: this is what was tried until then" in command.output
    assert list(redis_client.scan_iter(match="taskq-verify-*")) == []
    eventually(lambda: not any(alive(pid) for pid in started), what="the end of all processes")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ended_early_the_script_ends_its_server(number: int, tmp_path: Path) -> None:
    words = [str(SCRIPTS / "reliability.py"), "verify", "--minutes", "0.5", "--record"]
    command = Command(words, {"TMPDIR": str(tmp_path)}, tmp_path)
    eventually(lambda: "namespaces taskq-verify" in command.output, 60, "the first suites")
    started = command.tree
    assert len(started) > 1, "with the server"
    command.send(number)
    assert command.wait(60) == 128 + number, command.output
    assert "nothing is recorded" in command.output
    eventually(lambda: not any(alive(pid) for pid in started), what="the end of all processes")
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_interrupted_it_says_what_was_tried(redis_url: str, redis_client: redis.Redis, tmp_path: Path) -> None:
    words = ["-m", "taskq", "verify", "--redis-url", redis_url, "--suite", "producer", "--suite", "pill", "--json"]
    command = Command(words, {}, tmp_path)
    eventually(lambda: list(redis_client.scan_iter(match="taskq-verify-*producer:counters")), 30, "the first submits")
    command.send(signal.SIGINT)
    assert command.wait(60) == 130, command.output
    found = json.loads(command.output[command.output.index("{\n") :])
    assert (found["ok"], found["interrupted"], found["total"]["violations"]) == (False, True, [])
    assert found["total"]["points"] > 0
    assert list(redis_client.scan_iter(match="taskq-verify-*")) == []


def test_the_command(redis_url: str, tmp_path: Path) -> None:
    command = Command(
        ["-m", "taskq", "verify", "--redis-url", redis_url, "--suite", "rivals", "--seed", "3", "--json"], {}, tmp_path
    )
    assert command.wait(60) == 0, command.output
    found = json.loads(command.output)
    assert (found["ok"], found["seed"], [suite["suite"] for suite in found["suites"]]) == (True, 3, ["rivals"])
    assert found["total"]["points"] == 20
    assert found["total"]["violations"] == []
    losses = {(loss["level"], loss["event"]): loss["why_not"] for loss in found["loss_windows"]}
    assert losses[("memory", "server killed")] == "not tried: it takes the life of the server"
    assert losses[("replicated", "failover")] == "this server cannot give it", "it has no replica"
    assert {loss["setting"] for loss in found["loss_windows"]} == {"appendfsync no", "0 replicas"}


def test_a_replica_is_refused_at_once(start_server: StartServer) -> None:
    primary = start_server()
    with pytest.raises(SettingsError, match="is a replica and accepts no writes: name its primary"):
        run(start_server([f"replicaof {HOST} {primary.port}"]).url, "rivals")


@pytest.mark.parametrize("rights", ["~agent_queue:* &* +@all", "~* &* +@all -client", "~* &* +@all -evalsha -eval"])
def test_a_user_who_may_not_is_told_which_one_may(start_server: StartServer, rights: str) -> None:
    server = start_server([f"user some on >secret {rights}"])
    with pytest.raises(AccessDenied, match=r"NOPERM .* ACL SETUSER verify on") as refused:
        run(f"redis://some:secret@{HOST}:{server.port}/0", "rivals")
    assert "secret" not in str(refused.value)


def test_the_user_whom_it_names_may(start_server: StartServer) -> None:
    server = start_server(["user verify on >secret ~taskq-verify-* &taskq-verify-* +@all"])
    report = run(f"redis://verify:secret@{HOST}:{server.port}/0", "rivals")
    assert (report.violations, report.total.points) == ([], 20)

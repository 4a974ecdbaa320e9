"""``taskq server``, and what commands do where no server is configured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from taskq.cli import main
from taskq.transport.embedded import stop_server
from tests.cli.conftest import Run
from tests.servers import ServerProcess, free_port


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str | None]]:
    """Variables of a machine on which nothing is configured, with an embedded server of its own."""
    monkeypatch.chdir(tmp_path)
    port = free_port()
    yield {
        "REDIS_URL": None,
        "TASKQ_REDIS_URL": None,
        "TASKQ_DATA_DIR": str(tmp_path / "data"),
        "TASKQ_EMBEDDED_PORT": str(port),
    }
    stop_server(tmp_path / "data", port)


def _run(environment: dict[str, str | None], *args: str) -> Result:
    return CliRunner().invoke(main, args, env=environment, prog_name="taskq")


def test_start_status_stop(embedded: dict[str, str | None], tmp_path: Path) -> None:
    down = _run(embedded, "server", "status")
    assert down.exit_code == 1
    assert f"not running (data folder {tmp_path / 'data'}" in down.stdout
    assert json.loads(_run(embedded, "server", "status", "--json").stdout) == {"running": False}
    started = _run(embedded, "server", "start")
    assert started.exit_code == 0, started.stderr
    assert started.stdout.splitlines()[0] == "started"
    assert f"redis://127.0.0.1:{embedded['TASKQ_EMBEDDED_PORT']}/0" in started.stdout
    again = json.loads(_run(embedded, "server", "start", "--json").stdout)
    status = json.loads(_run(embedded, "server", "status", "--json").stdout)
    assert again == {"started": False, **status}
    assert status["data_dir"].startswith(str(tmp_path))
    assert _run(embedded, "server", "stop").stdout == "stopped\n"
    assert json.loads(_run(embedded, "server", "stop", "--json").stdout) == {"stopped": False}


def test_start_says_if_commands_use_another_server(embedded: dict[str, str | None], redis_url: str) -> None:
    result = _run(embedded, "server", "start", "--redis-url", redis_url)
    assert f"the other commands use {redis_url}" in result.stderr


def test_status_says_what_else_is_there(run: Run, server: ServerProcess) -> None:
    result = run("server", "status", env={"TASKQ_EMBEDDED_PORT": str(server.port)})
    assert result.exit_code == 1
    assert "a Redis-compatible server answers; it was not started by taskq" in result.stderr


def test_a_command_starts_the_embedded_server_and_says_so_first(embedded: dict[str, str | None]) -> None:
    result = _run(embedded, "submit", "echo")
    assert result.exit_code == 0
    assert result.stderr.startswith("taskq: started an embedded ")
    assert len(result.stdout.split()) == 1
    assert _run(embedded, "submit", "echo").stderr == ""


def test_with_json_logs_it_is_a_json_line(embedded: dict[str, str | None]) -> None:
    result = _run(embedded, "submit", "echo", "--log-format", "json")
    line = json.loads(result.stderr)
    assert line["level"] == "WARNING"
    assert line["message"].startswith("taskq: started an embedded ")


def test_a_command_that_looks_starts_no_server_and_says_that_none_runs(embedded: dict[str, str | None]) -> None:
    for command in ("stats", "monitor --snapshot", "task show x", "queue pause mail", "worker ls", "schedule ls"):
        result = _run(embedded, *command.split())
        assert (command, result.exit_code, result.stdout) == (command, 3, "")
        assert (
            f"no server runs: REDIS_URL is not set, and nothing listens on 127.0.0.1:{embedded['TASKQ_EMBEDDED_PORT']}"
            in (result.stderr)
        )
    assert _run(embedded, "server", "status").exit_code == 1


def test_doctor_starts_nothing(embedded: dict[str, str | None]) -> None:
    result = _run(embedded, "doctor")
    assert result.exit_code == 0
    assert "warn  connection  no server is configured" in result.stdout
    assert _run(embedded, "server", "status").exit_code == 1
    forbidden = _run({**embedded, "TASKQ_EMBEDDED": "0"}, "doctor")
    assert forbidden.exit_code == 1
    assert "the embedded server is switched off" in forbidden.stdout


def test_embedded_switched_off_ends_with_3(embedded: dict[str, str | None]) -> None:
    result = _run({**embedded, "TASKQ_EMBEDDED": "0"}, "stats")
    assert result.exit_code == 3
    assert "set REDIS_URL=" in result.stderr

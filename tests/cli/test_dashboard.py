"""``taskq dashboard``: from the command to a page, and what it refuses."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.servers import free_port


def test_it_serves_until_it_is_told_to_stop(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "taskq", "dashboard", "--port", "0"]
    token = {"TASKQ_DASHBOARD_TOKEN": "correct-horse-battery"}
    with subprocess.Popen(
        command, env={**os.environ, **environment, **token}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Dashboard ready: http://127.0.0.1:")
        url = line.split()[-1]
        headers = {"authorization": "Bearer correct-horse-battery"}
        page = urllib.request.urlopen(urllib.request.Request(url, headers=headers)).read().decode()
        assert "<h1>Overview</h1>" in page
        # an open page does not keep it from stopping
        stream = urllib.request.urlopen(urllib.request.Request(f"{url}/live?topic=nav", headers=headers))
        assert stream.readline()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert "only shows" in said
        assert "Traceback" not in said
        assert "correct-horse" not in said


def test_a_server_that_is_away_is_told_at_once_and_on_the_pages(environment: dict[str, str]) -> None:
    port = free_port()
    away = {**os.environ, **environment, "REDIS_URL": f"redis://127.0.0.1:{port}/0", "TASKQ_REDIS_URL": ""}
    command = [sys.executable, "-m", "taskq", "dashboard", "--port", "0"]
    with subprocess.Popen(command, env=away, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert f"no answer from redis://127.0.0.1:{port}/0 yet" in process.stderr.readline()
        url = process.stdout.readline().split()[-1]
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url)
        assert refused.value.code == 503
        assert "The server does not answer" in refused.value.read().decode()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert "Traceback" not in said


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--host", "0.0.0.0"], "TASKQ_DASHBOARD_TOKEN"),
        (["--token", "short"], "fewer than 16"),
        (["--port", "99999"], "--port"),
        (["--alow-actions"], "--allow-actions"),
        (["--allow-host", "https://tasks.example.com/"], "without scheme"),
        (["--allow-host", "tasks.example.com:8080"], "without scheme"),
    ],
)
def test_what_it_refuses(run: Run, args: list[str], words: str) -> None:
    result = run("dashboard", *args)
    assert (result.exit_code, words in result.stderr) == (2, True)


def test_a_port_that_is_taken_says_what_to_do(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("dashboard", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert "choose another port with --port" in result.stderr


def test_a_token_among_the_arguments_is_warned_about(run: Run) -> None:
    result = run("dashboard", "--token", "short")
    assert "everybody on this machine can read the token" in result.stderr


def test_without_the_extra_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("taskq.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    result = run("dashboard")
    assert result.exit_code == 2
    assert "pip install 'taskq[web]'" in result.stderr


def test_the_documentation_has_each_flag(run: Run) -> None:
    page = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text(encoding="utf-8")
    table = page.partition("| flag | meaning |")[2].partition("\n\n")[0]
    flags, everywhere = (
        set(re.findall(r"--[a-z-]+", run(*words, "--help").stdout.partition("Options")[2]))
        for words in (["dashboard"], ["queue", "ls"])
    )
    assert {*re.findall(r"`(--[a-z-]+)`", table)} == flags - everywhere

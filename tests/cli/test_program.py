"""The program as a whole: help, suggestions, errors, exit codes, settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from taskq.cli import COMMANDS, main
from tests.cli.conftest import Run

NOWHERE = "redis://127.0.0.1:1/0"


def test_help_lists_every_command_and_exit_code(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    names = [name for section in COMMANDS.values() for name in section]
    assert all(f"\n  {name} " in result.stdout for name in names)
    for code in ("0 ", "1 ", "2 ", "3 ", "124", "130"):
        assert f"\n    {code} " in result.stdout


def test_help_does_not_import_the_client() -> None:
    # the package itself is left out: what its __init__ imports is not the command's doing
    package = Path(sys.modules["taskq"].__path__[0])
    code = (
        "import sys, types\n"
        "package = types.ModuleType('taskq')\n"
        f"package.__path__ = [{str(package)!r}]\n"
        "sys.modules['taskq'] = package\n"
        "from taskq.cli import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    print('redis' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == ["False"]
    assert "worker" in done.stdout


def _commands(group: click.Group, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += _commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", _commands(main, ()), ids=" ".join)
def test_every_command_has_help_and_the_global_options(run: Run, path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    own, _, everywhere = result.stdout.partition("Options of every command:")
    for option in ("--redis-url", "--prefix", "--json", "--log-level", "--log-format"):
        # `worker set` has one of its own, of the worker that it changes
        assert option in (own if path == ("worker", "set") and option == "--log-level" else everywhere)


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["sumbit"], "Did you mean 'taskq submit'?"),
        (["purge"], "Did you mean 'taskq queue purge' or 'taskq dlq purge'?"),
        (["cron"], "Did you mean 'taskq schedule'?"),
        (["task", "list"], "Did you mean 'taskq task ls'?"),
        (["worker", "lss"], "Did you mean 'taskq worker ls'?"),
        (["xyz"], "The commands are worker, pool, scheduler,"),
        (["stats", "--prefx", "x"], "Did you mean '--prefix'?"),
        (["worker", "--concurency", "3"], "Did you mean '--concurrency'?"),
    ],
)
def test_misspelt_words_get_a_suggestion(run: Run, args: list[str], hint: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert "Usage: taskq" in result.stderr
    assert hint in result.stderr
    assert result.stdout == ""


def test_no_command_shows_the_help(run: Run) -> None:
    result = run()
    assert result.exit_code == 2
    assert "taskq submit echo" in result.output


def test_global_options_before_and_after_the_command(run: Run, prefix: str) -> None:
    before = run("--json", "--prefix", f"{prefix}-b", "queue", "pause", "--priority", "high")
    after = run("queue", "pause", "--priority", "high", "--json", "--prefix", f"{prefix}-b")
    assert json.loads(before.stdout)["lists_changed"] == 1
    assert json.loads(after.stdout)["lists_changed"] == 0


def test_a_flag_beats_the_environment(run: Run) -> None:
    result = run("stats", "--redis-url", NOWHERE, env={"TASKQ_CALL_TIMEOUT": "50ms"})
    assert result.exit_code == 3


def test_the_environment_beats_the_dotenv_file(run: Run, tmp_path: Path, prefix: str) -> None:
    (tmp_path / ".env").write_text("TASKQ_PREFIX=from-the-file\nTASKQ_LOG_LEVEL=loud\n")
    result = run("stats", env={"TASKQ_LOG_LEVEL": "INFO"})
    assert f"{prefix} on " in result.stdout


def test_an_unusable_setting_is_a_usage_error(run: Run) -> None:
    result = run("stats", "--prefix", "a/b")
    assert result.exit_code == 2
    assert result.stderr == ("taskq: prefix cannot be 'a/b' (flag): expected letters, digits and the signs _ . { } -\n")


def test_a_worker_says_at_once_that_no_server_answers(run: Run) -> None:
    result = run("worker", env={"TASKQ_REDIS_URL": NOWHERE, "TASKQ_CALL_TIMEOUT": "0.2"})
    assert result.exit_code == 3
    assert f"no answer from {NOWHERE} yet (" in result.stderr


def test_no_server_is_said_at_once_and_ends_with_3(run: Run) -> None:
    result = run("stats", env={"TASKQ_REDIS_URL": NOWHERE, "TASKQ_CALL_TIMEOUT": "50ms"})
    assert result.exit_code == 3
    first, second = result.stderr.splitlines()
    assert first.startswith(f"taskq: no answer from {NOWHERE} yet (")
    assert "Ctrl+C ends it" in first
    assert second.startswith("taskq: no usable answer from")
    assert result.stdout == ""


def test_with_json_stderr_is_one_document_a_line(run: Run) -> None:
    result = run("stats", "--json", env={"TASKQ_REDIS_URL": NOWHERE, "TASKQ_CALL_TIMEOUT": "50ms"})
    note, error = [json.loads(line) for line in result.stderr.splitlines()]
    assert "trying for up to 0.05 s" in note["note"]["message"]
    assert error["error"]["type"] == "ServerUnavailable"
    assert result.stdout == ""


def test_with_json_wrong_usage_is_json_too(run: Run) -> None:
    result = run("stats", "--json", "--lmit", "3")
    assert result.exit_code == 2
    assert json.loads(result.stderr)["error"]["type"] == "UsageError"


def test_a_refused_password_ends_with_3_and_is_not_shown(run: Run, redis_url: str) -> None:
    wrong = redis_url.replace("redis://", "redis://nobody:s3cret@")
    result = run("stats", "--redis-url", wrong)
    assert result.exit_code == 3
    assert "s3cret" not in result.output
    assert "REDIS_URL" in result.stderr


def test_an_error_has_a_traceback_only_with_debug(run: Run) -> None:
    assert "Traceback" not in run("task", "show", "nope").output
    assert "Traceback" in run("task", "show", "nope", "--log-level", "debug").stderr


def test_warnings_of_the_settings_are_shown(run: Run) -> None:
    result = run("stats", "--json", env={"TASKQ_PREFX": "x"})
    assert result.exit_code == 0
    assert json.loads(result.stderr)["warning"]["message"].startswith("TASKQ_PREFX is not a setting")
    plain = run("stats", env={"TASKQ_PREFX": "x"})
    assert plain.stderr.startswith("taskq: warning: TASKQ_PREFX is not a setting")


def test_version(run: Run) -> None:
    assert run("--version").stdout.startswith("taskq 0.")

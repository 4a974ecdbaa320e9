"""What is asked for and is not there: one exit code, one form of message, whatever the command."""

from __future__ import annotations

import json

import click
import pytest

from taskq.cli import main
from taskq.queue import TaskQueue
from tests.cli.conftest import Run

# (command, what is missing); `circuit open` and the like are in test_circuits with a circuit of another key
COMMANDS = [
    ("task show nope", "task"),
    ("task show nope --tree", "task"),
    ("task explain nope", "task"),
    ("task cancel nope", "task"),
    ("task cancel nope --tree", "task"),
    ("task retry nope", "task"),
    ("task retry nope --tree", "task"),
    ("task signal nope go", "task"),
    ("saga show nope", "task"),
    ("saga resume nope", "task"),
    ("saga abort nope", "task"),
    ("dlq show nope", "task"),
    ("worker show nope", "worker"),
    ("worker drain nope", "worker"),
    ("worker resume nope", "worker"),
    ("worker stop nope", "worker"),
    ("worker set nope --concurrency 2", "worker"),
    ("schedule pause nope", "schedule"),
    ("schedule resume nope", "schedule"),
    ("schedule run nope", "schedule"),
    ("schedule rm nope", "schedule"),
    ("limit rm nope", "limit"),
    ("circuit rm nope", "circuit"),
    ("circuit open nope", "circuit"),
    ("circuit close nope", "circuit"),
]
# these say it in their own words: of several ids some may be there, and a queue begins with its first task
OTHERS = [
    ("dlq replay nope", "no dead letter"),
    ("dlq purge nope", "the id named is no dead letter"),
    ("dlq purge nope --yes", "the id named is no dead letter"),
    ("dlq purge nope no", "2 of the 2 ids named are no dead letter"),
    ("sla rm low", "has no threshold"),
    ("queue unlimit nope", "has no limit"),
]
# what takes a name or an id, and finds nothing missing: a queue, a type, a task or a rule that is to be made
MAKES = {
    *("queue pause", "queue resume", "queue purge", "queue limit", "schedule add", "limit set", "circuit set"),
    *("sla set", "submit", "acl", "migrate rq", "migrate celery"),
}


@pytest.mark.parametrize(("command", "kind"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_one_code_and_one_form(run: Run, queue: TaskQueue, command: str, kind: str) -> None:
    result = run(*command.split())
    assert result.exit_code == 1, result.stderr
    assert result.stderr.startswith(f"taskq: there is no {kind} "), result.stderr
    assert "nope" in result.stderr
    assert "checkpoint" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(("command", "words"), OTHERS, ids=[command for command, _ in OTHERS])
def test_one_code_and_words_of_its_own(run: Run, queue: TaskQueue, command: str, words: str) -> None:
    result = run(*command.split())
    assert result.exit_code == 1, result.stderr
    assert words in result.stderr


@pytest.mark.parametrize("command", ["saga show nope", "schedule pause nope", "circuit open nope", "worker drain nope"])
def test_as_json(run: Run, queue: TaskQueue, command: str) -> None:
    result = run(*command.split(), "--json")
    assert result.exit_code == 1
    error = json.loads(result.stderr.splitlines()[-1])["error"]
    assert error["type"].endswith("NotFound")
    assert "there is no" in error["message"]


@pytest.mark.parametrize(
    ("task_id", "complete"),
    [
        ("1ea1226c", False),
        ("1ea1226c-", False),
        ("1ea1226c-04d5-4c3e-8b1f-0123456789a", False),
        ("1ea1226c-04d5-4c3e-8b1f-0123456789ab", True),
        ("decade", True),
        ("1ea1226c-mine", True),
    ],
)
def test_an_id_that_is_cut_short(run: Run, queue: TaskQueue, task_id: str, complete: bool) -> None:
    said = run("task", "show", task_id).stderr
    assert said.startswith(f"taskq: there is no task {task_id}: ")
    assert ("ids must be complete. `taskq task ls`" in said) is not complete


def test_no_command_was_forgotten() -> None:
    """Every command that takes an id or a name is in a table of this file."""
    tried = {" ".join(command.split()[:2]) for command, _ in COMMANDS + OTHERS}
    found = set()
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        for word, one in inner.items():
            if any(isinstance(parameter, click.Argument) for parameter in one.params):
                found.add(f"{name} {word}".strip())
    assert found - MAKES == tried

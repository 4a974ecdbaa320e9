"""Where a worker finds its handlers, and what it says when it does not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq import SettingsError, Task
from taskq.registry import Registry
from taskq.worker.handlers import load_handlers

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Function that writes a module into the current folder of the test."""
    monkeypatch.chdir(tmp_path)
    modules, path = set(sys.modules), list(sys.path)

    def write(name: str, text: str) -> None:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", "") and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def call(registry: Registry, task_type: str, payload: Any = None) -> Any:
    spec = registry.get(task_type)
    assert spec is not None, f"{task_type} is not among {registry.types}"
    return spec.call(Task(task_type=task_type, payload=payload), None)


REGISTER = """
def double(task):
    return task.payload * 2

def register(worker):
    worker.register_handler("double", double)
"""
AGENT = """
from taskq import AgentExecutor
agent = AgentExecutor(str.upper)
register = agent.register
"""
DECORATED = """
from taskq import AsyncTaskQueue, TaskQueue
app = TaskQueue("redis://127.0.0.1:1/0")
later = AsyncTaskQueue("redis://127.0.0.1:1/0")

@app.task(name="add")
def add(a, b):
    return a + b

@later.task(name="wait")
async def wait(a):
    return a
"""


def test_without_a_word_there_is_echo(write: Write) -> None:
    registry = load_handlers(())

    assert registry.types == ["echo"]
    assert call(registry, "echo", {"a": [1]}) == {"a": [1]}


def test_handlers_py_of_the_current_folder_is_loaded_by_itself(write: Write) -> None:
    write("handlers.py", REGISTER)

    registry = load_handlers(())

    assert registry.types == ["double", "echo"]
    assert call(registry, "double", 4) == 8


def test_handlers_py_is_left_alone_when_others_are_named(write: Write) -> None:
    write("handlers.py", "raise RuntimeError('not wanted')")
    write("mine.py", REGISTER)

    assert load_handlers(("mine",)).types == ["double", "echo"]


@pytest.mark.parametrize("target", ["pack.jobs", "pack.jobs:register", "pack/jobs.py", "pack/jobs.py:register"])
def test_a_module_is_named_as_python_or_as_the_shell_does(write: Write, target: str) -> None:
    write("pack/__init__.py", "")
    write("pack/jobs.py", REGISTER)

    assert load_handlers((target,)).types == ["double", "echo"]


def test_decorated_functions_of_both_kinds_of_queue_are_found(write: Write) -> None:
    write("jobs.py", DECORATED)

    registry = load_handlers(("jobs",))

    assert registry.types == ["add", "echo", "wait"]
    assert call(registry, "add", {"a": 1, "b": 2}) == 3


def test_one_queue_of_a_module_can_be_named(write: Write) -> None:
    write("jobs.py", DECORATED)

    assert load_handlers(("jobs:app",)).types == ["add", "echo"]
    assert load_handlers(("jobs:later",)).types == ["echo", "wait"]


@pytest.mark.parametrize("target", ["helper", "helper:agent", "helper:register"])
def test_an_executor_of_agents_is_found_however_it_is_named(write: Write, target: str) -> None:
    write("helper.py", AGENT)
    registry = load_handlers((target,))
    assert registry.types == ["agent_query", "batch_query", "echo"]


def test_an_executor_that_only_asks_has_nothing_to_run(write: Write) -> None:
    write("asks.py", "from taskq import AgentExecutor\nagent = AgentExecutor()\n")
    with pytest.raises(SettingsError, match="no AgentExecutor with a handler"):
        load_handlers(("asks",))


def test_a_module_may_have_both_forms_and_several_may_be_given(write: Write) -> None:
    write("jobs.py", DECORATED + REGISTER)
    write("more.py", REGISTER.replace('"double"', '"twice"'))

    assert load_handlers(("jobs", "more")).types == ["add", "double", "echo", "twice", "wait"]


def test_an_echo_of_the_users_own_replaces_ours(write: Write) -> None:
    write("handlers.py", "def register(worker):\n    worker.register_handler('echo', lambda task: 'mine')\n")

    assert call(load_handlers(()), "echo") == "mine"


@pytest.mark.parametrize(
    ("target", "text", "says"),
    [
        ("missing", None, "--handlers missing: there is no module 'missing' in {folder} or on the Python path"),
        ("missing.deep:register", None, "there is no module 'missing.deep' in {folder}"),
        ("jobs:nothing", REGISTER, "--handlers jobs:nothing: module 'jobs' has no 'nothing'; it has register"),
        ("jobs:number", "number = 7", "--handlers jobs:number: 7 is no function register(worker), no TaskQueue and"),
        (
            "jobs",
            "def handle(task): pass",
            "--handlers jobs: module 'jobs' has no function register(worker), no TaskQueue with @app.task "
            "functions and no AgentExecutor with a handler. Add `def register(worker): "
            "worker.register_handler('my_type', my_function)`",
        ),
        ("jobs", "import surely_not_installed", "'jobs' imports 'surely_not_installed', which is not installed"),
        (":register", None, "--handlers ':register': write it as module or module:attr"),
        ("", None, "--handlers '': write it as module or module:attr"),
        ("..up", None, "--handlers '..up': write it as module or module:attr"),
        ("my-jobs", None, "--handlers 'my-jobs': write it as module or module:attr"),
    ],
)
def test_what_cannot_be_found_is_said_with_what_to_do(
    write: Write, tmp_path: Path, target: str, text: str | None, says: str
) -> None:
    if text is not None:
        write("jobs.py", text)

    with pytest.raises(SettingsError) as caught:
        load_handlers((target,))

    assert says.format(folder=tmp_path) in str(caught.value)


@pytest.mark.parametrize(("text", "error"), [("1 / 0", ZeroDivisionError), ("int('x')", ValueError)])
def test_an_error_in_the_users_module_is_shown_as_it_is(write: Write, text: str, error: type[Exception]) -> None:
    write("jobs.py", text)
    with pytest.raises(error) as caught:
        load_handlers(("jobs",))
    assert not isinstance(caught.value, SettingsError)


def test_an_error_in_the_users_register_is_shown_as_it_is(write: Write) -> None:
    write("jobs.py", "def register(worker):\n    worker.no_such_method()\n")
    with pytest.raises(AttributeError, match="no_such_method"):
        load_handlers(("jobs",))

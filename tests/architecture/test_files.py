"""Sizes, names and late imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
MOST_FUNCTION_LINES = 50
FORBIDDEN = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc", "tools"}
# a module of its own would be loaded by everybody who never needs it
LATE_IMPORTS = {
    "taskq/model/crypto.py: from cryptography.hazmat.primitives.ciphers.aead import AESSIV",
    "taskq/agent/chat.py: import httpx",  # an extra, and half of the time that the package takes to load
    # the extra web may not be there
    "taskq/cli/dashboard.py: from taskq.web.options import DashboardOptions",
    "taskq/cli/dashboard.py: from taskq.web.serving import check_binding, serve",
    # so that Ctrl+C meanwhile prints no traceback
    "taskq/__main__.py: from taskq.cli import main as program",
    # hardly any submit needs the worker
    "taskq/cli/task_options.py: from taskq.worker.handlers import load_handlers",
    # a project may have no django.tasks
    "taskq/contrib/django/found.py: from taskq.contrib.django.interface import Task",
    "taskq/contrib/django/handlers.py: from taskq.contrib.django.running import spec_of",
    # every pytest where taskq is installed loads the plugin
    "taskq/testing/plugin.py: from taskq.queue import TaskQueue",
    "taskq/testing/plugin.py: from taskq.testing.attach import attached",
    "taskq/testing/plugin.py: from taskq.testing.faults import ServerProcess",
    "taskq/testing/plugin.py: from taskq.testing.namespace import delete_keys",
    "taskq/worker/reload.py: import watchfiles",  # an extra
    "taskq/worker/runners.py: import uvloop",
}


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".lua")]
    return sorted(path for path in found if "__pycache__" not in path.parts)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


PACKAGE = sources("taskq")
MODULES = [path for path in PACKAGE if path.suffix == ".py"]


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 40
    assert len(PACKAGE) - len(MODULES) > 30


@pytest.mark.parametrize("path", PACKAGE, ids=shown)
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, "what is the second subject in it?"


def test_no_function_is_too_long() -> None:
    long = [
        f"{shown(path)}: {function.name}"
        for path in MODULES
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= MOST_FUNCTION_LINES
    ]
    assert long == []


def test_every_module_says_what_it_is_about() -> None:
    names = [
        shown(path)
        for path in sources("taskq", "tests", "bench", "scripts", "examples")
        if path.stem in FORBIDDEN or path.parent.name in FORBIDDEN
    ]
    assert names == []


def test_imports_stand_at_the_top() -> None:
    late = {
        f"{shown(path)}: {ast.unparse(node)}"
        for path in MODULES
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert late == LATE_IMPORTS


def test_every_module_has_a_docstring() -> None:
    silent = [
        shown(path)
        for path in MODULES
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []

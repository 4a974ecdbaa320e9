"""No message becomes code: nothing is unpickled, evaluated or imported because of what stands in Redis."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from taskq import Task, TaskQueue, TaskWorker

PACKAGE = Path(__file__).parents[2] / "taskq"
UNSAFE_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
# which of our modules import something by name: the handlers that the user has named, and otherwise modules of our own
# and the libraries for schemas, by names that stand in the code
MAY_IMPORT = {
    "worker/handlers.py",
    "cli/commands.py",
    "cli/progress.py",
    "__init__.py",
    "metrics/extra.py",
    "model/schema.py",
    "testing/__init__.py",
}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_here_makes_code_of_data(path: Path) -> None:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names} & UNSAFE_MODULES
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").partition(".")[0]} & UNSAFE_MODULES
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found |= {node.func.id} & UNSAFE_CALLS
        elif isinstance(node, ast.keyword) and node.arg == "shell":
            found.add("shell")
        elif isinstance(node, ast.Attribute) and node.attr == "import_module":
            found |= set() if str(path.relative_to(PACKAGE)) in MAY_IMPORT else {"import_module"}
    assert found == set()


@pytest.mark.parametrize("task_type", ["os.system", "builtins.eval", "subprocess.run", "__import__", "register"])
def test_a_type_is_looked_up_and_never_imported(redis_url: str, prefix: str, task_type: str) -> None:
    with TaskQueue(redis_url, prefix=prefix) as queue:
        worker = TaskWorker(queue)
        task_id = queue.submit_task(Task(task_type=task_type, payload="touch /tmp/owned"))
        assert worker.run_until_empty() == 0
        assert queue.explain(task_id).reason == "unknown_type"

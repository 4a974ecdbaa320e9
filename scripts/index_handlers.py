"""What the workers of the main job do: ``queue_worker.py --handlers scripts.index_handlers`` loads this module."""

from __future__ import annotations

import ast
import threading
import time
import warnings
from pathlib import Path
from typing import Any, Protocol

from taskq import RetryPolicy, Task

# Each adds one path through its function.
_BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.comprehension,
    ast.match_case,
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_CANNOT_PARSE = (SyntaxError, ValueError, RecursionError, MemoryError)
# Before Python 3.11.8 and 3.12.2, threads that parse at the same time can fail with a SystemError (CPython gh-106905).
_one_at_a_time = threading.Lock()


class _Worker(Protocol):
    def register_handler(self, task_type: str, handler: Any, policy: RetryPolicy | None = None) -> None: ...


def register(worker: _Worker) -> None:
    """Tell a worker which function runs which type of task."""
    # Old source has escapes that today's Python warns about; nobody reads that in the log of a worker.
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    # A file that does not parse will not parse a minute later: straight to the dead letters. Anything else, such as
    # a file that is not there yet, is worth another try.
    worker.register_handler("index_file", index_file, RetryPolicy(discard_on=(SyntaxError,)))
    worker.register_handler("recheck", recheck)


def index_file(task: Task) -> dict[str, Any]:
    """Measure one source file.

    Args:
        task: its payload has ``name``, for people, and ``path``.

    Returns:
        name, lines, functions, classes, complexity (cyclomatic, summed over the functions and the module itself), the
        most complex function as ``worst``, and cpu_seconds.

    Raises:
        SyntaxError: if it does not parse; the message says where and why.
        OSError: if it cannot be read.
    """
    begun = time.thread_time()
    source = Path(task.payload["path"]).read_bytes()
    name = task.payload["name"]
    measured = _measure(_parse(source, name))
    lines = source.count(b"\n") + (not source.endswith(b"\n") and source != b"")
    return {"name": name, "lines": lines, **measured, "cpu_seconds": round(time.thread_time() - begun, 4)}


def recheck(task: Task) -> dict[str, int]:
    """Count the lines of some files again, one by one.

    Args:
        task: its payload has ``files``, a dict of paths by name.

    Returns:
        Lines by name.
    """
    return {name: _count_lines(Path(path)) for name, path in task.payload["files"].items()}


def _count_lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def _parse(source: bytes, name: str) -> ast.Module:
    try:
        with _one_at_a_time:
            return ast.parse(source)
    except _CANNOT_PARSE as error:
        where = f"{name}, line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else name
        what = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        raise SyntaxError(f"{where}: {what}") from None


def _measure(module: ast.Module) -> dict[str, Any]:
    """Count in one walk. A stack, not recursion: generated code nests deeper than Python's own limit."""
    owners = ["module"]
    complexity = [1]
    classes = 0
    todo: list[tuple[ast.AST, int]] = [(module, 0)]
    while todo:
        node, owner = todo.pop()
        if isinstance(node, _FUNCTIONS):
            owner = len(owners)
            owners.append(f"{node.name}, line {node.lineno}")
            complexity.append(1)
        elif isinstance(node, ast.ClassDef):
            classes += 1
        elif isinstance(node, _BRANCHES):
            complexity[owner] += 1 + len(getattr(node, "ifs", ()))
        elif isinstance(node, ast.BoolOp):
            complexity[owner] += len(node.values) - 1
        todo.extend((child, owner) for child in ast.iter_child_nodes(node))
    worst = max(range(len(owners)), key=complexity.__getitem__)
    return {
        "functions": len(owners) - 1,
        "classes": classes,
        "complexity": sum(complexity),
        "worst": {"where": owners[worst], "complexity": complexity[worst]},
    }

"""A tree of tasks as text: what `task show --tree` prints."""

from __future__ import annotations

from collections.abc import Iterator

from taskq.cli.output import error_line, printable
from taskq.workflow.trees import TaskTree, TreeFamily


def tree_text(root: TaskTree) -> str:
    """Return a tree, one task a line, each family below its task with its numbers."""
    return "\n".join(_lines(root, ""))


def _lines(node: TaskTree, indent: str) -> Iterator[str]:
    words = [node.task_id, node.status, node.task_type]
    if node.seen:
        words.append("(as above)")
    elif node.error:
        words.append(error_line(node.error))
    yield indent + "  ".join(printable(word) for word in words if word)
    for family in node.families:
        yield f"{indent}  {_family(family)}"
        for child in family.tasks:
            yield from _lines(child, f"{indent}    ")
        if family.total > len(family.tasks):
            yield f"{indent}    ... {family.total - len(family.tasks):,} more"


def _family(family: TreeFamily) -> str:
    """Return a line like ``3 children, wait_all: 1 completed, 1 failed, 1 open``."""
    what = "dependencies" if family.kind == "depends_on" else "children"
    left = family.total - family.completed - family.failed
    numbers = [
        f"{number:,} {word}"
        for number, word in ((family.completed, "completed"), (family.failed, "failed"), (left, "open"))
        if number
    ]
    return f"{family.total:,} {what}, {family.policy}: {', '.join(numbers)}"

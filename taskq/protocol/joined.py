"""Several submits of one task each as one call of the script. No I/O here.

The script stores all of its tasks or none. Where it refuses, nothing was stored, and each submit is to be sent by
itself: what it is told then is about its own task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskq.protocol.operation import Argument, Operation

# A script call holds up everybody else: with so much in it, for less than a millisecond.
MOST_TASKS = 100
MOST_CHARACTERS = 200_000

# What the script answers a submit of one task that it has stored, now or before.
STORED: list[Any] = [1, []]
# max_length, reused, groups, others, list, size, id, body
_WORDS = 8


def alike(operation: Operation[Any]) -> tuple[Any, ...] | None:
    """Return what submits must have in common to be joined; None for an operation that travels by itself.

    That is one new task under an id that nobody has used, which may start now: it has no id of its own, no unique key
    and no time over which the script might refuse it.
    """
    args = operation.args
    if operation.script.name != "submit" or len(args) != _WORDS or args[1] != 0 or args[3] != 0:
        return None
    return operation.script, operation.root, args[0]


def task_of(operation: Operation[Any]) -> tuple[Any, Any]:
    """Return id and body of the task of such a submit."""
    return operation.args[6], operation.args[7]


def join(operations: Sequence[Operation[Any]]) -> Operation[bool]:
    """Return one call that does what submits that are alike do; its value is whether the script has done it."""
    groups: dict[Argument, list[Argument]] = {}
    for operation in operations:
        groups.setdefault(operation.args[4], []).extend(operation.args[6:])
    words: list[Argument] = [operations[0].args[0], 0, len(groups), 0]
    for name, members in groups.items():
        words += (name, len(members) // 2, *members)
    return Operation(operations[0].script, operations[0].root, tuple(words), lambda reply: reply[0] == 1)

"""The calls to the server that longer work is made of: checkpoints, and tasks that wait for others. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from taskq.protocol.operation import Argument, Operation

# as in operations.py, which loads these scripts with the others
ARGUMENTS: dict[str, str] = {
    "checkpoint": "id fence data ttl",
    "recall": "id",
    "fanout": "family owner fence total policy need ttl base max_length data rest*",
    "gather": "family start count",
    "graph": "max_length rest*",
    "report": "family id result call_id",
}

DONE, STALE, ASKED_TO_STOP, UNKNOWN = 1, 0, -1, -2


@dataclass(frozen=True, slots=True)
class FamilyPlan:
    """A family that is to be made.

    Attributes:
        name: of the family.
        total: how many children it will have.
        policy: ``wait_all``, ``fail_fast`` or ``quorum``.
        need: how many have to complete, for a quorum.
        owner: the task that will wait; empty: nobody does.
        fence: of the attempt of the owner.
        ttl_ms: how long it is kept if nobody waits for it.
        data: a note that is kept with it.
    """

    name: str
    total: int
    policy: str
    need: int = 0
    owner: str = ""
    fence: str = ""
    ttl_ms: int = 0
    data: str = ""


class Child(NamedTuple):
    """One child on its way in."""

    task_id: str
    envelope: str
    list_name: str


class Node(NamedTuple):
    """One task of a graph on its way in, and the ids of those that it waits for."""

    task_id: str
    envelope: str
    list_name: str
    policy: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """How far a family has come.

    Attributes:
        total: how many children it is to have; 0: there is no such family.
        stored: how many there are.
        completed: how many have completed.
        failed: how many have ended otherwise.
        done: ``completed`` or ``failed`` once it is decided, else empty.
        data: the note that is kept with it.
        ids: of the children of one page.
        results: of the children of one page, empty for an open one.
    """

    total: int
    stored: int
    completed: int
    failed: int
    done: str
    data: str
    ids: tuple[str, ...]
    results: tuple[bytes, ...]


class WorkflowOperations:
    """The part of ``Protocol`` for workflows."""

    def _build(self, name: str, args: Iterable[Argument], parse: Callable[[Any], Any] = ...) -> Operation[Any]:
        raise NotImplementedError

    def checkpoint(self, task_id: str, fence: str, data: str, ttl_ms: int) -> Operation[int]:
        """Keep a checkpoint, or delete it with a TTL of 0: ``DONE``, ``STALE``, ``ASKED_TO_STOP`` or ``UNKNOWN``.

        Without a fence it is not the word of an attempt, and none can be stale.
        """
        return self._build("checkpoint", (task_id, fence, data, ttl_ms))

    def recall(self, task_id: str) -> Operation[tuple[bytes | None, bool]]:
        """Return the checkpoint, if there is one, and whether the task is known."""
        return self._build("recall", (task_id,), lambda reply: (reply[0], reply[1] == 1))

    def fanout(
        self, plan: FamilyPlan, base: int, children: Sequence[Child], max_length: int
    ) -> Operation[tuple[int, Any]]:
        """Store the children behind the first ``base`` ones: a code and what belongs to it, see lua/fanout.lua."""
        head = (plan.name, plan.owner, plan.fence, plan.total, plan.policy, plan.need, plan.ttl_ms, base, max_length)
        words = [word for child in children for word in child]
        return self._build("fanout", (*head, plan.data, *words), lambda reply: (reply[0], reply[1]))

    def graph(self, nodes: Sequence[Node], max_length: int) -> Operation[tuple[int, Any]]:
        """Store tasks that wait for others, all or none: a code and what belongs to it, see lua/graph.lua."""
        words: list[Argument] = []
        for node in nodes:
            words += (node.task_id, node.envelope, node.list_name, node.policy, len(node.needs), *node.needs)
        return self._build("graph", (max_length, *words), lambda reply: (reply[0], reply[1]))

    def gather(self, family: str, start: int = 0, count: int = 0) -> Operation[Family]:
        """Return how far a family has come, with a page of its children."""
        return self._build("gather", (family, start, count), _parse_family)

    def report(self, family: str, task_id: str, result: str, call_id: str) -> Operation[tuple[int, bool]]:
        """Count a child by hand: 1 counted, 0 it was before, -1 no such child; and whether this has ended all."""
        return self._build("report", (family, task_id, result, call_id), lambda reply: (reply[0], reply[1] == 1))


def _parse_family(reply: list[Any]) -> Family:
    words = [word.decode("utf-8", "replace") for word in reply[0]]
    fields = dict(zip(words[::2], words[1::2], strict=True))
    return Family(
        total=int(fields.get("total", 0)),
        stored=reply[1],
        completed=int(fields.get("completed", 0)),
        failed=int(fields.get("failed", 0)),
        done=fields.get("done", ""),
        data=fields.get("data", ""),
        ids=tuple(word.decode("utf-8", "backslashreplace") for word in reply[2]),
        results=tuple(word or b"" for word in reply[3]),
    )

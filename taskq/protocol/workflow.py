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
    "commit": "id fence nonce saga data groups max_length rest*",
    "signal": "id name data most",
    "hear": "id name",
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


@dataclass(frozen=True, slots=True)
class CommitPlan:
    """What one attempt wants to happen together.

    Attributes:
        task_id: of the task.
        fence: of the attempt.
        nonce: made up for this one call.
        checkpoint: what to keep; empty: nothing new.
        completion: result and ms to keep it, if the task completes by it.
        saga: how far a saga has come, in words; empty: it is none.
    """

    task_id: str
    fence: str
    nonce: str
    checkpoint: str = ""
    completion: tuple[str, int] | None = None
    saga: str = ""


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


class Hearing(NamedTuple):
    """What a task was told.

    Attributes:
        data: what was said, as it is stored; None: it was not told.
        late: the numbers of its waits that ran out of time.
        is_saga: whether it is a saga that has begun.
    """

    data: bytes | None
    late: frozenset[str]
    is_saga: bool


@dataclass(frozen=True, slots=True)
class Family:
    """How far a family has come.

    Attributes:
        total: how many children it is to have; 0: there is no such family.
        policy: when it is done.
        stored: how many there are.
        completed: how many have completed.
        failed: how many have ended otherwise.
        done: ``completed`` or ``failed`` once it is decided, else empty.
        data: the note that is kept with it.
        ids: of the children of one page.
        results: of the children of one page, empty for an open one.
    """

    total: int
    policy: str
    stored: int
    completed: int
    failed: int
    done: str
    data: str
    ids: tuple[str, ...]
    results: tuple[bytes, ...]

    @property
    def ended(self) -> int:
        """How many children it has counted."""
        return self.completed + self.failed


class WorkflowOperations:
    """The part of ``Protocol`` for workflows."""

    def _build(self, name: str, args: Iterable[Argument], parse: Callable[[Any], Any] = ...) -> Operation[Any]:
        raise NotImplementedError

    def checkpoint(self, task_id: str, fence: str, data: str, ttl_ms: int) -> Operation[int]:
        """Keep a checkpoint, or delete it with a TTL of 0: ``DONE``, ``STALE``, ``ASKED_TO_STOP`` or ``UNKNOWN``.

        With a TTL of -1 it is kept as long as the task. Without a fence it is not the word of an attempt, and none can
        be stale.
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

    def gather(self, family: str | bytes, start: int = 0, count: int = 0) -> Operation[Family]:
        """Return how far a family has come, with a page of its children."""
        return self._build("gather", (family, start, count), _parse_family)

    def report(self, family: str, task_id: str, result: str, call_id: str) -> Operation[tuple[int, bool]]:
        """Count a child by hand: 1 counted, 0 it was before, -1 no such child; and whether this has ended all."""
        return self._build("report", (family, task_id, result, call_id), lambda reply: (reply[0], reply[1] == 1))

    def commit(self, plan: CommitPlan, children: Sequence[Child], max_length: int) -> Operation[tuple[int, Any]]:
        """Let several things happen together: a code and what belongs to it, see lua/commit.lua."""
        words: list[Argument] = []
        if plan.completion is not None:
            result, ttl_ms = plan.completion
            words += (plan.fence, ttl_ms, 1, plan.task_id, result)
        for child in children:
            words += child
        groups = int(plan.completion is not None)
        head = (plan.task_id, plan.fence, plan.nonce, plan.saga, plan.checkpoint, groups, max_length)
        return self._build("commit", (*head, *words), lambda reply: (reply[0], reply[1]))

    def signal(self, task_id: str, name: str, data: str, most: int) -> Operation[str]:
        """Tell a task something: ``told``, ``missing``, ``full``, or the status with which it has ended."""
        return self._build("signal", (task_id, name, data, most), lambda reply: reply.decode())

    def hear(self, task_id: str, name: str) -> Operation[Hearing]:
        """Return what a task was told by a signal, and what else belongs to it."""
        return self._build("hear", (task_id, name), _parse_hearing)


def _parse_hearing(reply: list[Any]) -> Hearing:
    late = frozenset((reply[1] or b"").decode("utf-8", "replace").split())
    return Hearing(reply[0], late, reply[2] == 1)


def _parse_family(reply: list[Any]) -> Family:
    words = [word.decode("utf-8", "replace") for word in reply[0]]
    fields = dict(zip(words[::2], words[1::2], strict=True))
    return Family(
        total=int(fields.get("total", 0)),
        policy=fields.get("policy", ""),
        stored=reply[1],
        completed=int(fields.get("completed", 0)),
        failed=int(fields.get("failed", 0)),
        done=fields.get("done", ""),
        data=fields.get("data", ""),
        ids=tuple(word.decode("utf-8", "backslashreplace") for word in reply[2]),
        results=tuple(word or b"" for word in reply[3]),
    )

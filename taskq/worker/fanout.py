"""``ctx.fanout``: a task that makes children, waits for them without holding a slot, and goes on with their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from taskq.errors import CorruptTask
from taskq.model.result import headline
from taskq.model.retry import Discard
from taskq.model.task import Task
from taskq.protocol.workflow import Family
from taskq.states import TaskStatus
from taskq.worker.attempt import Attempt, AttemptLost, Waiting
from taskq.workflow import families
from taskq.workflow.families import FAIL_FAST, Policy

if TYPE_CHECKING:
    from taskq.queue import TaskQueue


class ChildrenFailed(Discard):
    """Raised by ``ctx.fanout`` if too many children have failed; unless it is caught, the task fails with them.

    Attributes:
        results: the result dicts of the children, in order; the status of one that has not ended is ``open``.
    """

    def __init__(self, reason: str, results: list[dict[str, Any]]) -> None:
        super().__init__(reason)
        self.results = results


def fan_out(
    queue: TaskQueue, attempt: Attempt, name: str, children: Sequence[Task], policy: Policy
) -> list[dict[str, Any]]:
    """Make the children of a family, or return what has become of them.

    Raises:
        Waiting: while they have not ended; the attempt has to end with it.
        ChildrenFailed: if the policy is not fulfilled.
        AttemptLost: if the attempt no longer counts.
        CorruptTask: if somebody else has deleted the family, or what it has gathered.
    """
    context, claim = queue.context, attempt.claim
    tasks = list(children)
    if not tasks:
        return []
    plan = families.plan_of(name, len(tasks), policy, (claim.task_id, claim.fence))
    family: Family = queue.transport.run(context.protocol.gather(name))
    if family.stored and not family.total:
        raise CorruptTask(
            f"the record of {name} is gone, so nobody knows when its {family.stored:,} children have ended: somebody "
            "else has deleted it. `taskq fsck` shows what is missing; the children run all the same"
        )
    if not family.done:
        # an id may come back with other children, while those of the earlier task are known still
        families.name_children(context, f"{name} {attempt.task.created_at}", tasks)
        try:
            queue.run_flow(families.store(context, plan, tasks, family.stored))
        except families.StaleAttempt:
            attempt.lost = True
            raise AttemptLost from None
        raise Waiting(name)
    results = queue.run_flow(families.results_of(context, name, family))
    _cancel_open(queue, results)
    if family.done == "failed":
        raise ChildrenFailed(_why(family, results, policy), results)
    return results


def _cancel_open(queue: TaskQueue, results: list[dict[str, Any]]) -> None:
    """What nobody waits for any more need not run; a child that is gone already is none the worse for it."""
    for result in results:
        if result["status"] == "open":
            queue.cancel_task(result["task_id"])


def _why(family: Family, results: list[dict[str, Any]], policy: Policy) -> str:
    bad = next(r for r in results if r["status"] in (TaskStatus.FAILED, TaskStatus.CANCELLED))
    asked = "none was to fail" if policy == FAIL_FAST else "too few are left for the quorum"
    return (
        f"{family.failed} of {family.total} children have failed, and {asked}: {bad['task_id']} {bad['status']}: "
        f"{headline(bad.get('error'))}"
    )

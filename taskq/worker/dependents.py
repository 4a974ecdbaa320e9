"""Tasks that depend on others: they are run only if what they have waited for has come out as they ask."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from taskq.model.result import headline
from taskq.protocol.workflow import Family
from taskq.registry import HandlerSpec
from taskq.states import TaskStatus
from taskq.worker.attempt import Attempt, TaskCancelled, Waiting
from taskq.workflow import families

if TYPE_CHECKING:
    from taskq.queue import TaskQueue


def awaited_results(queue: TaskQueue, attempt: Attempt) -> list[dict[str, Any]]:
    """Return what has become of the tasks that one depends on, in order.

    Raises:
        Waiting: if they have not ended, because it was replayed meanwhile.
    """
    name = f"{attempt.claim.task_id}/0"
    family: Family = queue.transport.run(queue.context.protocol.gather(name))
    if family.total and not family.done:
        raise Waiting(name)
    return queue.run_flow(families.results_of(queue.context, name, family))


def check(attempt: Attempt, results: list[dict[str, Any]]) -> None:
    """Let pass a task that is to be run.

    Raises:
        TaskCancelled: if it is not.
    """
    failed = [r for r in results if r["status"] in (TaskStatus.FAILED, TaskStatus.CANCELLED)]
    if attempt.task.run_when == "completed" and failed:
        bad = failed[0]
        raise TaskCancelled(
            f"not run: it depends on {bad['task_id']}, which is {bad['status']}: {headline(bad.get('error'))}"
        )
    if attempt.task.run_when == "failed" and not failed:
        raise TaskCancelled("not run: it was to run if what it depends on fails, and that has completed")


def guarded(spec: HandlerSpec) -> HandlerSpec:
    """Return how to run a task that depends on others: look at them first, then run it as it is run otherwise."""

    def plain(*args: Any, **kwargs: Any) -> Any:
        args, ctx = _without_context(spec, args)
        check(ctx._attempt, ctx.results())
        return spec.function(*args, **kwargs)

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        args, ctx = _without_context(spec, args)
        check(ctx._attempt, await asyncio.to_thread(ctx.results))
        return await spec.function(*args, **kwargs)

    return replace(spec, function=awaited if spec.is_async else plain, wants_context=True)


def _without_context(spec: HandlerSpec, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
    """Return the arguments as the handler wants them, and the context, which stands first or second."""
    at = 0 if spec.spreads else 1
    return (args if spec.wants_context else args[:at] + args[at + 1 :]), args[at]

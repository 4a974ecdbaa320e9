"""The verbs of ``WorkflowVerbs``, awaited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from taskq.flows import Context, Flow
from taskq.model.checkpoint import TTL_SECONDS
from taskq.model.task import Task
from taskq.workflow import checkpoints, families
from taskq.workflow.verbs import WorkflowVerbs

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def _documented_as(original: Callable[..., Any]) -> Callable[[F], F]:
    """Give a method the docstring of its blocking twin."""

    def decorate(function: F) -> F:
        function.__doc__ = original.__doc__
        return function

    return decorate


class AsyncWorkflowVerbs:
    """The verbs for code on an event loop."""

    @property
    def context(self) -> Context:
        """What the flows of this queue need."""
        raise NotImplementedError

    async def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    @_documented_as(WorkflowVerbs.checkpoint)
    async def checkpoint(self, task_id: str, data: Any, ttl_seconds: float = TTL_SECONDS) -> None:
        await self.run_flow(checkpoints.put(self.context, task_id, data, ttl_seconds))

    @_documented_as(WorkflowVerbs.get_checkpoint)
    async def get_checkpoint(self, task_id: str) -> Any:
        return await self.run_flow(checkpoints.get(self.context, task_id))

    @_documented_as(WorkflowVerbs.delete_checkpoint)
    async def delete_checkpoint(self, task_id: str) -> None:
        await self.run_flow(checkpoints.delete(self.context, task_id))

    @_documented_as(WorkflowVerbs.fanout)
    async def fanout(self, task_id: str, subtasks: Sequence[Task], parent_data: Any = None) -> list[str]:
        return await self.run_flow(families.fanout(self.context, task_id, subtasks, parent_data))

    @_documented_as(WorkflowVerbs.fanout_complete)
    async def fanout_complete(self, parent_id: str, subtask_id: str, result: Any) -> dict[str, Any] | None:
        return await self.run_flow(families.complete(self.context, parent_id, subtask_id, result))

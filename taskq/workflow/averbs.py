"""The verbs of ``WorkflowVerbs``, awaited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from taskq.flows import Flow
from taskq.model.checkpoint import TTL_SECONDS
from taskq.model.task import Task
from taskq.workflow import checkpoints, families, graphs, sagas, signals, trees
from taskq.workflow.sagas import SagaInfo, SagaPage
from taskq.workflow.trees import TaskTree
from taskq.workflow.verbs import WorkflowVerbs

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def documented_as(original: Callable[..., Any]) -> Callable[[F], F]:
    """Give a method the docstring of its blocking twin."""

    def decorate(function: F) -> F:
        function.__doc__ = original.__doc__
        return function

    return decorate


class AsyncWorkflowVerbs:
    """The verbs for code on an event loop."""

    spread: Any  # set by the queue: its partitions, and the queue that is confined to none of them
    _whole: Any

    async def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    @documented_as(WorkflowVerbs.checkpoint)
    async def checkpoint(self, task_id: str, data: Any, ttl_seconds: float | None = TTL_SECONDS) -> None:
        await self.run_flow(checkpoints.put(self.spread.of(task_id), task_id, data, ttl_seconds))

    @documented_as(WorkflowVerbs.get_checkpoint)
    async def get_checkpoint(self, task_id: str) -> Any:
        return await self.run_flow(checkpoints.get(self.spread.of(task_id), task_id))

    @documented_as(WorkflowVerbs.delete_checkpoint)
    async def delete_checkpoint(self, task_id: str) -> None:
        await self.run_flow(checkpoints.delete(self.spread.of(task_id), task_id))

    @documented_as(WorkflowVerbs.signal)
    async def signal(self, task_id: str, name: str, data: Any = None) -> str:
        return await self.run_flow(signals.send(self.spread.of(task_id), task_id, name, data))

    @documented_as(WorkflowVerbs.fanout)
    async def fanout(self, task_id: str, subtasks: Sequence[Task], parent_data: Any = None) -> list[str]:
        return await self.run_flow(families.fanout(self.spread.of(task_id), task_id, subtasks, parent_data))

    @documented_as(WorkflowVerbs.fanout_complete)
    async def fanout_complete(self, parent_id: str, subtask_id: str, result: Any) -> dict[str, Any] | None:
        return await self.run_flow(families.complete(self.spread.of(parent_id), parent_id, subtask_id, result))

    @documented_as(WorkflowVerbs.chain)
    async def chain(self, *tasks: Task) -> list[str]:
        ids: list[str] = await self._whole.run_flow(graphs.chain(self._whole.spread, tasks))
        return ids

    @documented_as(WorkflowVerbs.chord)
    async def chord(self, tasks: Sequence[Task], callback: Task) -> list[str]:
        ids: list[str] = await self._whole.run_flow(graphs.chord(self._whole.spread, tasks, callback))
        return ids

    @documented_as(WorkflowVerbs.group)
    async def group(self, *tasks: Task) -> list[str]:
        ids: list[str] = await self._whole.run_flow(graphs.group(self._whole.spread, tasks))
        return ids

    @documented_as(WorkflowVerbs.submit_with_callbacks)
    async def submit_with_callbacks(
        self, task: Task, *, on_success: Task | None = None, on_failure: Task | None = None
    ) -> str:
        task_id: str = await self._whole.run_flow(
            graphs.with_callbacks(self._whole.spread, task, on_success, on_failure)
        )
        return task_id

    @documented_as(WorkflowVerbs.list_sagas)
    async def list_sagas(self, limit: int = 100, state: str | None = None) -> list[SagaInfo]:
        return await self.run_flow(sagas.list_sagas(self.spread.contexts, limit, state))

    @documented_as(WorkflowVerbs.find_sagas)
    async def find_sagas(self, state: str | None = None, *, cursor: str = "", limit: int = 50) -> SagaPage:
        return await self.run_flow(sagas.find_sagas(self.spread, state, cursor, limit))

    @documented_as(WorkflowVerbs.get_saga)
    async def get_saga(self, task_id: str) -> SagaInfo:
        return await self.run_flow(sagas.get_saga(self.spread.of(task_id), task_id))

    @documented_as(WorkflowVerbs.resume_saga)
    async def resume_saga(self, task_id: str, skip: bool = False) -> SagaInfo:
        return await self.run_flow(sagas.resume_saga(self.spread.of(task_id), task_id, skip))

    @documented_as(WorkflowVerbs.abort_saga)
    async def abort_saga(self, task_id: str) -> SagaInfo:
        return await self.run_flow(sagas.abort_saga(self.spread.of(task_id), task_id))

    @documented_as(WorkflowVerbs.cancel_tree)
    async def cancel_tree(self, task_id: str) -> int:
        return await self.run_flow(trees.cancel_tree(self.spread.of(task_id), task_id))

    @documented_as(WorkflowVerbs.retry_tree)
    async def retry_tree(self, task_id: str) -> int:
        return await self.run_flow(trees.retry_tree(self.spread.of(task_id), task_id))

    @documented_as(WorkflowVerbs.get_tree)
    async def get_tree(self, task_id: str, limit: int = 200) -> TaskTree:
        return await self.run_flow(trees.get_tree(self.spread.of(task_id), task_id, limit))

"""Call the handler of an agent, whatever kind of function it is, and make a result of what it says."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from typing import Any

from taskq.agent.answer import Answer
from taskq.agent.context import AgentContext
from taskq.agent.sessions import Memory
from taskq.errors import InvalidTask
from taskq.model.task import Task
from taskq.registry import Handler, is_async, takes_two
from taskq.worker import TaskContext


def _streams_async(function: Handler) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004 - an object whose __call__ is an async generator
    return inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(call)


class Responder:
    """Answers queries with a handler.

    Args:
        function: ``fn(query)`` or ``fn(query, ctx)``: a plain function, an async one, or a generator of either kind
            that yields the answer piece by piece.
        memory: how much of a session is kept.

    Raises:
        InvalidTask: if the function cannot be used.
    """

    def __init__(self, function: Handler, memory: Memory) -> None:
        if not callable(function):
            raise InvalidTask(f"the handler of an agent is a {type(function).__name__}, not a function")
        self._function = function
        self._memory = memory
        self._wants_context = takes_two(function, "an agent", "query")
        self._streams_async = _streams_async(function)
        self.is_async = self._streams_async or is_async(function)

    def task_handler(self) -> Callable[..., Any]:
        """Return the handler of tasks of type ``agent_query``."""

        def handle_query(task: Task, ctx: TaskContext) -> dict[str, Any]:
            context = AgentContext.open(ctx, task, self._memory)
            result = self._answer(context, show=True)
            context.keep_exchange(result["answer"])
            return result

        async def handle_query_async(task: Task, ctx: TaskContext) -> dict[str, Any]:
            context = await asyncio.to_thread(AgentContext.open, ctx, task, self._memory)
            result = await self._answer_async(context, show=True)
            await asyncio.to_thread(context.keep_exchange, result["answer"])
            return result

        return handle_query_async if self.is_async else handle_query

    def item_handler(self) -> Callable[..., Any]:
        """Return the handler of one query of a batch."""

        def handle_item(query: Any, ctx: TaskContext) -> dict[str, Any]:
            return self._answer(AgentContext(ctx, ctx._attempt.task, query, self._memory), show=False)

        async def handle_item_async(query: Any, ctx: TaskContext) -> dict[str, Any]:
            context = AgentContext(ctx, ctx._attempt.task, query, self._memory)
            return await self._answer_async(context, show=False)

        return handle_item_async if self.is_async else handle_item

    def _call(self, context: AgentContext) -> Any:
        return self._function(context.query, context) if self._wants_context else self._function(context.query)

    def _answer(self, context: AgentContext, *, show: bool) -> dict[str, Any]:
        answer = Answer(context.max_bytes)
        value = self._call(context)
        if inspect.iscoroutine(value) or inspect.isasyncgen(value):
            raise InvalidTask("the handler has returned a coroutine: write it as `async def`")
        if not isinstance(value, Generator):
            return answer.result(value)
        with closing(value):
            while True:
                try:
                    piece = next(value)
                except StopIteration as end:
                    return answer.result(end.value)
                context.raise_if_cancelled()
                if answer.add(piece) and show:
                    context.progress(answer.shown())

    async def _answer_async(self, context: AgentContext, *, show: bool) -> dict[str, Any]:
        answer = Answer(context.max_bytes)
        value = self._call(context)
        if not isinstance(value, AsyncGenerator):
            return answer.result(await value)
        async with aclosing(value):
            async for piece in value:
                context.raise_if_cancelled()
                if answer.add(piece) and show:
                    await asyncio.to_thread(context.progress, answer.shown())
        return answer.result()

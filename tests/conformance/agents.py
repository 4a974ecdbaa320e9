"""An executor of agents of either kind, asked and made to answer in one call."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any

from taskq import AgentExecutor, AsyncAgentExecutor
from tests.conformance.clients import Client


class Asked:
    """An executor of either kind; each call of an async one waits for its coroutine."""

    def __init__(self, client: Client, handler: Any = None, **options: Any) -> None:
        self.client = client
        self.executor: Any = (AsyncAgentExecutor if client.kind == "async" else AgentExecutor)(
            handler, client.queue, **options
        )

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.executor, name)
        if inspect.isasyncgenfunction(attribute):
            return lambda *args, **options: iter(self.client.finish(gathered(attribute(*args, **options))))
        return lambda *args, **options: self.client.finish(attribute(*args, **options))

    def work(self, times: int = 1, **options: Any) -> None:
        """Answer what waits."""
        for _ in range(times):
            worker = self.executor.worker(**{"concurrency": 2, **options})
            worker.run_until_empty()
            if worker.queue is not self.client.queue:
                worker.queue.close()

    def ask(self, query: Any, **options: Any) -> dict[str, Any]:
        """Ask, answer, and return the result."""
        task_id = self.execute_async(query, **options)
        self.work()
        result: dict[str, Any] = self.wait_for_result(task_id, timeout=10)
        return result


async def gathered(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def plain(query: str) -> str:
    return query.upper()

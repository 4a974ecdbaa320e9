"""Both clients behind one face, and a pair of hands that does the work of a worker."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from taskq.aio import AsyncTaskQueue
from taskq.model.envelope import from_envelope
from taskq.model.result import result_json
from taskq.model.task import Task
from taskq.protocol.keys import lists_of
from taskq.protocol.operations import LeaseTimes
from taskq.protocol.replies import Claim, Settlement
from taskq.protocol.workflow import CommitPlan
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.states import TaskStatus
from taskq.workflow.sagas import Record

TTL_MS = 60_000
_STATUS = {"complete": TaskStatus.COMPLETED, "fail": TaskStatus.FAILED, "cancel": TaskStatus.CANCELLED}


class SyncClient:
    """A ``TaskQueue``."""

    kind = "sync"

    def __init__(self, settings: Settings) -> None:
        self.queue: Any = TaskQueue(settings=settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queue, name)

    def finish(self, value: Any) -> Any:
        """Return what a call of a handle or a decorated task has answered."""
        return value

    def close(self) -> None:
        self.queue.close()


class AsyncClient:
    """An ``AsyncTaskQueue`` on a loop in a thread of its own; each call waits for its coroutine."""

    kind = "async"

    def __init__(self, settings: Settings) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="client loop", daemon=True)
        self._thread.start()
        self.queue: Any = AsyncTaskQueue(settings=settings)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.queue, name)
        if not inspect.iscoroutinefunction(attribute):
            return attribute
        return lambda *args, **kwargs: self.finish(attribute(*args, **kwargs))

    def finish(self, value: Any) -> Any:
        """Return what a call of a handle or a decorated task has answered."""
        return asyncio.run_coroutine_threadsafe(value, self.loop).result(60) if inspect.isawaitable(value) else value

    def close(self) -> None:
        self.finish(self.queue.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


Client = SyncClient | AsyncClient
NewClient = Callable[..., Client]


def at_once(
    client: Client, tasks: Sequence[Task], cancel: Sequence[int] = (), rounds: int = 1, **options: Any
) -> list[Any]:
    """Submit tasks at the same moment, or from eight threads; return per task its id or its error.

    Args:
        client: of either kind.
        tasks: to submit.
        cancel: positions of callers that are cancelled; event loops only.
        rounds: of the loop before that: after 1 nothing has been sent yet, after 5 it has.
        options: of the submit.
    """
    if not isinstance(client, AsyncClient):
        with ThreadPoolExecutor(8) as threads:
            calls = [threads.submit(client.submit_task, task, **options) for task in tasks]
            return [call.exception() or call.result() for call in calls]

    async def story() -> list[Any]:
        calls = [asyncio.ensure_future(client.queue.submit_task(task, **options)) for task in tasks]
        for _ in range(rounds):
            await asyncio.sleep(0)
        for position in cancel:
            calls[position].cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    return list(client.finish(story()))


class Hands:
    """A worker without an engine: the test says when it claims and how each task ends."""

    def __init__(self, url: str, prefix: str, name: str = "hands") -> None:
        self._queue = TaskQueue(settings=Settings(redis_url=url, prefix=prefix))
        self.protocol = self._queue.namespace.protocol
        self.name = name
        self._seq = 0
        self.held: dict[str, Claim] = {}
        self.run(self.protocol.register(name, "token", LeaseTimes(30_000, 5_000), "uuid", {"host": "here"}))

    def run(self, operation: Any) -> Any:
        return self._queue.transport.run(operation)

    def serve(self, name: str, lists: list[str], types: str = "agent_query") -> None:
        """Register a worker that serves some lists and knows some types."""
        knows = " ".join(f"{task_type}@1-1" for task_type in types.split())
        card = {"lists": " ".join(lists), "types": types, "knows": knows, "bell": f"@{name}"}
        self.run(self.protocol.register(name, "token", LeaseTimes(30_000, 5_000), "uuid", card))

    def claim(self, want: int = 100, queue: str | None = None) -> list[str]:
        """Claim tasks and return their ids."""
        self._seq += 1
        reply = self.run(self.protocol.turn(self.name, "token", self._seq, want, lists_of(queue)))
        self.held |= {claim.task_id: claim for claim in reply.claims}
        return [claim.task_id for claim in reply.claims]

    def end(self, task_id: str, outcome: str = "complete", *, error: str | None = None, delay_ms: int = 0) -> None:
        """Settle a claimed task; a completed one returns its payload."""
        claim = self.held.pop(task_id)
        if outcome not in _STATUS:
            settlement = Settlement(task_id, claim.fence, outcome, error or "", delay_ms)
        else:
            payload = from_envelope(claim.envelope).payload
            body = result_json(
                task_id,
                _STATUS[outcome],
                result=payload if outcome == "complete" else None,
                error=error,
                duration=0.25,
                worker_id=self.name,
                attempts=claim.attempt,
                completed_at_ms=1_800_000_000_000,
            )
            settlement = Settlement(task_id, claim.fence, outcome, body, TTL_MS)
        assert self.run(self.protocol.settle([settlement])) == ()

    def work(self, outcome: str = "complete", **options: Any) -> list[str]:
        """Claim everything that waits in the default queue and let it end."""
        ids = self.claim()
        for task_id in ids:
            self.end(task_id, outcome, **options)
        return ids

    def begin_saga(self, task_id: str, record: Record) -> str:
        """Claim a task and let it be a saga that has come so far; return its id."""
        self.claim()
        text = record.checkpoint().to_text(task_id, 10_000, None)
        plan = CommitPlan(task_id, self.held[task_id].fence, "nonce", text, None, record.words)
        assert self.run(self.protocol.commit(plan, (), 0)) == (1, 0)
        return task_id

    def close(self) -> None:
        self._queue.close()

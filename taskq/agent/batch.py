"""``batch_handler``: one task for many items, each with a result or an error of its own."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskq.errors import InvalidTask
from taskq.model.codec import encode
from taskq.model.retry import ControlFlow, Discard, Retry, Snooze
from taskq.model.task import Task
from taskq.registry import Handler, is_async, takes_two

if TYPE_CHECKING:
    from taskq.worker.context import TaskContext

BatchHandler = Callable[[Task, "TaskContext"], Awaitable[dict[str, Any]]]

MAX_ITEM_BYTES = 65_536
_ERROR_CHARS = 500
_BYTES_PER_ITEM = 16  # a comma, and in a note the count of its retries
# Without `every`, notes take at most a tenth of the time: each one holds all results so far.
_WORK_PER_NOTE = 9.0


@dataclass(frozen=True, slots=True)
class _Plan:
    function: Handler
    wants_context: bool
    is_async: bool
    concurrency: int
    every: int | None
    max_item_bytes: int
    field: str


def batch_handler(
    function: Handler,
    *,
    concurrency: int = 1,
    every: int | None = None,
    max_item_bytes: int = MAX_ITEM_BYTES,
    field: str = "queries",
) -> BatchHandler:
    """Return the handler of tasks with many items, such as those of type ``batch_query``.

    An item that raises has its error in the result, and the others go on. A task that is run again goes on with the
    items that are not done. An item that raises ``Retry`` or ``Snooze`` puts the batch off until then, without charging
    an attempt; after ``max_retries`` the item has failed.

    Args:
        function: ``fn(item)`` or ``fn(item, ctx)``, plain or async; what it returns is JSON. A plain one runs on
            threads of the batch, and is not interrupted when the task is.
        concurrency: items at a time.
        every: note what is done after so many items; None: so often that it takes less than a tenth of the time.
        max_item_bytes: the largest result of one item, as JSON; a larger one is an error of the item.
        field: where the items are in the payload.

    Returns:
        The handler. Its result is ``{"total", "ok", "failed", "results"}``, with ``{"ok": True, "result": ...}`` or
        ``{"ok": False, "error": ...}`` for each item, in order. If all results together are larger than a result may
        be, the task fails; its checkpoint has what is done.

    Raises:
        InvalidTask: if an argument cannot be used.
    """
    if not callable(function):
        raise InvalidTask(f"the handler of an item is a {type(function).__name__}, not a function")
    numbers = {"concurrency": concurrency, "max_item_bytes": max_item_bytes, "every": 1 if every is None else every}
    for name, value in numbers.items():
        if type(value) is not int or value < 1:
            raise InvalidTask(f"{name} is {value!r:.60}: use a whole number above 0")
    wants_context = takes_two(function, "a batch", "item")
    plan = _Plan(function, wants_context, is_async(function), concurrency, every, max_item_bytes, field)

    async def handle_batch(task: Task, ctx: TaskContext) -> dict[str, Any]:
        batch = _Batch(task, ctx, plan, await asyncio.to_thread(ctx.get_checkpoint))
        return await batch.run()

    return handle_batch


def _items_of(payload: Any, field: str) -> list[Any]:
    items = payload.get(field) if isinstance(payload, dict) else payload
    if not isinstance(items, list):
        raise Discard(
            f"the payload of a batch is {{{field!r}: [...]}}, with a list; here it is a {type(items).__name__}"
        )
    return items


async def _on_a_thread(function: Handler, args: tuple[Any, ...]) -> Any:
    """Call a plain function beside the loop. A process need not wait for such a thread to be able to end."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Any] = loop.create_future()

    def deliver(value: Any, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(value)
        else:
            outcome.set_exception(RuntimeError("StopIteration") if isinstance(error, StopIteration) else error)

    def call() -> None:
        value, error = None, None
        try:
            value = function(*args)
        except BaseException as caught:
            error = caught
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(deliver, value, error)

    threading.Thread(target=call, name="taskq batch", daemon=True).start()
    return await outcome


class _Batch:
    """One attempt to get through the items of a task."""

    def __init__(self, task: Task, ctx: TaskContext, plan: _Plan, noted: Any) -> None:
        self._policy = ctx._attempt.policy
        self._ctx = ctx
        self._plan = plan
        self._items = _items_of(task.payload, plan.field)
        results = noted.get("results") if isinstance(noted, dict) else None
        fits = isinstance(results, list) and len(results) == len(self._items)
        self._results: list[dict[str, Any] | None] = results if fits and results else [None] * len(self._items)
        self._retries: dict[str, int] = noted.get("retries", {}) if fits else {}
        self._bytes = _BYTES_PER_ITEM * len(self._items)
        self._bytes += sum(len(encode(outcome, "result").encode()) for outcome in self._results if outcome)
        self._put_off: list[float] = []
        self._unnoted = 0
        self._next_note = 0.0

    async def run(self) -> dict[str, Any]:
        await self._show()
        await self._work()
        if self._put_off:
            await self._note()
            late = len(self._results) - self._done
            raise Snooze(min(self._put_off), f"{late} of {len(self._results)} items are to be done later")
        ok = self._done - self._failed
        return {"total": len(self._results), "ok": ok, "failed": self._failed, "results": self._results}

    async def _work(self) -> None:
        todo = iter([index for index, outcome in enumerate(self._results) if outcome is None])
        running: dict[asyncio.Task[Any], int] = {}
        try:
            while True:
                # whoever asks to be run later is seldom alone: a rate limit is meant for all
                while len(running) < self._plan.concurrency and not self._put_off:
                    index = next(todo, None)
                    if index is None:
                        break
                    running[asyncio.create_task(self._call(self._items[index]))] = index
                if not running:
                    return
                ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for future in ended:
                    await self._keep(running.pop(future), future)
                await self._note_if_due()
                self._ctx.raise_if_cancelled()
        finally:
            for future in running:
                future.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _call(self, item: Any) -> Any:
        args = (item, self._ctx) if self._plan.wants_context else (item,)
        try:
            return await (
                self._plan.function(*args) if self._plan.is_async else _on_a_thread(self._plan.function, args)
            )
        except (SystemExit, KeyboardInterrupt) as error:  # they would end the loop, and all who run on it
            raise RuntimeError(f"the item ended with {error!r}") from None

    async def _keep(self, index: int, future: asyncio.Task[Any]) -> None:
        try:
            outcome = {"ok": True, "result": future.result()}
            size = len(encode(outcome["result"], "result").encode())
            if size > self._plan.max_item_bytes:
                raise InvalidTask(
                    f"its result is {size:,} bytes, more than the {self._plan.max_item_bytes:,} of max_item_bytes: "
                    "store it elsewhere and return a reference"
                )
        except (Retry, Snooze) as again:
            if self._again(index, again):
                return
            outcome = {"ok": False, "error": f"{again.reason or 'it was to be run again'} (retries are used up)"}
        except Discard as error:
            outcome = {"ok": False, "error": error.reason}
        except ControlFlow:
            raise
        except (Exception, asyncio.CancelledError) as error:
            outcome = {"ok": False, "error": "".join(traceback.format_exception_only(error)).strip()}
        if not outcome["ok"]:
            outcome["error"] = str(outcome["error"]).encode("utf-8", "replace").decode()[:_ERROR_CHARS]
        self._bytes += len(encode(outcome, "result").encode())
        if self._bytes > self._ctx.max_bytes:
            await self._note()
            raise Discard(
                f"the results of {self._done + 1:,} of {len(self._results):,} items are more than the "
                f"{self._ctx.max_bytes:,} bytes that fit into a result (TASKQ_MAX_MESSAGE_SIZE): return less for each, "
                "such as a reference, or submit smaller batches. What is done is in the checkpoint of this task"
            )
        self._results[index] = outcome
        self._unnoted += 1

    def _again(self, index: int, again: Retry | Snooze) -> bool:
        """Note that an item is to be run later; return False if it has had all its retries."""
        after_ms = again.after_ms
        if isinstance(again, Retry):
            tries = self._retries.get(str(index), 0)
            if tries >= self._policy.max_retries:
                return False
            self._retries[str(index)] = tries + 1
        self._put_off.append(self._policy.delay_seconds if after_ms is None else after_ms / 1000)
        return True

    @property
    def _done(self) -> int:
        return sum(outcome is not None for outcome in self._results)

    @property
    def _failed(self) -> int:
        return sum(outcome is not None and not outcome["ok"] for outcome in self._results)

    async def _note_if_due(self) -> None:
        every = self._plan.every
        due = time.monotonic() >= self._next_note if every is None else self._unnoted >= every
        if due and self._unnoted:
            await self._note()

    async def _note(self) -> None:
        begun = time.monotonic()
        # one note for results and place: there is no instant at which the one is kept without the other
        note = {"results": self._results, "retries": self._retries}
        await asyncio.to_thread(self._ctx.checkpoint, note, ttl_seconds=None)
        await self._show()
        self._unnoted = 0
        ended = time.monotonic()
        self._next_note = ended + _WORK_PER_NOTE * (ended - begun)

    async def _show(self) -> None:
        done, failed, total = self._done, self._failed, len(self._results)
        message = f"{done}/{total}" + (f", {failed} failed" if failed else "")
        await asyncio.to_thread(self._ctx.progress, done / total if total else 1.0, message)

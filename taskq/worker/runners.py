"""Run handlers: on the engine's own thread, on threads, or on an event loop.

No runner touches Redis, but for the last word of a context.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import heapq
import itertools
import threading
import time
from _thread import LockType, allocate_lock
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from taskq.logs import here
from taskq.protocol.replies import Settlement
from taskq.worker.attempt import Attempt, Judge, Place, TaskTimeout

# (attempt, how it ended, whether the same thread has more that takes microseconds)
Finished = Callable[[Attempt, Settlement, bool], None]

_ALARMS_KEPT = 256
# A hand-over to another thread costs about as much as a task of this length.
_TINY_SECONDS = 0.0001
# For one task on an idle system it is two awakenings, and caches that have forgotten meanwhile.
_SHORT_SECONDS = 0.0003
_FORGET = 0.75
# More than these are a load, for which threads are better.
_FEW = 4
# How long an event loop may take to end; a coroutine that does not end when it is cancelled is left behind.
_CLOSING_SECONDS = 0.5


class Runner(Protocol):
    """Takes attempts and reports each settlement once."""

    def dispatch(self, attempts: list[Attempt]) -> None: ...
    def backlog(self) -> bool: ...
    def help(self) -> None: ...
    def light(self, attempts: Sequence[Attempt]) -> bool: ...
    def run_here(self, attempt: Attempt) -> None: ...
    def stop(self) -> None: ...


class Alarm:
    """Raises ``TaskTimeout`` inside handlers that run on threads past their time.

    It reaches Python code at its next bytecode; a call that blocks in C does not notice. For those the supervisor kills
    the process.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Attempt, int]] = []
        self._roomy = _ALARMS_KEPT
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def set(self, attempt: Attempt, thread_id: int, timeout_seconds: float) -> None:
        """Ring for an attempt when its time is over."""
        with self._changed:
            if len(self._heap) >= self._roomy:
                # most tasks end long before their time: without this, a day's worth of them would pile up here
                self._heap = [alarm for alarm in self._heap if not alarm[2].over]
                heapq.heapify(self._heap)
                self._roomy = max(_ALARMS_KEPT, 2 * len(self._heap))
            heapq.heappush(self._heap, (attempt.started + timeout_seconds, next(self._order), attempt, thread_id))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="taskq alarm", daemon=True)
                self._thread.start()
            if self._heap[0][2] is attempt:  # else it looks again before this one is due
                self._changed.notify()

    def __len__(self) -> int:
        return len(self._heap)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._heap or self._heap[0][0] > time.monotonic():
                    self._changed.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                _, _, attempt, thread_id = heapq.heappop(self._heap)
            with attempt.lock:
                if not attempt.over:
                    attempt.timed_out = True
                    _raise_in(thread_id, TaskTimeout)


def _raise_in(thread_id: int, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(error))


_alarm = Alarm()


def execute(judge: Judge, attempt: Attempt) -> Settlement:
    """Run a plain handler on this thread and return the settlement."""
    timeout = attempt.task.timeout
    settlement = _execute(judge, attempt) if timeout is None else _execute_timed(judge, attempt, timeout)
    if attempt.ctx is not None:
        attempt.ctx._say_last()
    return settlement


def _execute(judge: Judge, attempt: Attempt) -> Settlement:
    attempt.started = time.monotonic()
    try:
        return judge.completed(attempt, attempt.spec.call(attempt.task, attempt.ctx))
    except BaseException as error:  # whatever a handler, or its result, raises ends its attempt, never the worker
        return judge.raised(attempt, error)


def _execute_timed(judge: Judge, attempt: Attempt, timeout: float) -> Settlement:
    thread_id = threading.get_ident()
    attempt.started = time.monotonic()
    try:
        _alarm.set(attempt, thread_id, timeout)
        try:
            value = attempt.spec.call(attempt.task, attempt.ctx)
        finally:
            # an alarm that rings at the last moment is heard before this lock is let go of; later, it would hit the
            # next task. To take it back with None instead would hang threads under a profiler for good, in Python 3.11.
            with attempt.lock:
                attempt.over = True
        return judge.completed(attempt, value)
    except BaseException as error:
        return judge.raised(attempt, error)


def _place(judge: Judge) -> Place:
    """Return where this thread notes what it runs, for those who log."""
    found = here.get()
    if not isinstance(found, Place) or found.judge is not judge:
        found = Place(judge)
        here.set(found)
    return found


class InlineRunner:
    """Runs plain handlers on the thread of the engine: for one slot, a hand-over would cost more than a no-op task."""

    def __init__(self, judge: Judge, finished: Finished) -> None:
        self._judge = judge
        self._finished = finished

    def dispatch(self, attempts: list[Attempt]) -> None:
        """Run attempts one after another."""
        for attempt in attempts:
            self.run_here(attempt)

    def backlog(self) -> bool:
        """Nothing ever waits."""
        return False

    def help(self) -> None:
        """Nobody needs it."""

    def light(self, attempts: Sequence[Attempt]) -> bool:
        """They run on this thread anyway."""
        return False

    def run_here(self, attempt: Attempt) -> None:
        """Run an attempt on this thread."""
        _place(self._judge).attempt = attempt
        self._finished(attempt, execute(self._judge, attempt), False)

    def stop(self) -> None:
        """Nothing is left to stop."""


class ThreadRunner:
    """Runs plain handlers on up to ``slots`` threads, started when needed.

    At most one thread is on its way out of its bed at a time; when it is up and has taken an attempt, it wakes the next
    one if more are left, unless its own is of a type that usually takes microseconds. A burst of tiny tasks is so run
    by one thread without a hand-over for each, and tasks that block get a thread each. A usually tiny one that does
    block is noticed by the engine, which calls for ``help``.
    """

    def __init__(self, judge: Judge, finished: Finished, slots: int) -> None:
        self._judge = judge
        self._finished = finished
        self._slots = slots
        self._todo: deque[Attempt | None] = deque()
        self._idle: deque[LockType] = deque()
        self._threads: list[threading.Thread] = []
        self._growing = allocate_lock()
        self._rising = False
        # type -> seconds that its handler takes, long ones remembered for a while
        self._takes: dict[str, float] = {}

    def backlog(self) -> bool:
        """Whether attempts wait for a thread."""
        return bool(self._todo)

    def help(self) -> None:
        """Wake a thread more if attempts still wait."""
        if self._todo:
            self._wake_one()

    def dispatch(self, attempts: list[Attempt]) -> None:
        """Hand attempts to the threads."""
        self._todo.extend(attempts)
        self._wake_one()

    def _wake_one(self) -> None:
        if self._rising:
            return
        self._rising = True
        try:
            self._idle.pop().release()
        except IndexError:
            with self._growing:
                if len(self._threads) < self._slots:
                    number = len(self._threads) + 1
                    thread = threading.Thread(target=self._work, name=f"taskq runner {number}", daemon=True)
                    self._threads.append(thread)
                    thread.start()
                else:
                    self._rising = False  # all are up; whoever is done next finds what is left

    def _work(self) -> None:
        todo, finished, judge, takes = self._todo, self._finished, self._judge, self._takes
        place = _place(judge)
        bed = allocate_lock()
        bed.acquire()
        self._rising = False
        while True:
            if not todo:  # usually so; to find it out by an exception takes five times as long
                self._sleep(bed)
                continue
            try:
                attempt = todo.popleft()
            except IndexError:  # another thread was faster
                continue
            if attempt is None:
                todo.append(None)  # for the next thread
                self._wake_one()
                return
            task_type = attempt.task.task_type
            took = takes.get(task_type, 1.0)
            if todo and took > _TINY_SECONDS:
                self._wake_one()
            place.attempt = attempt
            settlement = execute(judge, attempt)
            takes[task_type] = max(time.monotonic() - attempt.started, took * _FORGET)
            finished(attempt, settlement, took <= _TINY_SECONDS and bool(todo))

    def resize(self, slots: int) -> None:
        """Have up to this many threads; those that there are already sleep when there is nothing for them."""
        self._slots = slots

    def light(self, attempts: Sequence[Attempt]) -> bool:
        """Whether these few are of types that usually take less than a hand-over."""
        if len(attempts) > _FEW:
            return False
        most = _SHORT_SECONDS if len(attempts) == 1 else _TINY_SECONDS
        for attempt in attempts:
            if attempt.task.timeout is not None or self._takes.get(attempt.task.task_type, 1.0) > most:
                return False
        return True

    def run_here(self, attempt: Attempt) -> None:
        """Run an attempt on the thread of the caller."""
        _place(self._judge).attempt = attempt
        task_type = attempt.task.task_type
        settlement = execute(self._judge, attempt)
        self._takes[task_type] = max(time.monotonic() - attempt.started, self._takes.get(task_type, 1.0) * _FORGET)
        self._finished(attempt, settlement, False)

    def _sleep(self, bed: LockType) -> None:
        self._idle.append(bed)
        if self._todo:
            # something came between the look and the lying down; whoever has taken the bed out of the row opens it
            try:
                self._idle.remove(bed)
            except ValueError:
                bed.acquire()
                self._rising = False
            return
        bed.acquire()
        self._rising = False

    def stop(self) -> None:
        """Let the threads end when they are idle."""
        if self._threads:
            self._todo.append(None)
            self._wake_one()


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop: one of uvloop, if that is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


class LoopRunner:
    """Runs async handlers on an event loop of its own thread, each in one task of it."""

    def __init__(self, judge: Judge, finished: Finished) -> None:
        self._judge = judge
        self._finished = finished
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def dispatch(self, attempts: list[Attempt]) -> None:
        """Start attempts on the loop."""
        if self._loop is None:
            self._loop = new_loop()
            self._thread = threading.Thread(target=_serve, args=(self._loop,), name="taskq loop", daemon=True)
            self._thread.start()
        self._loop.call_soon_threadsafe(self._start, attempts)

    def _start(self, attempts: list[Attempt]) -> None:
        loop = self._loop
        assert loop is not None
        for attempt in attempts:
            task = loop.create_task(self._run(attempt))
            self._tasks[id(attempt)] = task  # the loop itself holds tasks weakly
            # only now: a task that is cancelled before its first step would settle nothing
            attempt.on_cancel = functools.partial(loop.call_soon_threadsafe, task.cancel)

    async def _run(self, attempt: Attempt) -> None:
        here.set(Place(self._judge, attempt))
        judge = self._judge
        attempt.started = time.monotonic()
        try:
            if attempt.cancel_requested:
                raise asyncio.CancelledError
            timeout = attempt.task.timeout
            call = attempt.spec.call(attempt.task, attempt.ctx)
            value = await (call if timeout is None else _within(call, attempt, timeout))
            settlement = judge.completed(attempt, value)
        except asyncio.CancelledError:
            settlement = judge.interrupted(attempt)
        except BaseException as error:  # SystemExit too: it would end the loop, and all who run on it
            settlement = judge.raised(attempt, error)
        if attempt.ctx is not None and attempt.ctx._pace.holds_back:
            await _uncancelled(attempt.ctx._say_last)
        attempt.over = True
        del self._tasks[id(attempt)]
        self._finished(attempt, settlement, False)

    def stop(self) -> None:
        """End the loop; what still runs on it is cancelled."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop)
            # a loop that is still open when the interpreter ends complains
            self._thread.join(_CLOSING_SECONDS)

    def _stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        assert self._loop is not None
        self._loop.call_soon(self._loop.stop)


async def _uncancelled(call: Callable[[], object]) -> None:
    """Wait for a blocking call on another thread, whoever cancels this task meanwhile: its outcome is known already."""
    calling = asyncio.get_running_loop().run_in_executor(None, call)
    while not calling.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(calling)


async def _within(call: Awaitable[Any], attempt: Attempt, seconds: float) -> Any:
    """Return what a coroutine returns.

    Raises:
        TaskTimeout: if it takes longer.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            return await call
    except TimeoutError as error:
        if not limit.expired():
            raise
        attempt.timed_out = True
        raise TaskTimeout(f"{seconds:g} s") from error

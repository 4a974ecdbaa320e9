"""Work on many tasks, step by step, with a bar that shows how far it has come."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from taskq import partitions
from taskq.aio import AsyncTaskQueue
from taskq.errors import TaskqError
from taskq.flows import lists_meant
from taskq.observe.pages import TaskFilter
from taskq.operate.watching import watched
from taskq.web.letters import group_key

_PAGE = 100
_MOST_KEPT = 50
# what is done to dead letters
VERBS = {"replay": ("Replaying", "replayed"), "discard": ("Discarding", "discarded")}
_PURGE = "purge"
_WORDS = {**VERBS, _PURGE: ("Deleting", "deleted")}


@dataclass(slots=True)
class Job:
    """One piece of work.

    Attributes:
        verb: ``replay`` or ``discard`` of dead letters, or ``purge`` of what waits.
        about: only dead letters with this error, empty: all; or the queue, and behind a colon the priority if it is one
            list.
        looked_at: dead letters that were looked at so far.
        total: how many are to be changed; None while that is being found out.
        done: how many were changed.
        ended: whether it is over; ``error`` says why if it ended early.
    """

    job_id: str
    verb: str
    about: str
    looked_at: int = 0
    total: int | None = None
    done: int = 0
    ended: bool = False
    error: str = ""

    @property
    def words(self) -> tuple[str, str]:
        """What it does, and what it has done, in words."""
        return _WORDS[self.verb]

    @property
    def path(self) -> str:
        """The page on which it was asked for."""
        return "/queues" if self.verb == _PURGE else "/dead"


class Jobs:
    """The work of this process; what others do is not known here.

    Args:
        queue: whose tasks.
    """

    def __init__(self, queue: AsyncTaskQueue) -> None:
        self._queue = queue
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, job_id: str) -> Job | None:
        """Return a piece of work; None if it is not known any more."""
        return self._jobs.get(job_id)

    def start(self, verb: str, group: str) -> Job:
        """Begin to replay or discard dead letters; the same work that is under way already is not begun twice."""
        return self._start(verb, group, self._letters)

    def purge(self, queue: str, priority: str | None) -> Job:
        """Begin to delete what waits in a queue, or in one of its lists; not twice at a time.

        Raises:
            InvalidTask: for a name that cannot be used.
        """
        lists_meant(queue, priority)
        return self._start(_PURGE, f"{queue}:{priority}" if priority else queue, self._purge)

    def _start(self, verb: str, about: str, act: Callable[[Job], Awaitable[None]]) -> Job:
        for job in self._jobs.values():
            if not job.ended and (job.verb, job.about) == (verb, about):
                return job
        job = Job(secrets.token_hex(8), verb, about)
        self._jobs[job.job_id] = job
        while len(self._jobs) > _MOST_KEPT:
            self._jobs.popitem(last=False)
        task = asyncio.create_task(self._run(job, act))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    async def _run(self, job: Job, act: Callable[[Job], Awaitable[None]]) -> None:
        try:
            await act(job)
        except TaskqError as error:
            job.error = str(error)
        finally:
            job.ended = True

    async def _letters(self, job: Job) -> None:
        ids = await self._find(job)
        job.total = len(ids)
        act = self._queue.replay_dead if job.verb == "replay" else self._queue.purge_dead
        for start in range(0, len(ids), _PAGE):
            job.done += await act(ids[start : start + _PAGE])

    async def _purge(self, job: Job) -> None:
        queue, _, priority = job.about.partition(":")
        lists = (await self._queue.get_queue_stats()).lists
        job.total = sum(item.depth for item in lists if item.queue == queue and priority in ("", item.priority))

        def advance(done: int, _: str) -> None:
            job.done += done

        flow = partitions.purge(self._queue.spread, queue, priority or None)
        # what waits in no list, for a limit or for its turn, is counted at the end
        job.done = await self._queue.run_flow(watched(flow, advance, "purge", lambda reply: int(reply[0])))

    async def _find(self, job: Job) -> list[str]:
        """Return what is dead now: a task that dies again meanwhile is not met twice."""
        found: dict[str, None] = {}
        cursor = ""
        while True:
            page = await self._queue.find_tasks(TaskFilter("failed"), cursor=cursor, limit=500)
            job.looked_at += page.looked_at
            found |= {row["task_id"]: None for row in page.tasks if job.about in ("", group_key(row))}
            cursor = page.cursor
            if not cursor:
                return list(found)

    async def close(self) -> None:
        """End what is under way; what was done stays done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

"""Work on many dead letters, step by step, with a bar that shows how far it has come."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from taskq.aio import AsyncTaskQueue
from taskq.errors import TaskqError
from taskq.observe.pages import TaskFilter
from taskq.web.letters import group_key

_PAGE = 100
_MOST_KEPT = 50
VERBS = {"replay": ("Replaying", "replayed"), "discard": ("Discarding", "discarded")}


@dataclass(slots=True)
class Job:
    """One piece of work.

    Attributes:
        verb: ``replay`` or ``discard``.
        group: only dead letters with this error; empty: all.
        looked_at: dead letters that were looked at so far.
        total: how many are to be changed; None while that is being found out.
        done: how many were changed.
        ended: whether it is over; ``error`` says why if it ended early.
    """

    job_id: str
    verb: str
    group: str
    looked_at: int = 0
    total: int | None = None
    done: int = 0
    ended: bool = False
    error: str = ""

    @property
    def words(self) -> tuple[str, str]:
        """What it does, and what it has done, in words."""
        return VERBS[self.verb]


class Jobs:
    """The work of this process; what others do is not known here.

    Args:
        queue: whose dead letters.
    """

    def __init__(self, queue: AsyncTaskQueue) -> None:
        self._queue = queue
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, job_id: str) -> Job | None:
        """Return a piece of work; None if it is not known any more."""
        return self._jobs.get(job_id)

    def start(self, verb: str, group: str) -> Job:
        """Begin; the same work that is under way already is not begun twice."""
        for job in self._jobs.values():
            if not job.ended and (job.verb, job.group) == (verb, group):
                return job
        job = Job(secrets.token_hex(8), verb, group)
        self._jobs[job.job_id] = job
        while len(self._jobs) > _MOST_KEPT:
            self._jobs.popitem(last=False)
        task = asyncio.create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    async def _run(self, job: Job) -> None:
        try:
            ids = await self._find(job)
            job.total = len(ids)
            act = self._queue.replay_dead if job.verb == "replay" else self._queue.purge_dead
            for start in range(0, len(ids), _PAGE):
                job.done += await act(ids[start : start + _PAGE])
        except TaskqError as error:
            job.error = str(error)
        finally:
            job.ended = True

    async def _find(self, job: Job) -> list[str]:
        """Return what is dead now: a task that dies again meanwhile is not met twice."""
        found: dict[str, None] = {}
        cursor = ""
        while True:
            page = await self._queue.find_tasks(TaskFilter("failed"), cursor=cursor, limit=500)
            job.looked_at += page.looked_at
            found |= {row["task_id"]: None for row in page.tasks if job.group in ("", group_key(row))}
            cursor = page.cursor
            if not cursor:
                return list(found)

    async def close(self) -> None:
        """End what is under way; what was done stays done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

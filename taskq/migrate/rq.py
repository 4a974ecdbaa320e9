"""The jobs of RQ: an id in a list, the job in a hash beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskq.errors import InvalidTask
from taskq.migrate.jobs import CannotMove, Job, OldJobs, Refusal, read_data, task_id_of, unpack
from taskq.model.task import Task
from taskq.protocol.replies import pairs
from taskq.states import TaskPriority
from taskq.transport.foreign import Entry, Source

_CALLBACKS = ("success_callback_name", "failure_callback_name", "stopped_callback_name")


class RqJobs(OldJobs):
    """What waits in the queues of RQ, and what it has scheduled."""

    kind = "rq"

    def sources(self) -> list[Source]:
        """Return for each queue its list and its sorted set of scheduled jobs."""
        names = list(self.plan.queues) or sorted(
            name.decode().removeprefix("rq:queue:") for name in self.server.ask("SMEMBERS", "rq:queues")
        )
        found = []
        for name in names:
            found.append(Source(f"rq:queue:{name}", name, "head", f"taskq:moving:rq:queue:{name}"))
            found.append(Source(f"rq:scheduled:{name}", name, "time", f"taskq:moving:rq:scheduled:{name}"))
        return found

    def read(self, source: Source, entries: Sequence[Entry]) -> list[Job | Refusal]:
        """Return what the entries of one list are."""
        ids = [entry.member.decode("utf-8", "replace") for entry in entries]
        commands = [command for job_id in ids for command in _questions(job_id)]
        replies = self.server.ask_all(commands)
        target = self.plan.target(source.name, source.name, TaskPriority.NORMAL)
        return [
            self._job(entry, job_id, replies[2 * place], replies[2 * place + 1], target)
            for place, (entry, job_id) in enumerate(zip(entries, ids, strict=True))
        ]

    def _job(
        self, entry: Entry, job_id: str, reply: list[bytes], dependents: int, target: dict[str, Any]
    ) -> Job | Refusal:
        raw = dict(zip(reply[::2], reply[1::2], strict=True))
        # what RQ says of it, until it is known for certain
        name = raw.get(b"description", b"").decode("utf-8", "replace").partition("(")[0][:80]
        try:
            if b"data" not in raw:
                raise CannotMove("its data is gone: RQ would drop it too")
            data, meta = raw.pop(b"data"), raw.pop(b"meta", b"")
            fields = pairs([part for item in raw.items() for part in item])
            call = read_data(unpack(data) if data[:1] == b"\x78" else data)
            if not isinstance(call, list | tuple) or len(call) != 4 or not isinstance(call[0], str):
                raise CannotMove("its data is not what RQ writes")
            name, instance, args, kwargs = call
            self._check(fields, instance, dependents)
            task = Task(
                task_type=self.plan.type_of(name),
                payload={"args": list(args), "kwargs": dict(kwargs)},
                task_id=task_id_of(self.kind, job_id),
                metadata={**(read_data(meta) if meta else {}), "moved_from": self.kind},
                **self._options(fields),
                **target,
            )
        except (InvalidTask, ValueError, TypeError) as error:
            return Refusal(job_id, name, str(error))
        return Job(entry, task, (f"rq:job:{job_id}", f"rq:job:{job_id}:dependencies"))

    def _check(self, fields: dict[str, str], instance: Any, dependents: int) -> None:
        if instance is not None:
            raise CannotMove("it calls a method of an object")
        if dependents:
            raise CannotMove(f"{dependents} other jobs depend on it: let RQ run it, or submit them anew")
        if any(fields.get(one) for one in _CALLBACKS):
            raise CannotMove("it has a callback, which nobody would call")
        if int(fields.get("repeats_left") or 0):
            raise CannotMove("it repeats: make a schedule of it")

    def _options(self, fields: dict[str, str]) -> dict[str, Any]:
        options: dict[str, Any] = self.plan.retries(int(fields.get("retries_left") or 0))
        if fields.get("created_at"):
            options["created_at"] = fields["created_at"]
        for name, ours in (("timeout", "timeout"), ("result_ttl", "result_ttl"), ("ttl", "expires_in")):
            seconds = float(fields.get(name) or 0)
            if seconds > 0:
                options[ours] = seconds
        intervals = read_data(fields["retry_intervals"].encode()) if fields.get("retry_intervals") else []
        if intervals and options.get("max_retries"):
            options["retry_delay"] = intervals[0]
        return options

    def remarks(self) -> list[str]:
        """Return how many jobs run, wait for others, or have failed."""
        names = sorted({source.name for source in self.sources()})
        keys = ((words, f"{family}:{name}", name) for name in names for family, words in _STAYING.items())
        told = []
        for words, key, name in keys:
            number = self.server.ask("ZCARD", key)
            if number:
                told.append(f"{number:,} of queue {name} {words}")
        return told


_STAYING = {
    "rq:wip": "run at this moment; RQ ends them",
    "rq:deferred": "wait for other jobs; RQ enqueues them when those have ended",
    "rq:failed": "have failed; what is to run again has to be requeued in RQ first",
}


def _questions(job_id: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("HGETALL", f"rq:job:{job_id}"), ("SCARD", f"rq:job:{job_id}:dependents")

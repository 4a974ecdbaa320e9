"""Where a suite works: a namespace of its own, a ledger, proxies, and real processes that know only the proxies."""

from __future__ import annotations

import contextlib
import math
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from taskq.flows import due_in
from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.states import TERMINAL
from taskq.testing.check import Limits, check
from taskq.testing.faults.process import Command, WorkerCommand
from taskq.testing.faults.proxy import Proxy, Rewrite
from taskq.testing.ledger import SENT, SUBMIT, Ledger
from taskq.testing.namespace import audit_keys, delete_keys
from taskq.testing.verify.report import Tally
from taskq.testing.waiting import eventually
from taskq.transport.endpoint import Endpoint

HEARTBEAT_SECONDS = 0.3
LEASE_SECONDS = 2.0
# how long one reply may take behind the proxy; short, because many replies never come
REPLY_SECONDS = 0.5
_PACKAGE = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        settings: the server; everything else in it is replaced.
        folder: for ledgers, empty.
        prefix: what every namespace of the run begins with.
        seed: of all that is random.
        allow_config: whether settings of the server may be changed for a while.
        rewrite: changes the scripts that workers send, to prove that the checks can fail.
        ttl_seconds: how long what has ended is kept.
        until: monotonic seconds after which no further point is tried.
        stop: set to end early.
    """

    settings: Settings
    folder: Path
    prefix: str
    seed: int
    allow_config: bool = False
    rewrite: Rewrite | None = None
    ttl_seconds: float = 3600.0
    until: float = math.inf
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """Whether to try no further point."""
        return self.stop.is_set() or time.monotonic() > self.until

    def dice(self, suite: str) -> random.Random:
        """Return the random numbers of one suite: the same for the same seed, whatever other suites do."""
        return random.Random(f"{self.seed}:{suite}")  # noqa: S311 - to be replayed, no secret

    def site(self, name: str) -> Site:
        """Return a place to work in, as a context manager."""
        return Site(self, name)


class Site:
    """A namespace; ``queue`` reaches it directly, the processes through proxies.

    Args:
        plan: of the run.
        name: of the namespace and of the folder of the site.
    """

    def __init__(self, plan: Plan, name: str) -> None:
        self.plan = plan
        self.name = name
        self._folder = plan.folder / name
        self._folder.mkdir()
        self.ledger = Ledger(self._folder / "ledger.jsonl")
        self.gate = self._folder / "gate"
        self.settings = replace(
            plan.settings,
            prefix=f"{plan.prefix}-{name}",
            heartbeat_interval_seconds=HEARTBEAT_SECONDS,
            lease_seconds=LEASE_SECONDS,
            message_ttl_seconds=None,
            max_queue_length=0,
            result_ttl_seconds=plan.ttl_seconds,
            dead_ttl_seconds=plan.ttl_seconds,
            max_crashes=3,
        )
        self.queue = TaskQueue(settings=self.settings)
        self._stack = ExitStack()
        self._commands: list[Command] = []

    def __enter__(self) -> Site:
        self._stack.callback(self._remove)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _remove(self) -> None:
        self.gate.touch()
        for command in self._commands:
            command.destroy()
        with contextlib.suppress(Exception):  # the server may be what is broken
            delete_keys(self.queue)
        self.queue.close()

    # -- what works here --

    def proxy(self) -> Proxy:
        """Return a new proxy, which ends with the site."""
        endpoint = self.queue.namespace.endpoint
        own = Endpoint(endpoint.url, self.settings, slot_key=self.queue.namespace.protocol.keys.root)
        return self._stack.enter_context(Proxy(endpoint.url, endpoint=own, rewrite=self.plan.rewrite))

    def through(self, proxy: Proxy) -> TaskQueue:
        """Return a queue of the same namespace behind a proxy, which gives up silent connections soon."""
        far = replace(
            self.settings, redis_url=proxy.url, socket_timeout_seconds=REPLY_SECONDS, call_timeout_seconds=15.0
        )
        return self._stack.enter_context(TaskQueue(settings=far))

    def worker(self, proxy: Proxy, *arguments: str) -> WorkerCommand:
        """Start ``taskq worker`` behind a proxy."""
        words = ["-m", "taskq", "worker", "--handlers", "taskq.testing.verify.workload", *arguments]
        worker = WorkerCommand(words, self._environment(proxy), self._folder)
        self._commands.append(worker)
        return worker

    def command(self, proxy: Proxy, *arguments: str) -> Command:
        """Start another command of taskq behind a proxy, such as ``scheduler``."""
        command = Command(["-m", "taskq", *arguments], self._environment(proxy), self._folder)
        self._commands.append(command)
        return command

    def _environment(self, proxy: Proxy) -> dict[str, str]:
        # what the user has configured is for his own workers; an empty value counts as not set
        foreign = {name: "" for name in os.environ if name.startswith(("TASKQ_", "REDIS_"))}
        path = os.pathsep.join(filter(None, (str(_PACKAGE), os.environ.get("PYTHONPATH", ""))))
        return {
            **foreign,
            "PYTHONPATH": path,
            "TASKQ_REDIS_URL": proxy.url,
            "TASKQ_PREFIX": self.settings.prefix,
            "TASKQ_HEARTBEAT_INTERVAL": str(HEARTBEAT_SECONDS),
            "TASKQ_LEASE": str(LEASE_SECONDS),
            "TASKQ_SOCKET_TIMEOUT": str(REPLY_SECONDS),
            "TASKQ_RESULT_TTL": str(self.settings.result_ttl_seconds),
            "TASKQ_DEAD_TTL": str(self.settings.dead_ttl_seconds),
            "TASKQ_TEST_LEDGER": str(self.ledger.path),
            "TASKQ_TEST_GATE": str(self.gate),
        }

    # -- what has happened here --

    def counter(self, name: str) -> int:
        """Return a lifetime counter of the namespace."""
        return self.queue.get_queue_stats().counters.get(name, 0)

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """Submit tasks and note them."""
        return self.ledger.submit(self.queue, tasks)

    def submit_later(self, tasks: Sequence[Task], seconds: float) -> list[str]:
        """Submit delayed tasks and note them."""
        ids = []
        for task in tasks:
            self.ledger.note(SENT, task.task_id)
            ids.append(self.queue.submit_later(task, due_in(seconds)))
            self.ledger.note(SUBMIT, ids[-1])
        return ids

    def note_fired(self) -> int:
        """Note what a recurring schedule has submitted and nobody has run; return how many tasks."""
        noted = {note.task_id for note in self.ledger.notes(SUBMIT)}
        fired = [task["task_id"] for task in self.queue.list_tasks("pending", 10_000)]
        for task_id in fired:
            if task_id not in noted:
                self.ledger.note(SUBMIT, task_id)
        return len(set(fired) - noted)

    def wait_ended(self, total: int, timeout_seconds: float = 30.0) -> None:
        """Wait until that many tasks have ended.

        Raises:
            AssertionError: if they do not.
        """

        def ended() -> bool:
            counters = self.queue.get_queue_stats().counters
            return sum(counters.get(status, 0) for status in TERMINAL) >= total

        eventually(_calmly(ended), timeout_seconds, f"the end of {total} tasks")

    def judge(self, tally: Tally, limits: Limits, where: str = "") -> None:
        """Check the ledger and the keys, when nothing happens any more."""
        tally.add(check(self.ledger, self.queue, limits), where)
        tally.blame(audit_keys(self.queue), where)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note every completion that the server accepts."""
        subscription = self.ledger.listen(self.queue)
        try:
            yield
        finally:
            subscription.stop()


def _calmly(predicate: Callable[[], bool]) -> Callable[[], bool]:
    """Ask a server that is somebody else's as well not more than twenty times a second."""

    def ask() -> bool:
        time.sleep(0.03)
        return predicate()

    return ask

"""Who does the work at each point: a worker without an engine whose turns all have the same size, and a bare baseline.

An engine's turns are as large as its timing makes them, so that a figure would say more about the machine's mood than
about the size of the backlog. These turns each settle and claim as many tasks as those of an engine with twice as many
slots do under load.
"""

from __future__ import annotations

import uuid
from collections import deque

import redis

from bench.measures import PAYLOAD
from taskq import Task, TaskQueue
from taskq.model.envelope import to_envelope
from taskq.model.result import result_json
from taskq.protocol.keys import lists_of
from taskq.protocol.operations import LeaseTimes
from taskq.protocol.portions import MOST_OTHERS, MOST_TASKS
from taskq.protocol.replies import Claim, Settlement
from taskq.protocol.submits import Submission
from taskq.settings import Settings
from taskq.states import TaskStatus

TURN = 16
BATCH = MOST_TASKS  # as large as one call can be
TIMES = LeaseTimes(3_600_000, 5_000)


def new_queue(url: str, **settings: object) -> TaskQueue:
    """Return a queue in a namespace of its own."""
    chosen = {"redis_url": url, "prefix": f"scale_{uuid.uuid4().hex[:8]}", "embedded": False, **settings}
    return TaskQueue(settings=Settings(**chosen))  # type: ignore[arg-type]  # settings of the bench


def fill(queue: TaskQueue, count: int, due: str = "0", payload: object = PAYLOAD) -> None:
    """Submit so many tasks in batches; ``due`` as the protocol says it. They differ by their ids only."""
    protocol = queue.namespace.protocol
    pattern = Task(task_type="noop", payload=payload)
    envelope = to_envelope(pattern, 10**8)
    head, tail = envelope.split(pattern.task_id)
    most = BATCH if due == "0" else MOST_OTHERS
    for start in range(0, count, most):
        ids = [str(uuid.uuid4()) for _ in range(min(most, count - start))]
        tasks = [Submission(task_id, f"{head}{task_id}{tail}", "normal", due, "") for task_id in ids]
        queue.transport.run(protocol.submit(tasks, 0, reused=False))


class Hands:
    """A worker that the bench moves.

    Args:
        queue: whose tasks.
        ttl_ms: how long results are kept.
    """

    def __init__(self, queue: TaskQueue, ttl_ms: int = 3_600_000) -> None:
        self._queue, self._ttl_ms = queue, ttl_ms
        self._protocol = queue.namespace.protocol
        self.name, self.token = f"hands-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
        self._seq = 0
        self._held: deque[Claim] = deque()
        self._lists = lists_of(None)
        queue.transport.run(self._protocol.register(self.name, self.token, TIMES, "uuid", {"host": "bench"}))

    def turn(self, want: int = TURN) -> int:
        """Settle what is held and claim anew; return how many tasks were claimed."""
        settles = [self._completed(claim) for claim in self._held]
        self._seq += 1
        turn = self._protocol.turn(self.name, self.token, self._seq, want, self._lists, settles)
        self._held = deque(self._queue.transport.run(turn).claims)
        return len(self._held)

    def _completed(self, claim: Claim) -> Settlement:
        body = result_json(
            claim.task_id,
            TaskStatus.COMPLETED,
            result=None,
            duration=0.001,
            worker_id=self.name,
            attempts=1,
            completed_at_ms=1_800_000_000_000,
        )
        return Settlement(claim.task_id, claim.fence, "complete", body, self._ttl_ms)

    def work(self, tasks: int, want: int = TURN) -> None:
        """Claim so many tasks in turns as full as the server fills them, and settle all of them."""
        while tasks > 0 and (claimed := self.turn(min(want, tasks))):
            tasks -= claimed
        self.turn(0)


_PUT = """
local at = 1
for i = 1, ARGV[1] do
  local id = ARGV[2 * i]
  redis.call('SET', KEYS[1] .. 'task:' .. id, ARGV[2 * i + 1])
  redis.call('SADD', KEYS[1] .. 'pending', id)
  redis.call('RPUSH', KEYS[1] .. 'list', id)
end
"""
_TAKE = """
local found = {}
for i = 1, ARGV[1] do
  local id = redis.call('LPOP', KEYS[1] .. 'list')
  if not id then break end
  found[#found + 1] = redis.call('GET', KEYS[1] .. 'task:' .. id)
  redis.call('SET', KEYS[1] .. 'result:' .. id, ARGV[2], 'PX', 3600000)
  redis.call('SREM', KEYS[1] .. 'pending', id)
  redis.call('SADD', KEYS[1] .. 'completed', id)
end
return found
"""


class Bare:
    """The least that stores tasks, hands them out and keeps results: no owner, no lease, nothing is safe.

    Args:
        admin: a client of the server.
        payload: of each task.
    """

    def __init__(self, admin: redis.Redis, payload: object = PAYLOAD) -> None:
        self._admin = admin
        self.root = f"bare_{uuid.uuid4().hex[:8]}:"
        self._body = to_envelope(Task(task_type="noop", payload=payload), 10**8)
        self._put, self._take = admin.script_load(_PUT), admin.script_load(_TAKE)
        self._result = "x" * 200

    def fill(self, count: int, batch: int = BATCH) -> None:
        """Put so many tasks there."""
        for start in range(0, count, batch):
            size = min(batch, count - start)
            words = [word for _ in range(size) for word in (str(uuid.uuid4()), self._body)]
            self._admin.evalsha(self._put, 1, self.root, size, *words)

    def work(self, tasks: int, want: int = TURN) -> None:
        """Take so many, and keep a result for each."""
        for _ in range(0, tasks, want):
            self._admin.evalsha(self._take, 1, self.root, want, self._result)

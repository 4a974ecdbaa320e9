"""What is measured. Each function returns a figure; the pairs are taken in turns by ``__main__``."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis

from taskq import Task, TaskQueue, TaskWorker
from taskq.model.envelope import to_envelope
from taskq.protocol.keys import lists_of
from taskq.protocol.operations import LeaseTimes
from taskq.protocol.replies import Claim, Settlement
from taskq.settings import Settings

PAYLOAD = {"text": "x" * 89}  # 100 bytes as JSON


def new_queue(url: str) -> TaskQueue:
    """Return a queue in a namespace of its own."""
    return TaskQueue(settings=Settings(redis_url=url, prefix=f"bench_{uuid.uuid4().hex[:8]}"))


def task(**options: object) -> Task:
    """Return a no-op task with a payload of 100 bytes."""
    return Task(task_type="noop", payload=PAYLOAD, **options)  # type: ignore[arg-type]  # options of the bench


def rate(count: int, action: Callable[[], object]) -> float:
    """Return how often per second ``count`` things happen in one call."""
    begun = time.perf_counter()
    action()
    return count / (time.perf_counter() - begun)


def bare_evalsha(client: redis.Redis, count: int = 3000) -> float:
    """Calls per second of a script that does nothing, with the bytes of a submit, by plain redis-py."""
    sha = client.script_load("return 1")
    envelope = to_envelope(task(), 10**6)

    def action() -> None:
        for number in range(count):
            client.evalsha(sha, 1, "bench:", 0, 1, f"{number:036d}", envelope, "normal", "0", "")

    return rate(count, action)


def submit_one_by_one(url: str, count: int = 3000) -> float:
    """Tasks per second with ``submit_task``, objects made on the way."""
    queue = new_queue(url)
    queue.submit_task(task())
    return rate(count, lambda: [queue.submit_task(task()) for _ in range(count)])


def bare_pipeline(client: redis.Redis, count: int = 20_000) -> float:
    """SETs per second in pipelines of 100, by plain redis-py."""
    envelope = to_envelope(task(), 10**6)

    def action() -> None:
        for start in range(0, count, 100):
            pipe = client.pipeline(transaction=False)
            for number in range(start, start + 100):
                pipe.set(f"bench:{number}", envelope)
            pipe.execute()

    return rate(count, action)


def submit_batches(url: str, count: int = 20_000) -> float:
    """Tasks per second with ``submit_batch`` of 100, tasks made before."""
    queue = new_queue(url)
    batches = [[task() for _ in range(100)] for _ in range(count // 100)]
    return rate(count, lambda: [queue.submit_batch(batch) for batch in batches])


def drain(url: str, slots: int, count: int = 10_000) -> float:
    """No-op tasks per second of one worker process, results stored."""
    queue = new_queue(url)
    for _ in range(count // 1000):
        queue.submit_batch([task() for _ in range(1000)])
    worker = TaskWorker(queue, concurrency=slots)
    worker.register_handler("noop", lambda task: None)
    return rate(count, worker.run_until_empty)


def bare_round_trips(client: redis.Redis, count: int = 1000) -> list[float]:
    """Seconds of single EVALSHA calls."""
    sha = client.script_load("return 1")
    return [1 / rate(1, lambda: client.evalsha(sha, 1, "bench:")) for _ in range(count)]


@contextmanager
def worker_beside(queue: TaskQueue) -> Iterator[None]:
    """Have a worker in another process that runs no-op tasks of a queue."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.worker", str(queue.settings.redis_url), queue.settings.prefix],
        stdin=subprocess.PIPE,
    )
    try:
        queue.wait_for_result(queue.submit_task(task()), 30)
        yield
    finally:
        process.communicate(b"")


def round_trips(url: str, count: int = 500) -> list[float]:
    """Seconds from submit to the result in the submitter's hands, on an idle system with one worker."""
    queue = new_queue(url)
    with worker_beside(queue):
        return [1 / rate(1, lambda: queue.wait_for_result(queue.submit_task(task()), 10)) for _ in range(count)]


def commands_per_second_idle(url: str, client: redis.Redis, seconds: float = 30.0) -> float:
    """Commands that an idle worker and its guardian send."""
    queue = new_queue(url)
    with worker_beside(queue):
        time.sleep(1)
        before = _client_commands(client)
        time.sleep(seconds)
        return (_client_commands(client) - before - 1) / seconds


def _client_commands(client: redis.Redis) -> int:
    """Commands sent by clients so far; those inside of scripts are not counted."""
    stats = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval", "blpop", "info"))


def bytes_per_task(url: str, client: redis.Redis, count: int = 100_000) -> tuple[float, float]:
    """Bytes of server memory per pending task, and per completed one with its result."""
    queue = new_queue(url)
    queue.submit_task(task())
    queue.get_queue_stats()
    empty = _settled_memory(client)
    for _ in range(count // 1000):
        queue.submit_batch([task() for _ in range(1000)])
    pending = (_settled_memory(client) - empty) / count
    worker = TaskWorker(queue, concurrency=32)
    worker.register_handler("noop", lambda task: None)
    worker.run_until_empty()
    completed = (_settled_memory(client) - empty) / count
    return pending, completed


def _settled_memory(client: redis.Redis) -> int:
    """Memory in use, when hash tables have finished growing and buffers of clients are small again."""
    readings: list[int] = []
    while len(readings) < 2 or abs(readings[-1] - readings[-2]) > 50_000:
        time.sleep(1.0)
        memory = client.info("memory")
        readings.append(memory["used_memory"] - memory["mem_clients_normal"] - memory.get("used_memory_scripts", 0))
    return readings[-1]


_BARE_TAKE = """
local ids = redis.call('LPOP', KEYS[1] .. 'queue', 10)
local keys = {}
for n = 1, #ids do keys[n] = KEYS[1] .. 'task:' .. ids[n] end
redis.call('SREM', KEYS[1] .. 'pending', unpack(ids))
redis.call('SADD', KEYS[1] .. 'running', unpack(ids))
return redis.call('MGET', unpack(keys))
"""


def bare_take_seconds(client: redis.Redis, pending: int, takes: int = 200) -> float:
    """Seconds per call that takes 10 of so many ids from a list, moves them to another set and fetches their bodies.

    What of it grows with the number of ids is the memory of the machine: more of what is touched is in no cache.
    """
    envelope, root = to_envelope(task(), 10**6), f"bare{pending}:"
    for _ in range(pending // 1000):
        ids = [str(uuid.uuid4()) for _ in range(1000)]
        client.mset({f"{root}task:{task_id}": envelope for task_id in ids})
        client.sadd(f"{root}pending", *ids)
        client.rpush(f"{root}queue", *ids)
    sha = client.script_load(_BARE_TAKE)
    taken = sorted(1 / rate(1, lambda: client.evalsha(sha, 1, root)) for _ in range(takes))
    return taken[len(taken) // 2]


def claim_seconds(url: str, pending: int, claims: int = 200) -> float:
    """Seconds per turn of 10 tasks with so many tasks pending; each is handed back at once."""
    queue = new_queue(url)
    protocol = queue.namespace.protocol
    for _ in range(pending // 1000):
        queue.submit_batch([task() for _ in range(1000)])
    times = LeaseTimes(600_000, 5_000)
    queue.transport.run(protocol.register("bench", "token", times, "uuid", {}))
    lists = ["urgent", "high", "normal", "low"]
    taken = []
    for seq in range(1, claims + 1):
        begun = time.perf_counter()
        queue.transport.run(protocol.turn("bench", "token", seq, 10, lists))
        taken.append(time.perf_counter() - begun)
    taken.sort()
    return taken[len(taken) // 2]


def ready_to_take_turns(queue: TaskQueue) -> None:
    """Register a worker, and let the server know its script."""
    queue.transport.run(queue.namespace.protocol.register("bench", "token", LeaseTimes(10**9, 5_000), "uuid", {}))
    _turn(queue, 0, 0, [])


def take_turns(queue: TaskQueue, tasks: int, want: int) -> None:
    """Claim and complete so many tasks, turn by turn, without a worker."""
    claims: tuple[Claim, ...] = ()
    seq = ended = 0
    while ended < tasks:
        seq += 1
        settles = [Settlement(claim.task_id, claim.fence, "complete", "{}", 3_600_000) for claim in claims]
        ended += len(settles)
        claims = _turn(queue, seq, want, settles)


def _turn(queue: TaskQueue, seq: int, want: int, settles: list[Settlement]) -> tuple[Claim, ...]:
    operation = queue.namespace.protocol.turn("bench", "token", seq, want, lists_of(None), settles)
    return queue.transport.run(operation).claims


def turns(url: str, limit: str | None = None, count: int = 5_000, **options: object) -> float:
    """Turns per second that settle ten tasks and claim ten; with a limit that has room, if one is named."""
    queue = new_queue(url)
    if limit is not None:
        queue.set_limit(limit, concurrency=50)
    for _ in range(count // 1000):
        queue.submit_batch([task(**options) for _ in range(1000)])
    ready_to_take_turns(queue)
    return rate(count // 10, lambda: take_turns(queue, count, 10))

"""The curves: each function measures one point after the other and returns a row for each."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import redis

from bench.measures import PAYLOAD
from bench.scale.hands import BATCH, TURN, Bare, Hands, fill, new_queue
from bench.scale.meter import Cost, Meter, together
from bench.scale.tables import come_to_rest
from taskq import Task, TaskQueue
from taskq.model.moment import seconds_to_ms
from taskq.transport.upkeep import Upkeep

FAR_AHEAD = "+86400000"
TRIES = 4  # of what another program has disturbed
PASSES = 5  # at each point of a backlog
Row = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is measured.

    Args:
        url: of the server.
        admin: a client for it.
        tasks: that are measured at each point.
        say: told about progress.
    """

    url: str
    admin: redis.Redis
    tasks: int
    say: Say

    @property
    def meter(self) -> Meter:
        return Meter(self.admin)


def submit_each(queue: TaskQueue, tasks: Sequence[Task]) -> None:
    """Submit one by one."""
    for task in tasks:
        queue.submit_task(task)


def measured(place: Place, queue: TaskQueue, hands: Hands, count: int, payload: object) -> tuple[Cost, Cost]:
    """Return what it costs to submit so many tasks one by one, and to run so many in full turns."""
    tasks = [Task(task_type="noop", payload=payload) for _ in range(count)]
    queue.submit_task(Task(task_type="noop", payload=payload))
    hands.work(1)  # connected, and the server knows the scripts
    meter = place.meter
    submitted = meter.cost(count, lambda: submit_each(queue, tasks))
    return submitted, meter.cost(count, lambda: hands.work(count))


def undisturbed(measure: Callable[[], tuple[Cost, Cost]]) -> tuple[Cost, Cost]:
    """Return the first reading that no other program has disturbed, of so many tries; else the last one."""
    for _ in range(TRIES):
        costs = measure()
        if not any(cost.disturbed for cost in costs):
            break
    return costs


def row_of(point: float, ours: tuple[Cost, Cost], bare: tuple[Cost, Cost] | None = None, **more: Any) -> Row:
    """Return one row."""
    row: Row = {"point": point, "submit": asdict(ours[0]), "run": asdict(ours[1]), **more}
    if bare is not None:
        row |= {"bare_submit": asdict(bare[0]), "bare_run": asdict(bare[1])}
    return row


def sizes(most: int) -> list[int]:
    """Return the powers of ten from 1,000 to the most."""
    return [10**power for power in range(3, round(math.log10(most)) + 1)]


def backlog(place: Place, kind: str, most: int) -> Iterator[Row]:
    """With more and more tasks that are ``pending``, ``scheduled`` or ``completed`` meanwhile.

    Each point is measured twice: as it was filled, while the server may still move tables that it has doubled, and
    after these have come to rest.
    """
    place.admin.flushall()
    queue, bare = new_queue(place.url), Bare(place.admin)
    hands = Hands(queue)
    root = f"{queue.settings.prefix}:status"
    there = memory = 0
    for size in sizes(most):
        missing, there = size - there, size
        empty = place.meter.memory()
        filled = _grow(place.meter, queue, hands, kind, missing)
        memory += place.meter.memory() - empty
        if kind != "pending":
            fill(queue, place.tasks)  # a turn needs something to claim, and leaves as much
        moving = measured(place, queue, hands, place.tasks, PAYLOAD)
        come_to_rest(place.admin, [f"{root}:{status}" for status in ("pending", "scheduled", "completed")])
        ours = _least([measured(place, queue, hands, place.tasks, PAYLOAD) for _ in range(PASSES)])
        *theirs, bare_filled = _bare(place, bare, kind, missing)
        more = {"fill": asdict(filled), "bare_fill": asdict(bare_filled), "bytes": memory / size}
        more |= {"moving_submit": asdict(moving[0]), "moving_run": asdict(moving[1])}
        yield row_of(size, ours, (theirs[0], theirs[1]), **more)
        place.say(f"{kind}: {size:,}")
    queue.close()


def _grow(meter: Meter, queue: TaskQueue, hands: Hands, kind: str, missing: int) -> Cost:
    """Make a backlog larger by so many; return what that cost."""
    due = FAR_AHEAD if kind == "scheduled" else "0"
    cost = _in_parts(meter, missing, lambda part: fill(queue, part, due))
    if kind == "completed":
        hands.work(missing, 100)
    return cost


def _in_parts(meter: Meter, count: int, action: Callable[[int], object]) -> Cost:
    """Return what an action costs that is told how much of a whole to do, part by part."""
    parts = [min(count - start, BATCH * 20) for start in range(0, count, BATCH * 20)]
    return together([meter.cost(part, lambda part=part: action(part)) for part in parts])


def _least(passes: Sequence[tuple[Cost, Cost]]) -> tuple[Cost, Cost]:
    submitted, run = zip(*passes, strict=True)
    return together(submitted, min), together(run, min)


def _bare(place: Place, bare: Bare, kind: str, missing: int) -> tuple[Cost, Cost, Cost]:
    """Return what the bare baseline costs: a submit, a run, and its batches."""
    filled = _in_parts(place.meter, missing, bare.fill)
    if kind == "completed":
        bare.work(missing, 100)
        bare.fill(place.tasks)
    come_to_rest(place.admin, [f"{bare.root}{status}" for status in ("pending", "completed")])
    meter, count = place.meter, place.tasks

    def once() -> tuple[Cost, Cost]:
        submitted = meter.cost(count, lambda: bare.fill(count, 1))
        return submitted, meter.cost(count, lambda: bare.work(count))

    return *_least([once() for _ in range(PASSES)]), filled


def payloads(place: Place, largest: int) -> Iterator[Row]:
    """With larger and larger payloads."""
    for size in [10**power for power in range(2, round(math.log10(largest)) + 1)]:
        place.admin.flushall()
        payload = "x" * (size - 2)
        queue, bare = new_queue(place.url, max_message_bytes=size + 4096), Bare(place.admin, payload)
        count = max(TURN * 4, min(place.tasks, 100_000_000 // size // 4))
        hands = Hands(queue)
        ours = undisturbed(lambda one=(queue, hands, count, payload): measured(place, *one))
        meter = place.meter
        submitted = meter.cost(count, lambda bare=bare, count=count: bare.fill(count, 1))
        taken = meter.cost(count, lambda bare=bare, count=count: bare.work(count))
        yield row_of(size, ours, (submitted, taken))
        place.say(f"payload: {size:,} bytes")
        queue.close()


def busy_workers(place: Place, counts: Sequence[int]) -> Iterator[Row]:
    """With more and more workers that take turns, one after the other, so that turns keep their size."""
    for count in counts:
        place.admin.flushall()
        queue = new_queue(place.url)
        hands = [Hands(queue) for _ in range(count)]
        fill(queue, count * TURN)
        for one in hands:
            one.turn()
        yield row_of(count, undisturbed(lambda one=(queue, hands): _kept_busy(place, *one)))
        place.say(f"busy workers: {count}")
        queue.close()


def _kept_busy(place: Place, queue: TaskQueue, hands: Sequence[Hands]) -> tuple[Cost, Cost]:
    """Return what a submit and a run cost while each of so many workers is always in the middle of a turn's tasks."""
    turns = max(place.tasks // TURN, len(hands) * 2)
    fill(queue, turns * TURN)
    batch = [Task(task_type="noop", payload=PAYLOAD) for _ in range(place.tasks)]
    submitted = place.meter.cost(place.tasks, lambda: submit_each(queue, batch))

    def work() -> None:
        for turn in range(turns):
            hands[turn % len(hands)].turn()

    return submitted, place.meter.cost(turns * TURN, work)


def idle_workers(place: Place, counts: Sequence[int], seconds: float) -> Iterator[Row]:
    """With more and more engines that wait, up to 100 in a process: what they cost a second, and what a task finds."""
    for count in counts:
        place.admin.flushall()
        queue = new_queue(place.url)
        processes = [_crew(queue, min(100, count - start)) for start in range(0, count, 100)]
        try:
            while queue.get_queue_stats().active_workers < count:
                time.sleep(0.2)
            queue.wait_for_result(queue.submit_task(Task(task_type="noop")), 60)
            time.sleep(3.5)  # each has been woken by its own clock since it came
            place.admin.config_resetstat()
            before = place.meter.cpu_seconds()
            time.sleep(seconds)
            spent = place.meter.cpu_seconds() - before
            stats = place.admin.info("commandstats")
            sent = sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "blpop"))
            trips = [_trip(queue) for _ in range(40)]
        finally:
            for process in processes:
                process.communicate(b"")
        yield {
            "point": count,
            "cpu_us_per_worker_second": spent * 1e6 / seconds / count,
            "commands_per_worker_second": sent / seconds / count,
            "trip_ms": statistics.median(trips),
        }
        place.say(f"idle workers: {count}")
        queue.close()


def _crew(queue: TaskQueue, engines: int) -> subprocess.Popen[bytes]:
    settings = queue.settings
    command = [sys.executable, "-m", "bench.scale.crew", str(settings.redis_url), settings.prefix, str(engines)]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def _trip(queue: TaskQueue) -> float:
    begun = time.perf_counter()
    queue.wait_for_result(queue.submit_task(Task(task_type="noop")), 60)
    return (time.perf_counter() - begun) * 1000


def processes(place: Place, counts: Sequence[int], tasks: int) -> Iterator[Row]:
    """With more and more worker processes of 32 slots that drain the same lists."""
    for count in counts:
        for _ in range(TRIES):
            cost, rate = _drained(place, count, tasks)
            if not cost.disturbed:
                break
        yield {"point": count, "run": asdict(cost), "rate": rate}
        place.say(f"processes: {count}")


def _drained(place: Place, count: int, tasks: int) -> tuple[Cost, float]:
    """Return what so many worker processes cost that drain so many tasks, and how many they run a second."""
    place.admin.flushall()
    queue = new_queue(place.url)
    workers = [_drainer(queue) for _ in range(count)]
    for worker in workers:
        assert worker.stdout
        worker.stdout.readline()
    fill(queue, tasks)
    clock: list[float] = []

    def drain() -> None:
        begun = time.perf_counter()
        for worker in workers:
            assert worker.stdin
            worker.stdin.write(b"go\n")
            worker.stdin.flush()
        for worker in workers:
            assert worker.stdout
            worker.stdout.readline()
        clock.append(time.perf_counter() - begun)

    cost = place.meter.cost(tasks, drain)
    for worker in workers:
        worker.communicate()
    queue.close()
    return cost, tasks / clock[0]


def _drainer(queue: TaskQueue) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench.scale.crew", str(queue.settings.redis_url), queue.settings.prefix, "drain"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def steady(place: Place, tasks: int, samples: int = 20) -> Iterator[Row]:
    """Submit, run and forget task after task, with results that live for a second; yield the state now and then."""
    place.admin.flushall()
    queue = new_queue(place.url)
    hands = Hands(queue, ttl_ms=seconds_to_ms(1.0, "result_ttl"))
    upkeep = Upkeep(queue.transport.run, queue.namespace.protocol, queue.settings)
    part = tasks // samples

    def live(count: int) -> None:
        for _ in range(0, count, 100):
            fill(queue, 100)
            hands.work(100, 50)
        _sweep(upkeep, hands)

    for sample in range(1, samples + 1):
        costs = [place.meter.cost(500, lambda: live(500)) for _ in range(0, part, 500)]
        yield {
            "point": sample * part,
            "all": asdict(together(costs)),
            "memory": place.meter.memory(),
            "keys": place.admin.dbsize(),
        }
        place.say(f"steady state: {sample * part:,} tasks")
    until = time.monotonic() + 60
    while queue.get_queue_stats().completed_tasks and time.monotonic() < until:
        time.sleep(0.5)
        _sweep(upkeep, hands)
    yield {"point": "at rest", "memory": place.meter.memory(), "keys": place.admin.dbsize()}
    queue.close()


def _sweep(upkeep: Upkeep, hands: Hands) -> None:
    upkeep.beat([(hands.name, hands.token)])
    while upkeep.pending:
        upkeep.step()

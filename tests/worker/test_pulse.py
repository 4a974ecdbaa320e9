"""What tells a claim loop that is hung from one that has nothing to do, or no room."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from taskq import Task, TaskQueue, TaskWorker
from taskq.worker.engine import Engine
from taskq.worker.health import Health
from taskq.worker.pulse import Pulse
from tests.servers import ServerProcess
from tests.waiting import eventually
from tests.worker.background import Background


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as opened:
        yield opened


def engine_of(worker: TaskWorker) -> Engine:
    engine = eventually(lambda: worker._engine, what="an engine")
    assert isinstance(engine, Engine)
    eventually(lambda: engine.membership.seq, what="its first turn")
    return engine


def silence_after(pulse: Pulse, seconds: float) -> float:
    """Return the silence that would be seen later if nothing happened until then."""
    now = time.monotonic()
    pulse.look(now)
    return float(pulse.look(now + seconds)["silent"])


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_full_worker_has_a_good_reason(queue: TaskQueue, concurrency: int) -> None:
    """With one slot the handler runs on the thread of the loop; with more, the loop sleeps until one ends."""
    gate = threading.Event()
    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("gated", lambda task: gate.wait(30))
    call = Background(worker.start)
    try:
        pulse = Pulse(engine_of(worker))
        queue.submit_batch([Task(task_type="gated") for _ in range(concurrency)])
        eventually(lambda: pulse.look(time.monotonic())["running"] == concurrency, what="a full worker")
        eventually(lambda: silence_after(pulse, 100) == 0, what="a loop that may be silent")
    finally:
        gate.set()
        worker.stop()
        call.join()


def test_an_idle_loop_must_take_turns(queue: TaskQueue) -> None:
    worker = TaskWorker(queue, concurrency=3)
    call = Background(worker.start)
    try:
        engine = engine_of(worker)
        pulse = Pulse(engine)
        eventually(lambda: engine._waiter.asleep, what="an idle loop")
        assert silence_after(pulse, 100) > 99, "a loop with free slots that takes no turn is hung"
        seq = engine.membership.seq
        queue.submit_task(Task(task_type="nobody"))
        eventually(lambda: engine.membership.seq > seq, what="another turn")
        assert pulse.look(time.monotonic() + 200)["silent"] == 0
    finally:
        worker.stop()
        call.join()


def test_while_the_server_is_away_no_turn_can_be_taken(server: ServerProcess) -> None:
    with TaskQueue(server.url) as queue:
        worker = TaskWorker(queue, concurrency=3)
        call = Background(worker.start)
        pulse = Pulse(engine_of(worker))
        server.kill9()
        eventually(lambda: pulse.look(time.monotonic())["away"], what="the loss of the server")
        assert silence_after(pulse, 100) == 0
        server.start()
        eventually(lambda: not pulse.look(time.monotonic())["away"], what="the server back")
        worker.stop()
        call.join()


class Clock:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


REPORT = {"silent": 0.0, "running": 0, "away": False, "slots": 2, "draining": False, "refused": 0, "metrics": {}}


def test_what_the_probes_say_of_processes() -> None:
    clock = Clock()
    health = Health(2, 15.0, lambda: 0, clock)
    health.born(1)
    assert health.live_problems() == [], "it is still loading its handlers"
    assert health.ready_problems() == ["no process has registered with the server yet"]
    health.registered(1)
    assert health.ready_problems() == []
    clock.now = 10.0
    health.hear(1, {**REPORT, "silent": 14.0})
    assert health.live_problems() == []
    health.hear(1, {**REPORT, "silent": 15.5})
    assert health.live_problems() == health.ready_problems() == ["the claim loop of process 1 has been silent for 16 s"]
    health.hear(1, REPORT)
    clock.now = 27.0
    assert health.live_problems() == ["the claim loop of process 1 has been silent for 16 s"], "it does not even report"
    health.ended(1, "killed")
    assert health.live_problems() == []
    assert health.reading().ends["killed"] == 1


def test_one_of_two_processes_is_enough_to_be_ready() -> None:
    health = Health(2, 15.0, lambda: 3, Clock())
    for pid in (1, 2):
        health.born(pid)
    health.registered(1)
    assert health.ready_problems() == []
    health.hear(1, {**REPORT, "away": True, "refused": 2})
    assert health.ready_problems() == ["the server does not answer"]
    health.registered(2)
    assert health.ready_problems() == []
    reading = health.reading()
    assert (reading.slots, reading.server_up, reading.refused, reading.recovered) == (4, False, 2, 3)
    health.hear(2, {**REPORT, "slots": 5, "draining": True})
    health.hear(1, {**REPORT, "slots": 3})
    assert (health.reading().slots, health.ready_problems()) == (8, [])
    health.hear(1, {**REPORT, "draining": True})
    assert "the worker was told to claim nothing" in health.ready_problems()[0]
    health.stopping()
    assert health.ready_problems() == ["the worker is stopping"]

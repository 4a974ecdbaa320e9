from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
import redis

from taskq.errors import AccessDenied, InvalidTask, PayloadTooLarge, ServerFull, ServerUnavailable
from taskq.model.moment import parse_iso
from taskq.model.recurrence import Cron, Every
from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.scheduler import TaskScheduler
from taskq.scheduler.definition import Definition, parse
from tests.scheduler.conftest import HOUR_MS, Space, open_space
from tests.servers import ServerProcess


def due_ms(space: Space, task_id: str) -> int:
    score = space.redis.zscore(space.key("scheduled"), task_id)
    assert score is not None, "the task is not scheduled"
    return int(score)


class TestOnce:
    def test_an_aware_datetime_is_taken_as_it_is(self, space: Space) -> None:
        when = datetime(2090, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone(timedelta(hours=5)))
        task_id = space.scheduler.schedule_task(Task(payload=1), when)
        assert due_ms(space, task_id) == int(when.timestamp() * 1000)
        assert space.queue.get_task_status(task_id)["status"] == "scheduled"

    def test_a_naive_datetime_is_local_time(self, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        try:
            task_id = space.scheduler.schedule_task(Task(), datetime(2030, 7, 1, 12, 0))
            assert due_ms(space, task_id) == int(datetime(2030, 7, 1, 16, 0, tzinfo=UTC).timestamp() * 1000)
        finally:
            monkeypatch.undo()
            time.tzset()

    @pytest.mark.parametrize("when", [datetime(1960, 1, 1, tzinfo=UTC), datetime(2001, 1, 1)])
    def test_a_moment_that_has_passed_means_now(self, space: Space, when: datetime) -> None:
        task_id = space.scheduler.schedule_task(Task(), when)
        assert space.pending() == [task_id]

    def test_a_delay_is_counted_by_the_server(self, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
        _shift_client_clock(monkeypatch, 3600)
        before_ms = space.now_ms()
        task_id = space.scheduler.schedule_task_in(Task(), 60.5)
        assert before_ms + 60_500 <= due_ms(space, task_id) <= space.now_ms() + 60_500
        assert space.pending() == []

    def test_no_delay_means_now(self, space: Space) -> None:
        assert space.scheduler.schedule_task_in(Task(), 0) in space.pending()

    @pytest.mark.parametrize("delay", [-1, float("nan"), "5", True, None])
    def test_a_delay_that_is_none_is_refused(self, space: Space, delay: float) -> None:
        with pytest.raises(InvalidTask, match="delay_seconds"):
            space.scheduler.schedule_task_in(Task(), delay)

    def test_a_text_is_no_moment_and_a_dict_no_task(self, space: Space) -> None:
        with pytest.raises(InvalidTask, match="must be a datetime"):
            space.scheduler.schedule_task(Task(), "tomorrow")  # type: ignore[arg-type]  # what a user may do
        with pytest.raises(InvalidTask, match="a Task is submitted"):
            space.scheduler.schedule_task_in({}, 5)  # type: ignore[arg-type]  # what a user may do

    def test_a_task_that_would_expire_before_it_is_due_is_refused(self, space: Space) -> None:
        with pytest.raises(InvalidTask, match="would never run"):
            space.scheduler.schedule_task_in(Task(expires_in=5), 5)
        with pytest.raises(InvalidTask, match="would never run"):
            space.scheduler.schedule_task(Task(expires_in=5), datetime.now(UTC) + timedelta(seconds=60))
        assert space.submitted() == 0
        space.scheduler.schedule_task_in(Task(expires_in=6), 5)

    def test_the_default_lifetime_counts_from_the_due_time(
        self, redis_url: str, prefix: str, redis_client: redis.Redis
    ) -> None:
        with open_space(redis_url, prefix, redis_client, message_ttl_seconds=60.0) as space:
            delayed = space.queue.get_task(space.scheduler.schedule_task_in(Task(), 3600))
            when = datetime.now(UTC) + timedelta(hours=2)
            dated = space.queue.get_task(space.scheduler.schedule_task(Task(), when))
        assert delayed.expires_in == 3660
        assert dated.deadline_ms == pytest.approx(when.timestamp() * 1000 + 60_000, abs=2)

    def test_the_same_task_again_is_stored_once(self, space: Space) -> None:
        task = Task(payload=1)
        assert {space.scheduler.schedule_task_in(task, 60) for _ in range(3)} == {task.task_id}
        assert space.submitted() == 1


class TestAdd:
    def test_a_schedule_is_listed(self, space: Space) -> None:
        now_ms = space.now_ms()
        task = Task(task_type="report", queue="mail", priority="high")
        added = space.scheduler.schedule_cron("nightly", "0 3 * * *", task, tz="Europe/Berlin")
        space.scheduler.schedule_every("beat", 30, Task())
        beat, nightly = space.scheduler.list_schedules()
        assert nightly == added
        assert nightly.to_dict() == {
            "name": "nightly",
            "description": "0 3 * * * in Europe/Berlin",
            "task_type": "report",
            "queue": "mail",
            "priority": "high",
            "next_run": nightly.next_run,
            "last_run": None,
            "problem": None,
            "paused": False,
            "upcoming": nightly.upcoming,
        }
        assert list(nightly.upcoming) == sorted(nightly.upcoming)
        assert len(nightly.upcoming) == 3
        assert parse_iso(nightly.next_run or "") == Cron("0 3 * * *", "Europe/Berlin").next_after(now_ms)
        assert (beat.name, beat.description, beat.queue) == ("beat", "every 30 s", "default")
        assert now_ms + 30_000 <= parse_iso(beat.next_run or "") <= space.now_ms() + 30_000

    def test_adding_it_again_changes_nothing(self, space: Space) -> None:
        def add() -> dict[str, str]:
            space.scheduler.schedule_every("beat", 30, Task(payload={"a": 1}))
            space.scheduler.schedule_cron("nightly", "0 3 * * *", Task(payload={"a": 1}))
            return space.redis.hgetall(space.key("schedules"))

        first = add()
        space.redis.hset(space.key("slots"), "beat", "5")
        assert [add() for _ in range(3)] == [first] * 3
        assert space.redis.hget(space.key("slots"), "beat") == "5", "it was replaced: what was fired is forgotten"

    def test_many_processes_add_it_at_once(self, space: Space) -> None:
        queues = [TaskQueue(settings=space.queue.settings) for _ in range(8)]
        ready = threading.Barrier(len(queues))
        infos = []

        def add(queue: TaskQueue) -> None:
            ready.wait()
            infos.append(TaskScheduler(queue).schedule_every("beat", 3600, Task()))

        threads = [threading.Thread(target=add, args=(queue,)) for queue in queues]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        settled = space.redis.hgetall(space.key("schedules"))
        for queue in queues:
            TaskScheduler(queue).schedule_every("beat", 3600, Task())
            queue.close()
        assert len(infos) == len(queues)
        assert list(settled) == ["beat"]
        assert space.redis.hgetall(space.key("schedules")) == settled

    def test_a_new_payload_keeps_the_slot_that_was_missed(self, space: Space) -> None:
        stored = space.store_overdue("hourly")
        space.scheduler.schedule_every("hourly", 3600, Task(payload="new"))
        assert space.scheduler.run_once() == 1
        assert space.queue.get_task(space.pending()[0]).payload == "new"
        slot_ms = stored.due_slot(space.now_ms(), None)
        assert [parse_iso(slot) for slot in space.slots_of("hourly")] == [slot_ms]

    def test_a_replaced_definition_fires_no_slot_again(self, space: Space) -> None:
        space.store_overdue("hourly")
        assert space.scheduler.run_once() == 1
        space.scheduler.schedule_every("hourly", 3600, Task(payload="new"))
        assert space.scheduler.run_once() == 0
        assert len(space.pending()) == 1

    def test_new_times_replace_the_old_ones(self, space: Space) -> None:
        space.store_overdue("hourly")
        info = space.scheduler.schedule_cron("hourly", "0 3 * * *", Task())
        assert space.scheduler.run_once() == 0
        assert [item.description for item in space.scheduler.list_schedules()] == [info.description]

    def test_an_unreadable_definition_is_replaced(self, space: Space) -> None:
        space.store("beat", "garbage")
        space.scheduler.schedule_every("beat", 30, Task())
        assert parse(space.redis.hget(space.key("schedules"), "beat")).recurrence.describe() == "every 30 s"

    def test_what_cannot_run_is_refused_when_it_is_added(self, space: Space) -> None:
        add = space.scheduler
        with pytest.raises(InvalidTask, match="minute"):
            add.schedule_cron("x", "61 * * * *", Task())
        with pytest.raises(InvalidTask, match="did you mean Europe/Berlin"):
            add.schedule_cron("x", "0 9 * * *", Task(), tz="Europe/Berln")
        with pytest.raises(InvalidTask, match=r"at least 0\.1 s"):
            add.schedule_every("x", 0.01, Task())
        with pytest.raises(InvalidTask, match="schedule name"):
            add.schedule_every("a b", 1, Task())
        with pytest.raises(InvalidTask, match="unique_key"):
            add.schedule_every("x", 1, Task(unique_key="k"))
        with pytest.raises(InvalidTask, match="payload"):
            add.schedule_every("x", 1, Task(payload={"when": datetime(2026, 1, 1)}))
        with pytest.raises(PayloadTooLarge):
            add.schedule_every("x", 1, Task(payload="x" * 2_000_000))
        assert add.list_schedules() == []

    def test_without_a_server_it_says_so(self, prefix: str) -> None:
        nowhere = open_space("redis://127.0.0.1:1/0", prefix, redis.Redis(), call_timeout_seconds=0.1)
        with nowhere as space, pytest.raises(ServerUnavailable):
            space.scheduler.schedule_every("beat", 30, Task())


class TestRemove:
    def test_it_is_gone(self, space: Space) -> None:
        space.store_overdue("hourly")
        assert space.scheduler.remove_schedule("hourly") is True
        assert space.scheduler.remove_schedule("hourly") is False
        assert space.scheduler.list_schedules() == []
        assert space.scheduler.run_once() == 0

    def test_an_unreadable_definition_is_listed_with_its_problem_and_can_be_removed(self, space: Space) -> None:
        space.store("odd", "garbage")
        space.scheduler.schedule_every("beat", 30, Task())
        beat, odd = space.scheduler.list_schedules()
        assert beat.problem is None
        assert "cannot be read as JSON" in (odd.problem or "")
        assert space.scheduler.remove_schedule("odd") is True


class TestRunOnce:
    def test_it_promotes_and_fires_what_is_due(self, space: Space) -> None:
        ids = space.submit_due(2050)
        later = space.scheduler.schedule_task_in(Task(), 120)
        space.store_overdue("hourly")
        assert space.scheduler.run_once() == 2051
        assert space.pending()[:2050] == ids
        assert len(space.slots_of("hourly")) == 1
        assert space.queue.get_task_status(later)["status"] == "scheduled"
        assert space.scheduler.run_once() == 0

    def test_after_a_downtime_the_latest_missed_slot_runs_once(self, space: Space) -> None:
        definition = space.store_overdue("hourly", by_ms=10 * HOUR_MS + 1000)
        assert space.scheduler.run_once() == 1
        assert [parse_iso(slot) for slot in space.slots_of("hourly")] == [definition.added_ms + 10 * HOUR_MS]
        (info,) = space.scheduler.list_schedules()
        assert parse_iso(info.last_run or "") == definition.added_ms + 10 * HOUR_MS
        assert parse_iso(info.next_run or "") == definition.added_ms + 11 * HOUR_MS

    def test_a_run_made_up_for_is_not_born_expired(self, space: Space) -> None:
        added_ms = space.now_ms() - HOUR_MS - 1000
        daily = Definition(Every(3600, added_ms), Task(expires_in=60), added_ms)
        space.store("hourly", daily.text())
        space.scheduler.run_once()
        task = space.queue.get_task(space.pending()[0])
        assert task.deadline_ms == pytest.approx(space.now_ms() + 60_000, abs=10_000)

    def test_what_is_lost_in_slots_does_not_run_a_slot_again(self, space: Space) -> None:
        space.store_overdue("hourly")
        assert space.scheduler.run_once() == 1
        space.redis.delete(space.key("slots"))
        assert space.scheduler.run_once() == 0
        assert len(space.pending()) == 1

    @pytest.mark.parametrize("shift_seconds", [-3600, 3600])
    def test_the_clock_of_the_client_does_not_matter(
        self, space: Space, monkeypatch: pytest.MonkeyPatch, shift_seconds: int
    ) -> None:
        definition = space.store_overdue("hourly", by_ms=3 * HOUR_MS + HOUR_MS // 2)
        _shift_client_clock(monkeypatch, shift_seconds)
        info = space.scheduler.schedule_every("beat", 60, Task())
        assert parse_iso(info.next_run or "") == pytest.approx(space.now_ms() + 60_000, abs=10_000)
        assert space.scheduler.run_once() == 1
        assert [parse_iso(slot) for slot in space.slots_of("hourly")] == [definition.added_ms + 3 * HOUR_MS]
        created_ms = parse_iso(space.queue.get_task(space.pending()[0]).created_at)
        assert created_ms == pytest.approx(space.now_ms(), abs=10_000)

    def test_a_refusal_of_the_server_is_raised_and_made_good_later(self, server: ServerProcess) -> None:
        with open_space(server.url, "full", server.client()) as space:
            space.store_overdue("hourly")
            delayed = space.submit_due(1)
            space.redis.config_set("maxmemory", 1)
            with pytest.raises(ServerFull):
                space.scheduler.run_once()
            assert space.pending() == delayed, "a full server still promotes"
            space.redis.config_set("maxmemory", 0)
            assert space.scheduler.run_once() == 1
            assert len(space.slots_of("hourly")) == 1


class TestLoop:
    def test_stop_ends_it_and_is_remembered(self, space: Space) -> None:
        scheduler = space.scheduler
        thread = threading.Thread(target=scheduler.run_scheduler_loop)
        thread.start()
        scheduler.stop()
        thread.join(10)
        assert not thread.is_alive()
        scheduler.run_scheduler_loop()  # returns at once, or the test times out

    def test_an_event_ends_it_before_the_server_is_there(self, prefix: str) -> None:
        stop = threading.Event()
        with open_space("redis://127.0.0.1:1/0", prefix, redis.Redis()) as space:
            thread = threading.Thread(target=space.scheduler.run_scheduler_loop, kwargs={"stop": stop})
            thread.start()
            stop.set()
            thread.join(10)
        assert not thread.is_alive()

    def test_a_refusal_at_the_start_is_raised(self, server: ServerProcess) -> None:
        server.client().config_set("requirepass", "secret-word")
        locked = open_space(server.url, "locked", server.client())
        with locked as space, pytest.raises(AccessDenied, match="REDIS_URL") as caught:
            space.scheduler.run_scheduler_loop()
        assert "secret-word" not in str(caught.value)

    @pytest.mark.parametrize("interval", [0, -1, "10"])
    def test_a_bad_interval_is_refused(self, space: Space, interval: float) -> None:
        with pytest.raises(InvalidTask, match="check_interval"):
            space.scheduler.run_scheduler_loop(check_interval=interval)


def test_the_queue_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TASKQ_PREFIX", "of-the-process")
    monkeypatch.setattr("taskq.current._process_queue", None)
    assert TaskScheduler().queue.settings.prefix == "of-the-process"


def _shift_client_clock(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + seconds)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + seconds * 10**9)


class TestRunNow:
    def test_its_task_runs_now_and_the_slots_go_on(self, space: Space) -> None:
        task = Task(task_type="report", payload={"kind": "daily"}, priority="high", metadata={"by": "ops"})
        before = space.scheduler.schedule_cron("nightly", "0 3 * * *", task)
        first, second = (space.scheduler.run_now("nightly") for _ in range(2))
        assert first != second
        run = space.queue.get_task(first)
        assert (run.task_type, run.payload, run.priority.label) == ("report", {"kind": "daily"}, "high")
        assert run.metadata == {"by": "ops", "schedule": "nightly"}
        assert space.scheduler.list_schedules() == [before]

    def test_unknown(self, space: Space) -> None:
        with pytest.raises(InvalidTask, match="no schedule 'nightly'"):
            space.scheduler.run_now("nightly")

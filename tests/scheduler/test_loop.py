from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
import redis

from taskq.model.moment import parse_iso
from taskq.model.recurrence import Cron, Every
from taskq.model.task import Task
from taskq.protocol.audit import audit
from taskq.scheduler.definition import Definition
from taskq.transport.upkeep import lease_times
from tests.scheduler.conftest import HOUR_MS, Space, open_space
from tests.servers import ServerProcess
from tests.waiting import eventually


def sleepers(client: redis.Redis) -> list[Any]:
    """Return the ids of the connections to a private server that sleep on the bell of the schedulers."""
    return [item["id"] for item in client.client_list() if item["cmd"] == "blpop"]


def wait_until_asleep(space: Space) -> Any:
    """Wait until the one scheduler of a private server sleeps on the bell; return the id of its connection."""
    return eventually(lambda: sleepers(space.redis), what="sleep on the bell")[0]


def calls_of(client: redis.Redis, command: str) -> int:
    return int(client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])


def findings(space: Space) -> list[str]:
    return audit(space.queue.transport.run(space.queue.context.protocol.snapshot()), 30_000)


@pytest.fixture
def own(server: ServerProcess, prefix: str) -> Any:
    """A namespace on a private server."""
    with open_space(server.url, prefix, server.client(), socket_timeout_seconds=0.5) as space:
        yield space


class TestPromotion:
    def test_tasks_are_promoted_when_they_are_due_and_in_that_order(self, space: Space) -> None:
        tasks = [Task(payload=number) for number in range(20)]
        last_ms = space.now_ms() + 1_000
        for place, task in enumerate(tasks):
            due_ms = last_ms - place * 20
            space.scheduler.schedule_task(task, datetime.fromtimestamp(due_ms / 1000, UTC))
        with space.running() as loop:
            early = space.pending()
            assert early == [] or space.now_ms() >= due_ms, "the first of them is not due yet"
            eventually(lambda: len(space.pending()) == 20)
        assert space.pending() == [task.task_id for task in reversed(tasks)]
        assert loop.statistics.promoted == 20
        assert findings(space) == []

    def test_a_submit_wakes_a_scheduler_that_sleeps(self, own: Space) -> None:
        with own.running():
            wait_until_asleep(own)
            before_ms = own.now_ms()
            task_id = own.scheduler.schedule_task_in(Task(), 0.1)
            eventually(lambda: own.pending() == [task_id])
            # without the wake-up it would sleep for 1.6 s or more
            assert 100 <= own.now_ms() - before_ms < 1500

    def test_an_earlier_task_is_not_kept_waiting_by_a_later_one(self, own: Space) -> None:
        with own.running():
            later = own.scheduler.schedule_task_in(Task(), 60)
            wait_until_asleep(own)
            sooner = own.scheduler.schedule_task_in(Task(), 0.05)
            eventually(lambda: own.pending() == [sooner])
        assert own.queue.get_task_status(later)["status"] == "scheduled"

    def test_a_backlog_that_is_due_at_once_is_promoted_completely(self, space: Space) -> None:
        ids = space.submit_due(2500)
        with space.running() as loop:
            eventually(lambda: len(space.pending()) == 2500)
        assert space.pending() == ids
        assert loop.statistics.promoted == 2500

    @pytest.mark.slow
    def test_an_idle_scheduler_hardly_says_a_word(self, own: Space) -> None:
        with own.running():
            wait_until_asleep(own)
            before = calls_of(own.redis, "evalsha"), calls_of(own.redis, "blpop")
            # one sleep in the server takes 5 s
            eventually(lambda: calls_of(own.redis, "blpop") > before[1], 15)
            calls = calls_of(own.redis, "evalsha") - before[0]
        assert calls <= 8


class TestSlots:
    def test_five_schedulers_fire_fifty_slots_once_each(self, space: Space) -> None:
        names = [f"job-{number}" for number in range(50)]
        definitions = {name: space.store_overdue(name) for name in names}
        with ExitStack() as stack:
            loops = [stack.enter_context(space.running()) for _ in range(5)]
            eventually(lambda: space.redis.hlen(space.key("slots")) == 50)
        expected = {
            definition.run_of(space.prefix, name, definition.due_slot(space.now_ms(), None) or 0, 0).task_id
            for name, definition in definitions.items()
        }
        assert len(space.pending()) == 50
        assert set(space.pending()) == expected
        assert space.submitted() == sum(loop.statistics.fired for loop in loops) == 50
        assert findings(space) == []

    def test_an_interval_keeps_its_beat_whoever_fires(self, space: Space) -> None:
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(space.running())
            space.scheduler.schedule_every("beat", 0.1, Task())
            eventually(lambda: len(space.slots_of("beat")) >= 10)
        slots = [parse_iso(slot) for slot in space.slots_of("beat")]
        assert all((later - slot) % 100 == 0 and later > slot for slot, later in pairwise(slots))

    def test_a_cron_expression_with_seconds_fires(self, space: Space) -> None:
        with space.running():
            space.scheduler.schedule_cron("second", "* * * * * *", Task(), tz="Europe/Berlin")
            eventually(lambda: len(space.slots_of("second")) >= 2)
        assert all(slot.endswith(".000Z") for slot in space.slots_of("second"))

    def test_a_new_schedule_wakes_a_scheduler_that_sleeps(self, own: Space) -> None:
        with own.running():
            wait_until_asleep(own)
            before_ms = own.now_ms()
            own.scheduler.schedule_every("beat", 0.1, Task())
            eventually(lambda: own.slots_of("beat"))
            assert own.now_ms() - before_ms < 1500

    def test_a_schedule_whose_hint_was_lost_is_found_by_the_check(self, own: Space) -> None:
        with own.running(check_interval_seconds=0.3):
            wait_until_asleep(own)
            definition = Definition(Every(3600, own.now_ms() - HOUR_MS), Task(), own.now_ms() - 2 * HOUR_MS)
            own.redis.hset(own.key("schedules"), "quiet", definition.text())
            eventually(lambda: own.slots_of("quiet"))

    def test_a_schedule_that_is_removed_stops(self, space: Space) -> None:
        with space.running():
            space.scheduler.schedule_every("beat", 0.1, Task())
            space.scheduler.schedule_every("other", 0.1, Task())
            eventually(lambda: space.slots_of("beat"))
            assert space.scheduler.remove_schedule("beat") is True
            fired, others = len(space.slots_of("beat")), len(space.slots_of("other"))
            eventually(lambda: len(space.slots_of("other")) >= others + 3)
            assert len(space.slots_of("beat")) == fired

    def test_a_schedule_that_is_replaced_goes_on_with_the_new_task(self, space: Space) -> None:
        with space.running():
            space.scheduler.schedule_every("beat", 0.1, Task(payload="old"))
            eventually(lambda: space.slots_of("beat"))
            space.scheduler.schedule_every("beat", 0.1, Task(payload="new"))
            seen = len(space.pending())
            eventually(lambda: len(space.pending()) >= seen + 3)
        payloads = [space.queue.get_task(task_id).payload for task_id in space.pending()]
        assert payloads[-2:] == ["new", "new"]
        assert payloads == sorted(payloads, reverse=True)
        slots = space.slots_of("beat")
        assert len(set(slots)) == len(slots)


class TestTrouble:
    def test_a_bad_definition_is_skipped_and_named_once(self, space: Space, caplog: pytest.LogCaptureFixture) -> None:
        space.store("aaa", "garbage")
        lord_howe = Definition(Cron("0 9 * * *", "Australia/Lord_Howe"), Task(), 0).text()
        space.store("bbb", lord_howe.replace("Lord_Howe", "Nowhere"))
        space.redis.hset(space.key("schedules"), "ccc", b"\xff\xfe")
        with caplog.at_level(logging.INFO, "taskq.scheduler"), space.running(check_interval_seconds=0.05):
            space.scheduler.schedule_every("beat", 0.1, Task())
            eventually(lambda: len(space.slots_of("beat")) >= 5)
        assert len(caplog.messages) == 3
        assert "'aaa': the stored schedule cannot be read as JSON" in caplog.messages[0]
        assert "'bbb'" in caplog.messages[1]
        assert "Australia/Nowhere" in caplog.messages[1]
        assert "'ccc': the stored schedule is not UTF-8" in caplog.messages[2]
        assert all(record.exc_info is None for record in caplog.records)

    def test_a_schedule_that_surprises_us_does_not_stop_the_others(
        self, space: Space, caplog: pytest.LogCaptureFixture
    ) -> None:
        space.store("aaa", Definition(Cron("0 9 * * *"), Task(), 0).text())
        space.redis.hset(space.key("slots"), "aaa", "9" * 17)
        with caplog.at_level(logging.INFO, "taskq.scheduler"), space.running(check_interval_seconds=0.05):
            space.scheduler.schedule_every("beat", 0.1, Task())
            eventually(lambda: len(space.slots_of("beat")) >= 5)
        assert len(caplog.messages) == 1, "it is said once, and does not work again"
        assert "schedule 'aaa'" in caplog.messages[0]
        assert caplog.records[0].exc_info is not None

    def test_a_service_in_trouble_does_not_stop_the_others(
        self, space: Space, caplog: pytest.LogCaptureFixture
    ) -> None:
        space.redis.set(space.key("schedules"), "of another type")
        with caplog.at_level(logging.INFO, "taskq.scheduler"), space.running():
            eventually(lambda: caplog.messages)
            for _ in range(3):
                task_id = space.scheduler.schedule_task_in(Task(), 0.05)
                eventually(lambda task_id=task_id: task_id in space.pending())
            space.redis.delete(space.key("schedules"))
            space.scheduler.schedule_every("beat", 0.1, Task())
            eventually(lambda: space.slots_of("beat"))
        assert len(caplog.messages) == 2
        assert caplog.messages[0].startswith("recurring schedules: a key of the namespace holds a value of another")
        assert caplog.messages[1] == "recurring schedules: works again"

    def test_a_full_server_fires_the_slot_once_there_is_room(
        self, own: Space, caplog: pytest.LogCaptureFixture
    ) -> None:
        own.redis.config_set("maxmemory", 1)
        own.store_overdue("hourly")
        own.redis.delete(own.key("bell:@scheduler"))
        with own.running(check_interval_seconds=60):
            eventually(lambda: caplog.messages)
            assert "maxmemory" in caplog.messages[0]
            own.redis.config_set("maxmemory", 0)
            eventually(lambda: own.slots_of("hourly"))
        assert len(own.slots_of("hourly")) == 1

    def test_a_lost_sleeping_place_is_taken_again(self, own: Space) -> None:
        with own.running():
            sleeper = wait_until_asleep(own)
            own.redis.client_kill_filter(_id=sleeper)
            eventually(lambda: sleepers(own.redis) not in ([], [sleeper]))
            task_id = own.scheduler.schedule_task_in(Task(), 0.05)
            eventually(lambda: own.pending() == [task_id])

    @pytest.mark.parametrize("ending", ["restart", "kill -9", "freeze"])
    def test_an_outage_is_outlasted_and_told_once(
        self, own: Space, server: ServerProcess, caplog: pytest.LogCaptureFixture, ending: str
    ) -> None:
        delayed = own.scheduler.schedule_task_in(Task(), 1)
        own.store_overdue("half-second", Every(0.5, 1000))
        with caplog.at_level(logging.INFO, "taskq.scheduler"), own.running():
            eventually(lambda: own.slots_of("half-second"))
            {"restart": server.stop, "kill -9": server.kill9, "freeze": server.pause}[ending]()
            eventually(lambda: any("does not answer" in message for message in caplog.messages))
            (server.resume if ending == "freeze" else server.start)()
            eventually(lambda: any("answers again" in message for message in caplog.messages))
            eventually(lambda: delayed in own.pending())
            wait_until_asleep(own)
            woken = own.scheduler.schedule_task_in(Task(), 0.05)
            eventually(lambda: woken in own.pending())
            fired = len(own.slots_of("half-second"))
            eventually(lambda: len(own.slots_of("half-second")) > fired)
        assert ["does not answer" in message for message in caplog.messages] == [True, False]
        slots = own.slots_of("half-second")
        assert len(set(slots)) == len(slots)
        assert findings(own) == []

    @pytest.mark.parametrize("gone", [False, True])
    def test_it_ends_while_it_sleeps_and_while_it_waits_for_the_server(
        self, own: Space, server: ServerProcess, caplog: pytest.LogCaptureFixture, gone: bool
    ) -> None:
        with own.running():
            wait_until_asleep(own)
            if gone:
                server.stop()
                eventually(lambda: caplog.messages)
        # ``running`` has seen the thread end
        if not gone:
            eventually(lambda: sleepers(own.redis) == [])


class TestUpkeep:
    def test_the_tasks_of_a_dead_worker_come_back(self, space: Space) -> None:
        tasks = [Task(payload=number) for number in range(250)]
        space.queue.submit_batch(tasks)
        _claim_and_die(space, 250)
        with space.running() as loop:
            eventually(lambda: len(space.pending()) == 250)
        assert space.pending() == [task.task_id for task in tasks]
        assert loop.statistics.recovered == 250
        assert findings(space) == []

    def test_what_has_expired_is_forgotten(self, space: Space) -> None:
        ids = space.queue.submit_batch([Task(payload=number) for number in range(1200)])
        for task_id in ids:
            space.queue.cancel_task(task_id)
        space.redis.delete(
            *(space.key(f"{family}:{task_id}") for task_id in ids for family in ("task", "state", "result"))
        )
        for slot in space.redis.zrange(space.key("retention"), 0, -1):
            space.redis.zadd(space.key("retention"), {slot: 1})
        with space.running() as loop:
            eventually(lambda: space.redis.scard(space.key("status:cancelled")) == 0)
        assert loop.statistics.forgotten == 1200


def _claim_and_die(space: Space, want: int) -> None:
    """Claim tasks as a worker whose lease has run out since."""
    run, protocol = space.queue.transport.run, space.queue.context.protocol
    known, _, _ = run(protocol.register("w1", "token", lease_times(space.queue.settings), "uuid", {"host": "here"}))
    assert known
    assert len(run(protocol.turn("w1", "token", 1, want, ["normal"])).claims) == want
    space.redis.zadd(space.key("leases"), {"w1": 1})

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from taskq.errors import CorruptTask, InvalidTask
from taskq.model.moment import iso_utc
from taskq.model.recurrence import Cron, Every
from taskq.model.task import Task
from taskq.scheduler.definition import Definition, parse, template_of

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def due(definition: Definition, now: str, last: str | None = None) -> str | None:
    slot_ms = definition.due_slot(utc(now), None if last is None else utc(last))
    return None if slot_ms is None else iso_utc(slot_ms)


FULL = Task(
    task_type="report",
    payload={"name": "Zoë \U0001f600", "n": 12345678901234567, "list": [1.5, None, True]},
    priority="high",
    max_retries=0,
    retry_delay=2.5,
    timeout=30,
    expires_in=600,
    queue="mail",
    metadata={"owner": "ops"},
    result_ttl=60,
)


class TestText:
    def test_what_is_stored_is_read_back(self) -> None:
        definition = Definition(Cron("0 9 * * *", "Europe/Berlin"), FULL, 1_000)
        read = parse(definition.text())
        assert (read.recurrence, read.added_ms) == (definition.recurrence, 1_000)
        for name in ("task_type", "payload", "priority", "max_retries", "retry_delay", "timeout", "expires_in"):
            assert getattr(read.template, name) == getattr(FULL, name), name
        assert (read.template.queue, read.template.metadata, read.template.result_ttl) == ("mail", {"owner": "ops"}, 60)

    def test_it_is_the_same_text_for_every_template_that_says_the_same(self) -> None:
        one = Definition(Every(30, 5), Task(payload={"a": 1}), 7)
        other = Definition(Every(30.0, 5), Task(payload={"a": 1}, max_retries=3, priority=5), 7)
        assert one.template.task_id != other.template.task_id
        assert one.text() == other.text() == parse(one.text()).text()
        assert one.text() == (
            '{"recurrence":{"every_ms":30000,"anchor_ms":5},"added_ms":7,'
            '"task":{"type":"agent_query","payload":{"a":1},"priority":"normal"}}'
        )

    def test_it_is_ascii(self) -> None:
        assert Definition(Every(30, 5), FULL, 7).text().isascii()

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda d: "{", "cannot be read as JSON"),
            (lambda d: "[1]", "cannot be used"),
            (lambda d: "7", "cannot be used"),
            (lambda d: "[" * 100_000, "cannot be read as JSON"),
            (lambda d: json.dumps({**d, "added_ms": "soon"}), "added_ms"),
            (lambda d: json.dumps({**d, "added_ms": True}), "added_ms"),
            (lambda d: json.dumps({**d, "added_ms": 10**400}), "added_ms"),
            (lambda d: json.dumps({"task": d["task"], "added_ms": 1}), "has no 'recurrence'"),
            (lambda d: json.dumps({**d, "recurrence": {"cron": "99 * * * *", "tz": "UTC"}}), "minute"),
            (lambda d: json.dumps({**d, "recurrence": {"cron": "0 9 * * *", "tz": "Mars/Base"}}), "time zone"),
            (lambda d: json.dumps({**d, "recurrence": "daily"}), "cannot be used"),
            (lambda d: json.dumps({**d, "task": None}), "cannot be used"),
            (lambda d: json.dumps({**d, "task": {"type": "no spaces"}}), "task type"),
            (lambda d: json.dumps({**d, "task": {"type": "x", "color": 1}}), "'color'"),
            (lambda d: json.dumps({**d, "task": {"type": "x", "task_id": "mine"}}), "'task_id'"),
            (lambda d: json.dumps({**d, "task": {"type": "x", "priority": {}}}), "cannot be used"),
            (lambda d: "\ufffd", "UTF-8"),
        ],
    )
    def test_what_cannot_be_understood_is_one_error(self, change: Any, reason: str) -> None:
        text = change(json.loads(Definition(Every(30, 5), FULL, 7).text()))
        with pytest.raises(CorruptTask, match=reason):
            parse(text)


class TestDue:
    def test_nothing_is_due_before_the_first_slot_after_it_was_added(self) -> None:
        daily = Definition(Cron("0 9 * * *"), Task(), utc("2026-03-01T09:00:00"))
        assert due(daily, "2026-03-01T09:00:01") is None
        assert due(daily, "2026-03-02T08:59:59") is None
        assert due(daily, "2026-03-02T09:00:00") == "2026-03-02T09:00:00.000Z"

    def test_an_interval_begins_one_interval_after_it_was_added(self) -> None:
        added_ms = utc("2026-03-01T00:00:00")
        every = Definition(Every(60, added_ms), Task(), added_ms)
        assert due(every, "2026-03-01T00:00:59") is None
        assert due(every, "2026-03-01T00:01:00") == "2026-03-01T00:01:00.000Z"

    def test_a_slot_that_was_fired_is_not_due_again(self) -> None:
        daily = Definition(Cron("0 9 * * *"), Task(), utc("2026-03-01T00:00:00"))
        assert due(daily, "2026-03-01T20:00:00", last="2026-03-01T09:00:00") is None

    def test_after_a_downtime_only_the_latest_slot_is_due(self) -> None:
        daily = Definition(Cron("0 9 * * *"), Task(), utc("2026-03-01T00:00:00"))
        assert due(daily, "2026-03-11T08:00:00", last="2026-03-02T09:00:00") == "2026-03-10T09:00:00.000Z"

    def test_a_clock_that_was_set_back_makes_nothing_due_twice(self) -> None:
        daily = Definition(Cron("0 * * * *"), Task(), utc("2026-03-01T00:00:00"))
        assert due(daily, "2026-03-01T08:30:00", last="2026-03-01T09:00:00") is None
        assert daily.next_slot(utc("2026-03-01T09:00:00")) == utc("2026-03-01T10:00:00")

    def test_a_skipped_time_of_day_runs_when_the_clocks_change(self) -> None:
        night = Definition(Cron("30 2 * * *", "Europe/Berlin"), Task(), utc("2026-03-28T12:00:00"))
        assert due(night, "2026-03-29T00:59:59") is None
        assert due(night, "2026-03-29T01:00:00") == "2026-03-29T01:00:00.000Z"
        assert due(night, "2026-03-29T12:00:00", last="2026-03-29T01:00:00") is None

    def test_a_repeated_time_of_day_runs_once(self) -> None:
        night = Definition(Cron("30 2 * * *", "Europe/Berlin"), Task(), utc("2026-10-24T12:00:00"))
        assert due(night, "2026-10-25T00:30:00") == "2026-10-25T00:30:00.000Z"
        assert due(night, "2026-10-25T01:30:00", last="2026-10-25T00:30:00") is None
        assert due(night, "2026-10-26T01:30:00", last="2026-10-25T00:30:00") == "2026-10-26T01:30:00.000Z"


class TestRun:
    definition = Definition(Every(60, 0), FULL, 0)

    def test_a_slot_is_one_task_whoever_submits_it(self) -> None:
        one = self.definition.run_of("a", "tick", 60_000, 60_010)
        assert one.task_id == parse(self.definition.text()).run_of("a", "tick", 60_000, 99_999).task_id
        others = [("b", "tick", 60_000), ("a", "tock", 60_000), ("a", "tick", 120_000)]
        ids = {self.definition.run_of(prefix, name, slot, 60_010).task_id for prefix, name, slot in others}
        assert len({one.task_id} | ids) == 4

    def test_it_is_a_copy_of_the_template_that_knows_its_slot(self) -> None:
        run = self.definition.run_of("a", "tick", 60_000, 3_600_000)
        assert (run.payload, run.priority, run.queue, run.timeout) == (FULL.payload, FULL.priority, "mail", 30)
        assert run.metadata == {"owner": "ops", "schedule": "tick", "slot": "1970-01-01T00:01:00.000Z"}
        assert run.created_at == "1970-01-01T01:00:00.000Z"
        assert run.deadline_ms == 3_600_000 + 600_000
        assert FULL.metadata == {"owner": "ops"}

    @pytest.mark.parametrize("keys", [{"unique_key": "k"}, {"ordering_key": "k"}, {"depends_on": ["a"]}])
    def test_a_template_cannot_have_keys(self, keys: dict[str, Any]) -> None:
        with pytest.raises(InvalidTask, match=f"cannot have (an? )?{next(iter(keys))}"):
            template_of(Task(**keys))

    def test_a_template_is_a_task(self) -> None:
        with pytest.raises(InvalidTask, match="not a dict"):
            template_of({})  # type: ignore[arg-type]  # what a user may do


class TestAfter:
    stored = Definition(Every(60, 1_000), Task(payload={"a": 1, "b": 2}), 1_000)

    def test_the_same_again_is_the_stored_one(self) -> None:
        again = Definition(Every(60, 9_000), Task(payload={"b": 2, "a": 1}), 9_000)
        assert again.after(self.stored, 61_000) is self.stored
        cron = Definition(Cron("0 9 * * *"), Task(), 1_000)
        assert Definition(Cron(" 0 9  * * *"), Task(), 9_000).after(cron, None) is cron

    def test_another_task_keeps_the_beat_and_the_slot_that_is_due(self) -> None:
        changed = Definition(Every(60, 9_000), Task(payload="new"), 9_000).after(self.stored, None)
        assert (changed.recurrence, changed.added_ms) == (Every(60, 1_000), 1_000)
        assert changed.template.payload == "new"
        assert changed.due_slot(62_000, None) == 61_000

    def test_another_task_does_not_bring_fired_slots_back(self) -> None:
        changed = Definition(Every(60, 9_000), Task(payload="new"), 9_000).after(self.stored, 61_000)
        assert changed.due_slot(62_000, None) is None

    def test_true_is_not_one(self) -> None:
        one = replace(self.stored, template=Task(payload=1))
        changed = replace(self.stored, template=Task(payload=True))
        assert changed.after(one, None).template.payload is True

    def test_another_rhythm_begins_anew(self) -> None:
        for recurrence in (Every(30, 9_000), Cron("0 9 * * *")):
            new = Definition(recurrence, self.stored.template, 9_000)
            assert new.after(self.stored, 61_000) is new
        berlin = Definition(Cron("0 9 * * *", "Europe/Berlin"), Task(), DAY_MS)
        assert berlin.after(Definition(Cron("0 9 * * *"), Task(), 0), None) is berlin

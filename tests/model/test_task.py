"""The unit of work and its envelope."""

from __future__ import annotations

import base64
import enum
import hashlib
import json
import uuid
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import CorruptTask, InvalidTask, PayloadTooLarge
from taskq.model.codec import checksum
from taskq.model.envelope import from_envelope, to_envelope, to_plain_envelopes
from taskq.model.task import AgentTask, Task, alike
from taskq.states import TaskPriority, TaskType

LIMIT = 1_000_000
CREATED = "2026-01-01T00:00:00.000Z"


class Half(float, enum.Enum):
    """A number whose repr is no number."""

    HOUR = 1800.5


class Many(enum.IntEnum):
    SECONDS = 7


def test_a_task_that_is_alike_has_every_field_of_its_pattern() -> None:
    pattern = Task(task_type="mail", version=3, queue="letters", priority="high", limit_keys=["smtp"], timeout=5)
    task = alike(pattern, {"to": "ada"})
    differ = {item.name for item in fields(Task) if getattr(task, item.name) != getattr(pattern, item.name)}
    assert differ == {"task_id", "payload"}
    assert task.payload == {"to": "ada"}


class TestTask:
    def test_defaults(self) -> None:
        task = Task()
        assert uuid.UUID(task.task_id).version == 4
        assert (task.task_type, task.priority, task.queue) == ("agent_query", TaskPriority.NORMAL, None)
        assert (task.max_retries, task.retry_delay, task.timeout, task.expires_in) == (3, 60.0, None, None)
        assert task.created_at.endswith("Z")
        assert task.metadata == {}
        assert task.metadata is not Task().metadata

    @pytest.mark.parametrize("priority", ["high", "HIGH", 10, TaskPriority.HIGH])
    def test_a_priority_by_name_or_number(self, priority: Any) -> None:
        assert Task(priority=priority).priority is TaskPriority.HIGH

    def test_an_agent_task(self) -> None:
        assert AgentTask(payload={"query": "why?"}).task_type == TaskType.AGENT_QUERY

    def test_types_are_words(self) -> None:
        task = Task(task_type=TaskType.BATCH_QUERY)
        assert type(task.task_type) is str
        assert task.task_type == "batch_query"

    def test_the_default_queue_has_no_name(self) -> None:
        assert Task(queue="default").queue is None

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"task_type": "a b"}, "task type"),
            ({"task_type": None}, "None cannot be used as a task type"),
            ({"task_type": 5}, "5 cannot be used as a task type"),
            ({"task_type": b"a"}, "b'a' cannot be used as a task type"),
            ({"task_type": ["a"]}, "cannot be used as a task type"),
            ({"task_id": "a:b"}, "task id"),
            ({"task_id": 0}, "0 cannot be used as a task id"),
            ({"created_at": "9999-12-31T23:59:00Z", "expires_in": 60}, "past the year 9999"),
            ({"queue": ""}, "queue name"),
            ({"unique_key": "a*"}, "unique key"),
            ({"priority": "soon"}, r"unknown priority 'soon': use one of urgent \(15\), high \(10\)"),
            ({"priority": 7}, "unknown priority 7"),
            ({"max_retries": -1}, "max_retries is -1: use a whole number from 0"),
            ({"max_retries": 1.5}, "max_retries is 1.5"),
            ({"max_retries": True}, "max_retries is True"),
            ({"max_retries": 10**7}, "max_retries is 10000000"),
            ({"retry_delay": -1}, "retry_delay must not be negative"),
            ({"retry_delay": float("nan")}, "retry_delay must be a finite number"),
            ({"retry_delay": "60"}, "retry_delay must be a number of seconds"),
            ({"timeout": 0}, "timeout is 0: use a number of seconds above 0, or leave it out"),
            ({"timeout": False}, "timeout must be a number"),
            ({"expires_in": -5}, "expires_in must not be negative"),
            ({"result_ttl": 0.0}, "result_ttl is 0:"),
            ({"result_ttl": 10**12}, "result_ttl must be between 0 and"),
            ({"metadata": [1]}, "metadata is a list: use a dict"),
            ({"created_at": "yesterday"}, "'yesterday' is not a time"),
            ({"created_at": "2026-01-01T00:00:00"}, "does not say which zone"),
        ],
    )
    def test_what_cannot_be_used(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidTask, match=message):
            Task(**options)

    def test_a_time_is_written_in_one_form(self) -> None:
        assert Task(created_at="2026-01-01T01:00+01:00").created_at == CREATED

    def test_the_deadline(self) -> None:
        assert Task().deadline_ms is None
        assert Task(created_at=CREATED, expires_in=1.5).deadline_ms == 1_767_225_601_500


class TestEnvelope:
    def test_as_it_stands_in_redis(self) -> None:
        task = Task(task_id="a", task_type="mail.send", payload={"to": "Grüße"}, priority="high", created_at=CREATED)
        digest = hashlib.sha256('{"to":"Grüße"}'.encode()).digest()[:16]
        assert json.loads(to_envelope(task, LIMIT)) == {
            "id": "a",
            "type": "mail.send",
            "priority": "high",
            "created_at": CREATED,
            "checksum": base64.b64encode(digest).decode().rstrip("="),
            "payload": {"to": "Grüße"},
        }

    def test_everything_comes_back(self) -> None:
        task = Task(
            task_type="t", payload=[1, {"payload": '"payload":'}], priority="low", max_retries=0, retry_delay=0.5,
            timeout=2, expires_in=3.25, queue="mail", metadata={"payload": 1}, unique_key="k", result_ttl=9,
        )  # fmt: skip
        assert from_envelope(to_envelope(task, LIMIT)) == task
        assert from_envelope(to_envelope(task, LIMIT).encode()) == task

    @given(
        payload=st.recursive(
            st.none() | st.integers() | st.text(st.characters(codec="utf-8")),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
            max_leaves=8,
        ),
        seconds=st.floats(0.001, 1e9) | st.integers(1, 10**9),
    )
    def test_any_payload_comes_back(self, payload: Any, seconds: float) -> None:
        task = Task(payload=payload, retry_delay=seconds, timeout=seconds, metadata={"m": payload})
        assert from_envelope(to_envelope(task, LIMIT)) == task

    @pytest.mark.parametrize(
        ("given_seconds", "stored"), [(timedelta(minutes=2), 120.0), (Half.HOUR, 1800.5), (Many.SECONDS, 7)]
    )
    @pytest.mark.parametrize("name", ["retry_delay", "timeout", "expires_in", "result_ttl"])
    def test_seconds_are_stored_as_plain_numbers(self, name: str, given_seconds: Any, stored: float) -> None:
        task = from_envelope(to_envelope(Task(**{name: given_seconds}), LIMIT))
        assert getattr(task, name) == stored

    def test_no_text_of_the_user_stands_unescaped(self) -> None:
        with pytest.raises(InvalidTask):
            Task(created_at='2026-01-01T00:00:00Z","type":"evil')

    def test_the_size_counts_in_bytes(self) -> None:
        task = Task(payload="€" * 1000)
        size = len(to_envelope(task, LIMIT).encode())
        assert to_envelope(task, size)
        with pytest.raises(PayloadTooLarge, match=rf"{size:,} bytes, more than the {size - 1:,} allowed"):
            to_envelope(task, size - 1)

    def test_many_are_as_each_of_them_is(self) -> None:
        payloads: list[Any] = [None, {"n": 1}, "Grüße", '"payload":', "x" * 5000, [[[1.5]]], {"a": "\x00\x7f"}]
        for some in (payloads, payloads[:1], [payloads[1]] * 100, []):
            tasks = [Task(task_type=f"t{n % 2}", payload=payload) for n, payload in enumerate(some)]
            assert to_plain_envelopes(tasks, LIMIT) == [to_envelope(task, LIMIT) for task in tasks]

    @pytest.mark.parametrize(
        "options",
        [
            {"priority": "high"}, {"queue": "mail"}, {"timeout": 2}, {"expires_in": 2}, {"result_ttl": 2},
            {"version": 2}, {"max_retries": 0}, {"retry_delay": 1}, {"unique_key": "k"}, {"ordering_key": "k"},
            {"group_key": "k"}, {"limit_keys": ["k"]}, {"depends_on": ["other"]}, {"metadata": {"a": 1}},
        ],
        ids=lambda options: next(iter(options)),
    )  # fmt: skip
    def test_what_says_more_is_no_plain_envelope(self, options: dict[str, Any]) -> None:
        assert to_plain_envelopes([Task(), Task(**options)], LIMIT) is None

    def test_of_many_the_one_that_cannot_be_stored_is_named(self) -> None:
        tasks = [Task(payload=payload) for payload in ("a", "€" * 1000, "b")]
        size = len(to_envelope(tasks[1], LIMIT).encode())
        assert to_plain_envelopes(tasks, size) is not None
        with pytest.raises(PayloadTooLarge, match=rf"task {tasks[1].task_id} is {size:,} bytes"):
            to_plain_envelopes(tasks, size - 1)
        for payload, message in (({"a": {1}}, r"payload\['a'\] is a set"), (float("nan"), "payload is nan")):
            with pytest.raises(InvalidTask, match=message):
                to_plain_envelopes([Task(), Task(payload=payload)], LIMIT)

    def test_metadata_that_is_no_json(self) -> None:
        with pytest.raises(InvalidTask, match="the metadata is not JSON"):
            to_envelope(Task(metadata={"a": {1}}), LIMIT)

    def test_a_changed_payload_is_found(self) -> None:
        envelope = to_envelope(Task(task_id="a", payload={"amount": 100}), LIMIT)
        changed = envelope.replace("100", "900")
        with pytest.raises(CorruptTask, match=r"payload of task a does not match its SHA-256 checksum.*kept as it is"):
            from_envelope(changed)
        assert from_envelope(changed, verify=False).payload == {"amount": 900}

    def test_the_same_value_written_otherwise_is_a_change_too(self) -> None:
        with pytest.raises(CorruptTask):
            from_envelope(to_envelope(Task(payload={"a": 1}), LIMIT).replace('{"a":1}', '{"a": 1}'))

    @pytest.mark.parametrize(
        ("stored", "message"),
        [
            (b"\xff\xfe", "not UTF-8"),
            ("", "has no payload"),
            ("{}", "has no payload"),
            ('{"payload":', "payload cannot be read"),
            ('{"payload":1', "envelope cannot be read"),
            ('{"payload":1}', "cannot be used: 'checksum'"),
            ('["payload":1]', "envelope cannot be read"),
            (f'{{"checksum":"{checksum("1")}","payload":1}}', "cannot be used: 'type'"),
            (f'{{"type":"t","priority":"soon","checksum":"{checksum("1")}","payload":1}}', "cannot be used: 'soon'"),
            (f'{{"type":"t","priority":[],"checksum":"{checksum("1")}","payload":1}}', "cannot be used"),
        ],
    )
    def test_what_is_no_envelope(self, stored: str | bytes, message: str) -> None:
        with pytest.raises(CorruptTask, match=message):
            from_envelope(stored)

    def test_fields_of_a_later_release_are_passed_over(self) -> None:
        envelope = to_envelope(Task(payload=1), LIMIT)
        assert from_envelope(envelope.replace('"checksum"', '"novelty":{"a":[]},"checksum"')).payload == 1

    def test_what_lists_need_stands_at_the_beginning(self) -> None:
        """Only the head of a large envelope is read to tell its age."""
        task = Task(task_id="i" * 128, task_type="t" * 128, payload="x" * 10_000, queue="q" * 128)
        assert to_envelope(task, LIMIT).index(task.created_at) < 400

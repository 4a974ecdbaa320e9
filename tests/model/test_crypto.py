"""Signatures and encryption as pure values: what they cover, how keys are replaced, what a stranger can do."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import BadSignature, CannotDecrypt, CorruptTask, SettingsError
from taskq.kinds import Secret, split_keys
from taskq.model.crypto import KeyRing, Seal, hide, key_id, reveal, seal_of
from taskq.model.envelope import from_envelope, outline, to_envelope
from taskq.model.result import parse_result, result_json, result_outline
from taskq.model.task import Task
from taskq.settings import Settings
from taskq.states import TaskStatus
from tests.model.test_codec import JSON, encodable

OLD, NEW, OTHER = (bytes([number]) * 64 for number in (1, 2, 3))
LIMIT = 1_000_000


def ring(*keys: bytes) -> KeyRing:
    return KeyRing(list(keys))


SIGNED = Seal(ring(NEW), None)
SEALED = Seal(ring(NEW), ring(NEW))
TASK = Task(
    task_type="pay", payload={"card": "4711"}, metadata={"note": "private"}, queue="money", priority="high",
    timeout=5, unique_key="k",
)  # fmt: skip


def text_of(key: bytes) -> str:
    return urlsafe_b64encode(key).rstrip(b"=").decode()


# -- signatures --


def test_a_signed_envelope_is_read_by_all_and_changed_by_nobody() -> None:
    text = to_envelope(TASK, LIMIT, SIGNED)
    assert from_envelope(text, seal=SIGNED) == from_envelope(text) == TASK
    assert json.loads(text)["sig"].startswith(key_id(NEW) + ".")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TASK.task_id, f"{TASK.task_id[:-1]}x"),
        ('"type":"pay"', '"type":"pax"'),
        ('"queue":"money"', '"queue":"monex"'),
        ('"priority":"high"', '"priority":"urgent"'),
        ('"timeout":5', '"timeout":9'),
        ('"unique_key":"k"', '"unique_key":"l"'),
        ('"card":"4711"', '"card":"4712"'),
        ('"note":"private"', '"note":"public"'),
        ('"sig":', '"also":1,"sig":'),
        ('"}', '" }'),
    ],
    # the id of the task differs from one collection to the next; those who share out tests need names that do not
    ids=["id", "type", "queue", "priority", "timeout", "unique_key", "metadata", "payload", "signature", "end"],
)
def test_no_part_of_it_can_be_changed(old: str, new: str) -> None:
    text = to_envelope(TASK, LIMIT, SIGNED)
    assert old in text
    with pytest.raises(BadSignature):
        from_envelope(text.replace(old, new), seal=SIGNED)
    with pytest.raises(BadSignature):
        from_envelope(text[:-1] + ',"type":"other"}', seal=SIGNED)


@given(st.data())
def test_no_flipped_bit_passes(data: Any) -> None:
    body = bytearray(to_envelope(TASK, LIMIT, SEALED).encode())
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CorruptTask):
        from_envelope(bytes(body), seal=SEALED)


def test_an_unsigned_task_and_one_of_a_stranger() -> None:
    with pytest.raises(BadSignature, match="is not signed"):
        from_envelope(to_envelope(TASK, LIMIT), seal=SIGNED)
    with pytest.raises(BadSignature, match=f"the key {key_id(OTHER)}, which is not in TASKQ_SIGNING_KEYS"):
        from_envelope(to_envelope(TASK, LIMIT, Seal(ring(OTHER), None)), seal=SIGNED)


def test_a_signature_of_one_task_does_not_fit_another() -> None:
    mine, other = (to_envelope(Task(payload=number), LIMIT, SIGNED) for number in (1, 2))
    mixed = mine[: mine.index(',"sig"')] + other[other.index(',"sig"') :]
    with pytest.raises(BadSignature, match="does not fit"):
        from_envelope(mixed, seal=SIGNED)


# -- encryption --


def test_what_redis_shows_of_an_encrypted_task() -> None:
    text = to_envelope(TASK, LIMIT, SEALED)
    assert "4711" not in text
    assert "private" not in text
    shown = json.loads(text)
    assert (shown["id"], shown["type"], shown["priority"], shown["queue"]) == (TASK.task_id, "pay", "high", "money")
    assert from_envelope(text, seal=SEALED) == TASK


@given(JSON.filter(encodable))
def test_any_payload_comes_back(payload: Any) -> None:
    task = Task(payload=payload)
    assert from_envelope(to_envelope(task, 10**7, SEALED), seal=SEALED) == task


def test_the_same_task_is_stored_as_the_same_bytes() -> None:
    """Else a submit that is repeated after a lost reply would be a conflict."""
    assert to_envelope(TASK, LIMIT, SEALED) == to_envelope(TASK, LIMIT, SEALED)


def test_equal_payloads_look_different() -> None:
    one, two = (json.loads(to_envelope(Task(payload="same"), LIMIT, SEALED))["sealed"] for _ in range(2))
    assert one != two


def test_a_payload_cannot_be_put_into_another_task() -> None:
    """Without signatures too: it is bound to id, type and queue."""
    seal = Seal(None, ring(NEW))
    text = to_envelope(TASK, LIMIT, seal)
    for old, new in (('"type":"pay"', '"type":"log"'), ('"queue":"money"', '"queue":"mail"'), (TASK.task_id, "other")):
        with pytest.raises(CannotDecrypt, match="was changed after it was written, or belongs to another task"):
            from_envelope(text.replace(old, new), seal=seal)


@pytest.mark.parametrize("seal", [None, SIGNED, Seal(ring(NEW), ring(OTHER))], ids=["none", "signing", "other"])
def test_without_the_key(seal: Seal | None) -> None:
    with pytest.raises(CannotDecrypt, match=f"the key {key_id(NEW)}, which is not in TASKQ_ENCRYPTION_KEYS"):
        from_envelope(to_envelope(TASK, LIMIT, SEALED), seal=seal)


def test_the_outline_needs_no_key() -> None:
    seen = outline(to_envelope(TASK, LIMIT, SEALED), TASK.task_id)
    assert (seen.task_type, seen.queue, seen.priority.label, seen.payload) == ("pay", "money", "high", None)


@pytest.mark.parametrize(
    "stored",
    [b"\xff", "", "{}", '{"payload":1}', '{"type":["x"],"payload":1}', '{"type":"a","created_at":3,"payload":1}',
     '{"type":"a\\u001b","created_at":"2026-01-01T00:00:00Z","payload":1}', "[" * 1000],
)  # fmt: skip
def test_the_outline_of_anything(stored: bytes | str) -> None:
    seen = outline(stored, "some-id")
    assert (seen.task_id, seen.task_type) == ("some-id", "unreadable")


# -- keys --


def test_old_keys_are_still_read_and_new_ones_used() -> None:
    before, after = Seal(ring(OLD), ring(OLD)), Seal(ring(NEW, OLD), ring(NEW, OLD))
    assert from_envelope(to_envelope(TASK, LIMIT, before), seal=after) == TASK
    text = to_envelope(TASK, LIMIT, after)
    assert key_id(NEW) in text
    assert key_id(OLD) not in text
    with pytest.raises(BadSignature):
        from_envelope(text, seal=before)


def test_keys_come_from_files(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# of March\n{text_of(NEW)}\n{text_of(OLD)}  # of February\n")
    seal = seal_of(Settings(signing_keys_file=file, encryption_keys_file=file))
    assert seal is not None
    assert from_envelope(to_envelope(TASK, LIMIT, Seal(ring(OLD), ring(OLD))), seal=seal) == TASK
    assert to_envelope(TASK, LIMIT, seal) == to_envelope(TASK, LIMIT, SEALED)


def test_no_keys_no_seal() -> None:
    assert seal_of(Settings()) is None
    assert hide(None, "text", "error", "id") == reveal(None, "text", "error", "id") == "text"


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the keys in .*gone"):
        seal_of(Settings(signing_keys_file=tmp_path / "gone"))
    (tmp_path / "bad").write_text(f"{text_of(NEW)}\nsecret-but-short\n")
    with pytest.raises(SettingsError, match=r"bad cannot be used: key 2 of 2 is not 64 bytes") as raised:
        seal_of(Settings(encryption_keys_file=tmp_path / "bad"))
    assert "secret-but-short" not in str(raised.value)


def test_nothing_shows_a_key() -> None:
    shown = f"{SEALED!r} {SEALED} {ring(NEW)!r} {split_keys(text_of(NEW))!r} {Secret('x')}"
    assert text_of(NEW) not in shown
    assert str(NEW) not in shown


# -- results --


def test_results_and_errors_are_encrypted_too() -> None:
    body = result_json("one", TaskStatus.FAILED, result=[4711], error="card 4711", completed_at_ms=0, seal=SEALED)
    assert "4711" not in body
    assert json.loads(body)["status"] == "failed"
    found = parse_result(body, SEALED)
    assert (found["result"], found["error"]) == ([4711], "card 4711")
    assert "sealed" not in found


def test_a_result_without_the_key() -> None:
    body = result_json("one", TaskStatus.COMPLETED, result=1, completed_at_ms=0, seal=SEALED)
    with pytest.raises(CannotDecrypt):
        parse_result(body)
    seen = result_outline(body)
    assert (seen["status"], seen["result"]) == ("completed", None)
    assert "TASKQ_ENCRYPTION_KEYS" in seen["error"]


def test_a_result_cannot_be_put_under_another_task() -> None:
    body = result_json("one", TaskStatus.COMPLETED, result=1, completed_at_ms=0, seal=SEALED)
    with pytest.raises(CannotDecrypt):
        parse_result(body.replace('"one"', '"two"'), SEALED)


@pytest.mark.parametrize("stored", ["", "[]", "1", "NaN", b"\xff"])
def test_a_result_that_is_none(stored: str | bytes) -> None:
    with pytest.raises(CorruptTask):
        parse_result(stored)
    assert result_outline(stored)["error"]

"""rows: what a list shows of some tasks, without their payloads."""

from __future__ import annotations

import pytest

from tests.state import Bench, settle, task

LONG = "x" * 70_000


def head_of(bench: Bench, body: str) -> bytes | None:
    """Return what is shown of the envelope of a task."""
    bench.submit(task("a", body=body))
    ((row, _),) = bench.run(bench.protocol.rows(["a"]))
    return row.envelope


@pytest.mark.parametrize(
    ("before", "payload"),
    [
        ('{"id":"a","payload":', '"secret"}'),
        ('{"id":"a","payload":', f'"{LONG}"}}'),
        ('{"id":"a","sealed":"', 'secret"}'),
        ('{"id":"a","sealed":"', f'{LONG}"}}'),
        (f'{{"id":"a","tags":["{LONG[:5000]}"],"payload":', '"secret"}'),
    ],
    ids=["a short one", "a long one", "a sealed one", "a long sealed one", "behind a long head"],
)
def test_the_envelope_ends_where_its_payload_begins(bench: Bench, before: str, payload: str) -> None:
    assert head_of(bench, before + payload) == before.encode()


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("no envelope", b"no envelope"),
        (f"no envelope {LONG[:2000]}", f"no envelope {LONG[:2000]}".encode()),
        (LONG, b""),
    ],
    ids=["short", "longer", "too long to look through"],
)
def test_what_has_no_payload_is_shown_as_it_is(bench: Bench, body: str, shown: bytes) -> None:
    assert head_of(bench, body) == shown


def test_of_what_is_not_there_nothing_is_shown(bench: Bench) -> None:
    ((row, due_ms),) = bench.run(bench.protocol.rows(["missing"]))
    assert (row.envelope, row.state, row.result, row.pending, due_ms) == (None, {}, None, False, None)


def test_of_a_long_result_the_end_is_shown(bench: Bench) -> None:
    """There stands what the result says of the run; the value before it may be a megabyte."""
    short, long = bench.claim_one("short"), bench.claim_one("long")
    bench.end("w1", settle(short, body="r" * 16_384), settle(long, body=LONG + "end"))
    (first, _), (second, _) = bench.run(bench.protocol.rows(["short", "long"]))
    assert first.result == b"r" * 16_384
    assert second.result is not None
    assert (len(second.result), second.result[-4:]) == (400, b"xend")

"""Payloads and the ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.compare import work
from bench.compare.__main__ import options_of, parse
from bench.compare.recovery import FULL_SECONDS, HELD
from bench.compare.run import WORKS


@pytest.mark.parametrize("number", [1, 999_999, HELD])
@pytest.mark.parametrize("kind", work.KINDS)
def test_every_payload_has_a_hundred_bytes(number: int, kind: str) -> None:
    payload = work.payload_of(number, kind)
    assert len(json.dumps(payload, separators=(",", ":"))) == work.PAYLOAD_BYTES
    assert (payload["n"], payload["kind"]) == (number, kind)


def test_a_torn_record_is_left_out(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    assert work.read_ledger(ledger) == []
    ledger.write_bytes(work.RECORD.pack(7, 42, 10**18) + work.RECORD.pack(HELD, 43, 1)[:-1])
    assert work.read_ledger(ledger) == [work.Effect(7, 42, 10**18)]


def test_flags_say_what_is_measured() -> None:
    assert options_of(parse([])).works == WORKS
    assert options_of(parse(["--work", "batch,submit"])).works == ("submit", "batch")
    quick = options_of(parse(["--quick"]))
    assert (quick.rounds, quick.choose) == (1, False)
    assert options_of(parse(["--full-recovery"])).cap_seconds == FULL_SECONDS
    with pytest.raises(ValueError, match="no work is called dance"):
        options_of(parse(["--work", "dance"]))


def test_what_an_earlier_run_has_chosen_is_not_tried_again() -> None:
    assert options_of(parse([])).variants == {}
    kept = options_of(parse(["--chosen"])).variants
    assert kept["taskq"].keys() == {"noop", "sleep", "cpu"}

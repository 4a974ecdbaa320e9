"""The table of failure modes names tests that exist; what was found with one server stays beside the other's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import reliability_page
from tests.test_docs import ROOT, read, table


def test_every_failure_mode_names_tests_that_exist() -> None:
    rows = table(read("docs/reliability.md"), "Failure modes")
    assert len(rows) > 30
    for what, holds, tests in rows:
        assert holds, what
        parts = re.split(r"\[[\w/]+\]\(\.\./(tests/[\w/]+\.py)\)", tests)[1:]
        assert parts, f"{what}: no test"
        for file, names in zip(parts[::2], parts[1::2], strict=True):
            text = (ROOT / file).read_text(encoding="utf-8")
            for name in re.findall(r"`(test_\w+)`", names):
                assert f"def {name}(" in text, f"{file} has no {name}"


def test_the_page_holds_what_each_server_has_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before.\n\n<!-- verify: begin -->\n<!-- verify: end -->\n\nAfter.\n", encoding="utf-8")
    monkeypatch.setattr(reliability_page, "PAGE", page)
    for text in ("Valkey 9.1.2, seed 1, 5 s:\n\n| a |", "Redis 7.0.15, seed 2, 5 s:", "Valkey 10.0.0, seed 3, 5 s:"):
        reliability_page.record("verify", f"2026-11-28, {text}")
    assert page.read_text(encoding="utf-8") == (
        "Before.\n\n<!-- verify: begin -->\n\n2026-11-28, Valkey 10.0.0, seed 3, 5 s:\n\n"
        "2026-11-28, Redis 7.0.15, seed 2, 5 s:\n\n<!-- verify: end -->\n\nAfter.\n"
    )

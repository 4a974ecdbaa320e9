"""The table of failure modes names tests, and they exist."""

from __future__ import annotations

import re

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

"""The threat model names a test for each defence, and it exists."""

from __future__ import annotations

import re

from tests.test_docs import ROOT, read, table


def test_every_threat_names_tests_that_exist() -> None:
    rows = table(read("docs/security.md"), "Threats")
    assert len(rows) > 10
    for threat, defence, tests in rows:
        assert defence
        parts = re.split(r"\[\w+\.py\]\(\.\./(tests/[\w/]+\.py)\)", tests)[1:]
        files, names = parts[::2], [re.findall(r"`(\w+)`", text) for text in parts[1::2]]
        named = [(file, name) for file, found in zip(files, names, strict=True) for name in found]
        assert named, threat
        for file, name in named:
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {name}"

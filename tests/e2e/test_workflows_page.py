"""The code of docs/workflows.md and docs/flow-control.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.test_readme import ROOT, Start, environment, start  # noqa: F401 - fixtures

SECTIONS = {
    heading: re.findall(r"^```(python|sh)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for page in ("workflows.md", "flow-control.md")
    for heading, text in re.findall(
        r"^## (.+?)\n(.*?)(?=^## |\Z)", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
}


@pytest.mark.parametrize("heading", [heading for heading, blocks in SECTIONS.items() if blocks])
def test_the_code_of_a_section(start: Start, tmp_path: Path, heading: str) -> None:  # noqa: F811 - the fixture
    blocks = SECTIONS[heading]
    expected = []
    for language, content in blocks:
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", content)
            assert name is not None
            (tmp_path / name[1]).write_text(content)
            expected += re.findall(r"^ *print\(.*  # (.*)$", content, re.MULTILINE)
    (shell,) = [content for language, content in blocks if language == "sh"]
    worker_line, program_line = shell.splitlines()
    assert worker_line.endswith(" &")
    start(worker_line.removesuffix(" &"), tmp_path)
    assert expected
    assert start(program_line, tmp_path).output().splitlines() == expected

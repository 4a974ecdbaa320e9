"""The code of docs/workflows.md and docs/flow-control.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.test_readme import ROOT, Start, environment, start  # noqa: F401 - fixtures

Blocks = list[tuple[str, str]]


def sections_of(page: Path) -> dict[str, Blocks]:
    """Return the blocks of code of a page, by heading: language and content."""
    text = page.read_text(encoding="utf-8")
    return {
        heading: re.findall(r"^```(python|sh)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        for heading, section in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    }


def follow(blocks: Blocks, start: Start, folder: Path) -> tuple[list[str], list[str]]:  # noqa: F811 - the fixture
    """Write the files, start the worker if there is one, run the program and what comes behind it.

    Return the lines that the program has printed, and those that the page shows.
    """
    expected: list[str] = []
    for language, content in blocks:
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", content)
            assert name is not None
            (folder / name[1]).write_text(content)
            expected += re.findall(r"^ *print\(.*  # (.*)$", content, re.MULTILINE)
    (shell,) = [content for language, content in blocks if language == "sh"]
    lines = shell.splitlines()
    if lines[0].endswith(" &"):
        start(lines.pop(0).removesuffix(" &"), folder)
    assert expected
    printed, *_ = [start(line, folder).output() for line in lines]
    return [line.rstrip() for line in printed.splitlines()], expected


SECTIONS = {**sections_of(ROOT / "docs" / "workflows.md"), **sections_of(ROOT / "docs" / "flow-control.md")}
# a section may also show commands alone
PROGRAMS = [heading for heading, blocks in SECTIONS.items() if "python" in dict(blocks)]


@pytest.mark.parametrize("heading", PROGRAMS)
def test_the_code_of_a_section(start: Start, tmp_path: Path, heading: str) -> None:  # noqa: F811 - the fixture
    printed, expected = follow(SECTIONS[heading], start, tmp_path)
    assert printed == expected


def test_the_commands_of_thresholds_print_what_the_page_shows(
    start: Start,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    page = (ROOT / "docs" / "flow-control.md").read_text(encoding="utf-8")
    section = page.partition("## How long tasks may wait\n")[2].partition("\n## ")[0]
    (_, shown), shell = (
        section.split("\n```\n")[1:3],
        re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL),
    )
    printed = [start(line, tmp_path).output() for line in shell[0].splitlines()]
    assert printed[-1].split() == shown.split()

"""The code of docs/agents.md, run as it stands there, with a model on this machine."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from tests.agent.model_server import KEY, ModelServer
from tests.e2e.test_readme import ROOT, Start, environment, start  # noqa: F401 - fixtures
from tests.e2e.test_workflows_page import follow, sections_of

SECTIONS = sections_of(ROOT / "docs" / "agents.md")
# a section may also show commands alone
PROGRAMS = [heading for heading, blocks in SECTIONS.items() if "python" in dict(blocks)]


@pytest.mark.parametrize("heading", PROGRAMS)
def test_the_code_of_a_section(
    start: Start,  # noqa: F811 - the fixture
    environment: dict[str, str],  # noqa: F811 - the fixture
    tmp_path: Path,
    heading: str,
) -> None:
    with closing(ModelServer()) as model:
        environment |= {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "tiny"}
        printed, expected = follow(SECTIONS[heading], start, tmp_path)
    if heading == "Sessions":
        said = re.findall(r"`(\w+ after [^`]+)`", (ROOT / "docs" / "agents.md").read_text(encoding="utf-8"))
        assert len(said) == 3
        expected = said + expected
    assert printed == expected

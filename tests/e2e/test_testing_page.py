"""The code of docs/testing.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.test_readme import ROOT, Start, environment, start  # noqa: F401 - fixtures

PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


def test_the_tests_of_the_page_pass(start: Start, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    files = re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for name, content in files:
        (tmp_path / name).write_text(content)
    (line,) = re.findall(r"^```sh\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
    assert "4 passed" in start(line, tmp_path).output()


def test_what_the_page_names_is_there() -> None:
    import taskq.testing
    from taskq.testing import plugin

    fixtures, names = (re.findall(r"^\| `(\w+)", table, re.MULTILINE) for table in PAGE.split("| in `taskq.testing`"))
    assert fixtures == ["taskq_queue", "taskq_attach", "taskq_url", "taskq_prefix"]
    assert all(hasattr(plugin, name) for name in fixtures)
    assert {*names, "submitted"} == set(taskq.testing.__all__)

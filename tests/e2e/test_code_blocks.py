"""Every block of Python in the docs runs: pages with a story have a test of their own, the others are run here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.test_readme import ROOT, environment  # noqa: F401 - a fixture

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# page -> the test that runs it word for word
OF_THEIR_OWN = {
    "README.md": "test_readme",
    "docs/agents.md": "test_agents_page",
    "docs/channels.md": "test_channels_page",
    "docs/flow-control.md": "test_workflows_page",
    "docs/integrations.md": "test_integrations_page",
    "docs/migrating-from-celery.md": "test_migrating_pages",
    "docs/migrating-from-rq.md": "test_migrating_pages",
    "docs/testing.md": "test_testing_page",
    "docs/tutorial.md": "test_tutorial_page",
    "docs/workflows.md": "test_workflows_page",
}
_READMES = [ROOT / name / "README.md" for name in ("deploy", "examples")]
_FILES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *_READMES]
PAGES = {path.relative_to(ROOT).as_posix(): BLOCK.findall(path.read_text(encoding="utf-8")) for path in _FILES}
BLOCKS = [(page, block) for page, blocks in sorted(PAGES.items()) if page not in OF_THEIR_OWN for block in blocks]
# what a page says around a block, and what is the server of the test
BEFORE = "from taskq import Task, TaskQueue\n"


def test_every_page_with_a_story_has_its_test() -> None:
    for page, name in OF_THEIR_OWN.items():
        assert PAGES[page], f"{page} has no Python any more"
        text = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
        assert Path(page).stem.split("-")[0] in text
    assert len(BLOCKS) > 5


def test_the_other_blocks_run(environment: dict[str, str], tmp_path: Path) -> None:  # noqa: F811 - the fixture
    """Each in names of its own, all in one process, which has to load everything only once."""
    names = []
    for number, (page, block) in enumerate(BLOCKS):
        names.append(f"{number}-{Path(page).stem}.py")
        code = BEFORE + block.replace("redis://127.0.0.1:6379/0", environment["REDIS_URL"])
        (tmp_path / names[-1]).write_text(code, encoding="utf-8")
    program = f"import runpy\nfor name in {names!r}:\n    runpy.run_path(name)\n    print(name)\n"
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, names), done.stderr

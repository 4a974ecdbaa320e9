"""docs/tutorial.md, typed as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from taskq import TaskQueue
from tests.e2e.test_readme import ROOT, START_SECONDS, Start, environment, queue, start  # noqa: F401 - fixtures
from tests.waiting import eventually

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def test_the_tutorial(start: Start, queue: TaskQueue, tmp_path: Path) -> None:  # noqa: F811 - the fixtures
    code = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    for name, content in code.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    shells = [block.splitlines() for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
    (worker, shop), _, (scheduler, add, listing) = shells
    start(worker.removesuffix(" &"), tmp_path)
    expected = re.findall(r"^print\(.*  # (.*)$", code["shop.py"], re.MULTILINE)
    printed = start(shop, tmp_path).output().splitlines()
    assert printed[:2] == expected[:2]
    assert expected[2] in printed[2]
    start(scheduler.removesuffix(" &"), tmp_path)
    start(add, tmp_path).output()
    assert "tidy" in start(listing, tmp_path).output()
    eventually(lambda: queue.get_queue_stats().dead_letters, START_SECONDS, "the discarded task")

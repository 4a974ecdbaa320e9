"""docs/tutorial.md, typed as it stands."""

from __future__ import annotations

import os
import re
import signal
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
    (worker, till), (second, workers, kill), (scheduler, add, listing) = shells
    start(worker.removesuffix(" &"), tmp_path)
    expected = re.findall(r"^print\(.*  # (.*)$", code["till.py"], re.MULTILINE)
    printed = start(till, tmp_path).output().splitlines()
    assert printed == expected
    (first,) = queue.list_workers()
    start(second.removesuffix(" &"), tmp_path)
    eventually(lambda: len(queue.list_workers()) == 2, START_SECONDS, "the second worker")
    head, *rows = (line.split() for line in start(workers, tmp_path).output().splitlines())
    (row,) = [row for row in rows if row[0] == first.worker_id]
    assert row[head.index("PID")] == first.card["pid"], "no column before it is empty, or has a blank in it"
    assert kill == "kill -9 PID"
    os.kill(int(row[head.index("PID")]), signal.SIGKILL)
    eventually(lambda: first.worker_id not in {info.worker_id for info in queue.list_workers()}, START_SECONDS)
    assert start(till, tmp_path).output().splitlines()[0] == expected[0], "the others go on"
    start(scheduler.removesuffix(" &"), tmp_path)
    start(add, tmp_path).output()
    assert "tidy" in start(listing, tmp_path).output()
    eventually(lambda: queue.get_queue_stats().dead_letters, START_SECONDS, "the discarded task")

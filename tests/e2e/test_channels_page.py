"""docs/channels.md, typed as it stands: every file is written, every command run, every output compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from taskq import TaskQueue
from tests.worker.background import findings

PAGE = (Path(__file__).parents[2] / "docs" / "channels.md").read_text(encoding="utf-8")
STEP = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```\n\n```sh\n(.*?)\n```\n\n```text\n(.*?)^```", re.M | re.S)


def test_a_newcomer_can_follow_it_word_for_word(redis_url: str, prefix: str, tmp_path: Path) -> None:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "REDIS_URL": redis_url, "TASKQ_PREFIX": prefix}
    steps = STEP.findall(PAGE)
    assert len(steps) == PAGE.count("```python") == PAGE.count("```sh") == PAGE.count("```text") == 6
    for name, code, command, expected in steps:
        (tmp_path / name).write_text(code, encoding="utf-8")
        done = subprocess.run(
            shlex.split(command), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr, done.stdout) == (0, "", expected), name
    with TaskQueue(redis_url, prefix=prefix) as queue:
        assert findings(queue) == []
        assert queue.list_workers() == []

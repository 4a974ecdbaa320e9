"""The guides for those who come from Celery and RQ: their code runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_readme import ROOT, Start, environment, start  # noqa: F401 - fixtures


@pytest.mark.parametrize(("page", "printed"), [("celery", "30.0\n1.5\n"), ("rq", "3\n1\n")])
def test_the_new_code_runs(
    page: str,
    printed: str,
    start: Start,  # noqa: F811 - the fixture
    environment: dict[str, str],  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    text = (ROOT / "docs" / f"migrating-from-{page}.md").read_text(encoding="utf-8")
    code = re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in code] == ["tasks.py", "buy.py"]
    for name, content in code:
        (tmp_path / name).write_text(content, encoding="utf-8")
    shell = re.search(r"^```sh\n(taskq worker .*) &\npython buy.py\n```", text, re.MULTILINE)
    assert shell is not None
    start(shell[1], tmp_path)
    done = subprocess.run(
        [sys.executable, "buy.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == printed
    assert re.findall(r"# ([\d.]+)$", dict(code)["buy.py"], re.MULTILINE) == printed.split()

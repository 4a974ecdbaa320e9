"""docs/integrations.md, typed as it stands: servers and workers are started, requests are sent."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import httpx
import pytest

from taskq import TaskQueue
from tests.e2e.test_readme import ROOT, START_SECONDS, Start, environment, queue, start  # noqa: F401 - fixtures
from tests.servers import free_port
from tests.waiting import eventually

PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def blocks(heading: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", section(heading), re.MULTILINE | re.DOTALL)


def listens(url: str) -> bool:
    try:
        httpx.get(url)
    except httpx.TransportError:
        return False
    return True


@pytest.mark.parametrize(
    ("heading", "result"), [("FastAPI and Starlette", "2026 was a good year"), ("Flask", "Hello, Ada!")]
)
def test_a_request_starts_a_task(
    start: Start,  # noqa: F811 - the fixture
    queue: TaskQueue,  # noqa: F811
    tmp_path: Path,
    heading: str,
    result: str,
) -> None:
    for content in blocks(heading, "python"):
        name = re.match(r"# (\w+\.py)\n", content)
        assert name is not None
        (tmp_path / name[1]).write_text(content)
    port = str(free_port())
    (shell,) = blocks(heading, "sh")
    worker_line, server_line, curl = shell.replace("8000", port).splitlines()
    for line in (worker_line, server_line):
        assert line.endswith(" &")
        start(line.removesuffix(" &"), tmp_path)
    eventually(lambda: listens(f"http://127.0.0.1:{port}/"), START_SECONDS, "the web server")
    program, flag, method, url = shlex.split(curl)
    assert (program, flag) == ("curl", "-X")
    task_id = httpx.request(method, url).json()["task_id"]
    assert queue.wait_for_result(task_id, START_SECONDS)["result"] == result


def test_the_tasks_of_a_page_can_be_followed(start: Start, queue: TaskQueue, tmp_path: Path) -> None:  # noqa: F811
    for name in re.findall(r"GET /tasks/<id>(\S*?)`", section("FastAPI and Starlette")):
        assert name in ("", "/result", "/events")
    listened = set(re.findall(r'addEventListener\("(\w+)"', section("FastAPI and Starlette")))
    assert listened == {"status", "result"}


def test_the_settings_of_django_are_accepted() -> None:
    from taskq.settings import Settings

    names: dict[str, object] = {}
    (line,) = re.findall(r"^TASKQ = (.*)$", section("Django"), re.MULTILINE)
    exec(f"given = {line}", names)
    given = names["given"]
    assert isinstance(given, dict)
    assert Settings.load(**{name.lower(): value for name, value in given.items()}).prefix == "shop"

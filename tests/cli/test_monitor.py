"""``taskq monitor``: its screens in two sizes, its keys on a terminal, its output for scripts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from taskq import Task, TaskQueue, TaskWorker
from taskq.cli.monitor.reading import Rates, Reading
from taskq.cli.monitor.screen import View, screen
from taskq.cli.monitor.tables import Row, Section, sparkline
from taskq.model.history import Minute
from taskq.model.views import ListStats, QueueStats, WorkerInfo
from taskq.scheduler import ScheduleInfo, TaskScheduler
from taskq.states import TaskPriority
from taskq.transport.server_info import ServerLoad
from tests.cli.conftest import Run
from tests.cli.terminal import Terminal

SCREENS = Path(__file__).parent / "screens"
NOW = datetime(2026, 11, 28, 10, 0, 0, tzinfo=UTC)


def task(number: int, status: str, **more: Any) -> dict[str, Any]:
    return {
        "task_id": f"{number:08d}-cc93-4c8f-af5b-56121bc3f8d1",
        "type": "report.build" if number % 2 else "image.resize",
        "status": status,
        "started_at": "2026-11-28T09:59:18.000Z" if number < 3 else "2026-11-28T09:50:00.000Z",
        "completed_at": None,
        "retry_count": number % 3,
        "attempts": number % 3 + 1,
        "progress": {"value": number / 10, "message": "page"} if number % 2 else None,
        "error": None,
        "reason": None,
        "due_at": None,
        **more,
    }


def reading() -> Reading:
    lists = tuple(
        ListStats(queue, priority, depth, age, paused)
        for queue, priority, depth, age, paused in (
            ("default", "urgent", 0, None, False),
            ("default", "high", 12, 0.4, False),
            ("default", "normal", 1_234_567, 615.0, False),
            ("default", "low", 0, None, False),
            ("newsletter", "normal", 40, 75.0, True),
        )
    )
    error = 'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: cannot identify s3://bucket/a.png'
    held = [task(number, "running") for number in range(5)]
    return Reading(
        at=100.0,
        now=NOW,
        prefix="agent_queue",
        address="redis://cache-1.example.com:6379/0",
        stats=QueueStats(
            **{f"{name}_tasks": 0 for name in ("scheduled", "waiting", "completed", "failed", "cancelled")},
            pending_tasks=1_234_619,
            running_tasks=5,
            retry_tasks=2,
            dead_letters=1_841,
            active_workers=3,
            success_rate=0.99,
            lists=lists,
            counters={"submitted": 5_000_000, "completed": 3_765_000},
        ),
        workers=[
            WorkerInfo("web1-f38abc0f", tuple(item["task_id"] for item in held), 28.0, {"slots": "6"}),
            WorkerInfo("batch-5c3690a6", (), 29.0, {"slots": "2"}),
            WorkerInfo("gone-00000000", (), -3.0, {"slots": "2"}),
        ],
        running=held,
        retries=[task(7, "retry", due_at="2026-11-28T10:01:30.000Z", error=error, retry_count=2)],
        letters=[
            task(n, "failed", completed_at="2026-11-28T09:58:20.000Z", error=error, reason="poison" if n == 8 else None)
            for n in (8, 9, 10)
        ],
        schedules=[
            ScheduleInfo("nightly", "0 3 * * * in Europe/Berlin", "report.build", "default", "low", iso("18:00"), None),
            ScheduleInfo("pulse", "every 30 s", "echo", "default", "normal", iso("09:59"), None),
        ],
        minutes=[
            Minute(iso("09:58"), {}, {"pending": 5}, {}, 1.0, {"submitted": 10.0, "completed": 9.0, "failed": 0.0}),
            Minute(iso("09:59"), {}, {"pending": 65}, {}, 9.0, {"submitted": 20.0, "completed": 19.0, "failed": 0.5}),
        ],
        server=ServerLoad(200 * 2**20, 256 * 2**20, 12, 1, True, True, 0, True),
    )


def iso(clock: str) -> str:
    return f"2026-11-28T{clock}:00.000Z"


def rates_to(last: Reading) -> Rates:
    rates = Rates()
    for seconds in range(8, -1, -1):
        counters = {"submitted": 5_000_000 - 60 * seconds, "completed": 3_765_000 - 100 * seconds * seconds}
        lists = tuple(replace(item, depth=max(0, item.depth - 3 * seconds)) for item in last.stats.lists)
        rates.add(replace(last, at=last.at - seconds, stats=replace(last.stats, counters=counters, lists=lists)))
    return rates


def drawn(width: int, height: int | None, view: View) -> str:
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None, legacy_windows=False)
    found = reading()
    with console.capture() as capture:
        console.print(screen(found, rates_to(found), view, width, height))
    return capture.get()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
def test_a_screen_is_as_it_was_looked_at(width: int, height: int) -> None:
    """The files were read by people; to change them: ``python -m tests.cli.test_monitor``."""
    text = drawn(width, height, View(focus="letters", selected={"letters": task(9, "")["task_id"]}))
    assert text == (SCREENS / f"monitor-{width}x{height}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("size", ["80x24", "200x50"])
def test_the_page_shows_both_screens(size: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    screen = (SCREENS / f"monitor-{size}.txt").read_text(encoding="utf-8")
    assert "\n".join(line.rstrip() for line in screen.splitlines()) in page


@pytest.mark.parametrize("width", [40, 80, 139, 140, 200, 300])
@pytest.mark.parametrize("height", [10, 24, 37, 50, 80])
@pytest.mark.parametrize("focus", ["lists", "running", "letters", "retries"])
def test_a_screen_fits_its_terminal(width: int, height: int, focus: str) -> None:
    lines = drawn(width, height, View(focus=focus)).splitlines()
    assert len(lines) == height, "neither a line too many, which would scroll, nor a gap"
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (80, 10)])
@pytest.mark.parametrize("card", [[], ["a task"]])
def test_the_keys_fit_their_terminal(width: int, height: int, card: list[str]) -> None:
    lines = drawn(width, height, View(help=True, card=card)).splitlines()
    assert (len(lines), max(map(len, lines)) <= width) == (height, True)
    assert "select a row" in "".join(lines)
    assert "cancel it" in "".join(lines) or height < 24


def test_a_card_is_folded_and_scrolls() -> None:
    view = View(card=["error", f"  {'word ' * 40}", *map(str, range(40))])
    first = drawn(80, 24, view).splitlines()
    assert len(first) == 24
    assert sum("word" in line for line in first) == 3
    view.scroll = 1000
    assert "39" in drawn(80, 24, view).splitlines()[-3]


def test_rates_and_bars() -> None:
    rates = rates_to(reading())
    assert list(rates.tasks_in)[-1] == 60.0
    assert rates.growth["default", "normal"] == 3.0
    assert sparkline([0, 1, 2, 4, 8], 4) == "▂▃▅█"
    assert sparkline([0, 0], 9) == "▁▁"


def test_the_selection_stays_with_its_subject() -> None:
    """A dead letter that comes in between must not be replayed instead of the selected one."""
    rows = [Row((), "b"), Row((), "a")]
    section = Section("letters", "", (), rows)
    assert (section.index("a"), section.index("b"), section.index("gone")) == (1, 0, 0)
    rows.insert(0, Row((), "c"))
    assert (section.index("a"), section.index("b")) == (2, 1)


# -- the command --


def test_a_snapshot_for_scripts(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    queue.submit_batch([Task(priority="high"), Task(task_type="bad", max_retries=0)])
    worker = TaskWorker(queue)
    worker.register_handler("bad", lambda task: 1 / 0)
    queue.pause(priority="high")
    worker.run_until_empty()
    TaskScheduler(queue).schedule_every("pulse", 3600, Task())
    shown = run("monitor", "--snapshot")
    assert shown.exit_code == 0
    for words in ("1 pending", "1 dead", "Lists", "high", "paused", "ZeroDivisionError", "pulse", "Schedules · 1"):
        assert words in shown.stdout
    assert run("monitor").stdout.splitlines()[1] == shown.stdout.splitlines()[1], "no terminal: a snapshot"
    found = run_json("monitor")
    assert {item["priority"]: item["depth"] for item in found["stats"]["lists"]}["high"] == 1
    assert found["dead_letters"][0]["type"] == "bad"
    assert found["schedules"][0]["name"] == "pulse"
    assert found["server"]["aof"] is True


def test_the_keys_on_a_terminal(environment: dict[str, str], tmp_path: Path, queue: TaskQueue) -> None:
    task_id = queue.submit_task(Task(task_type="bad", max_retries=0, payload="what was sent"))
    worker = TaskWorker(queue, name="w")
    worker.register_handler("bad", lambda task: 1 / 0)
    worker.run_until_empty()
    queue.submit_task(Task(priority="low"))
    terminal = Terminal(["monitor", "--every", "200ms"], environment, tmp_path)
    try:
        terminal.sees("Dead letters · 1")
        terminal.press("p")
        terminal.sees("the low list of default is paused")
        assert [item.priority for item in queue.get_queue_stats().lists if item.paused] == [TaskPriority.LOW.label]
        terminal.press("p")
        terminal.sees("the low list of default runs again")
        terminal.press("r")
        terminal.sees("r on a dead letter")
        terminal.press("\t")
        terminal.press("\r")
        terminal.sees("what was sent")
        terminal.press("\x1b[6~")  # the end of the error is below, where a time of more digits has broken a line
        terminal.sees("ZeroDivisionError")
        terminal.press("\x1b")
        terminal.sees("Dead letters · 1")
        terminal.press("r")
        terminal.sees(f"{task_id} runs again")
        assert queue.get_task_status(task_id)["status"] == "pending"
        terminal.press("?")
        terminal.sees("run the selected dead letter again")
        terminal.press("q")
        terminal.sees("Lists")
        terminal.press("q")
        assert terminal.end() == 0
    finally:
        terminal.process.kill()


def test_a_server_that_goes_away_is_said_and_waited_for(
    server: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    settings = {**environment, "TASKQ_REDIS_URL": server.url, "TASKQ_CALL_TIMEOUT": "200ms"}
    terminal = Terminal(["monitor", "--every", "100ms"], settings, tmp_path)
    try:
        terminal.sees("Lists")
        server.kill9()
        terminal.sees("no answer")
        server.start()
        terminal.sees("q quit  tab panel")
        terminal.press("q")
        assert terminal.end() == 0
    finally:
        terminal.process.kill()


if __name__ == "__main__":
    for size in ((80, 24), (200, 50)):
        chosen = View(focus="letters", selected={"letters": task(9, "")["task_id"]})
        path = SCREENS / f"monitor-{size[0]}x{size[1]}.txt"
        path.write_text(drawn(*size, chosen), encoding="utf-8")
        print(json.dumps(str(path)))

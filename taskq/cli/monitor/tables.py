"""The sections of the monitor's screen as rows of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from taskq.cli.monitor.reading import Rates, Reading
from taskq.cli.output import duration_text, error_line, printable, size_text
from taskq.model.views import WorkerInfo, whole

_BARS = "▁▂▃▄▅▆▇█"
_PRIORITY_STYLES = {"urgent": "bold red", "high": "yellow", "normal": "", "low": "dim"}
_LONG_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Column:
    """One column; with neither ratio nor width it is as wide as its cells."""

    title: str
    right: bool = False
    ratio: int | None = None
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line; ``subject`` is what the keys act on: an id of a task, or queue and priority of a list."""

    cells: tuple[RenderableType, ...]
    subject: Any = None
    style: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One panel.

    Attributes:
        name: of the section.
        title: above it.
        columns, rows: of the table.
        least: rows below which it gives way to others.
        empty: what stands there without any row.
        vital: whether it is shown then.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: list[Row]
    least: int = 3
    empty: str = ""
    vital: bool = False

    def index(self, subject: Any) -> int:
        """Return the number of the row about a subject, 0 if there is none any more."""
        return next((number for number, row in enumerate(self.rows) if row.subject == subject), 0)


def sparkline(values: Sequence[float], width: int) -> str:
    """Return the latest values as bars between zero and the highest of them."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    if top <= 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[min(len(_BARS) - 1, int(value / top * (len(_BARS) - 1) + 0.5))] for value in shown)


def per_second(rate: float | None) -> str:
    """Return a rate for people."""
    if rate is None:
        return "-"
    return f"{rate:,.0f}/s" if abs(rate) >= 100 else f"{rate:.1f}/s"


def header(reading: Reading, rates: Rates, width: int) -> RenderableType:
    """Return the three lines at the top."""
    stats, server = reading.stats, reading.server
    top = Table.grid(expand=True)
    top.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    top.add_column(justify="right", no_wrap=True)
    top.add_row(
        Text.assemble((reading.prefix, "bold cyan"), f" on {printable(reading.address)}"),
        Text(reading.now.strftime("%H:%M:%S UTC"), style="dim"),
    )
    counts = Text(no_wrap=True, overflow="ellipsis")
    for word, number, style in (
        ("pending", stats.pending_tasks, "bold"),
        ("running", stats.running_tasks, "bold green"),
        ("retry", stats.retry_tasks, "bold yellow"),
        ("scheduled", stats.scheduled_tasks, "bold"),
        ("waiting", stats.waiting_tasks, "bold"),
        ("dead", stats.dead_letters, "bold red"),
        ("done", stats.counters.get("completed", 0), "bold"),
    ):
        if number or word != "waiting":
            counts.append(_short(number), style=style if number else "dim").append(f" {word}  ", style="dim")
    counts.rstrip()
    bars = max(8, min(40, (width - 60) // 3))
    flow = Text(no_wrap=True, overflow="ellipsis")
    for word, series in (("in", rates.tasks_in), ("out", rates.tasks_out)):
        flow.append(f"{word} ", style="dim").append(f"{per_second(series[-1] if series else None):>8} ")
        flow.append(sparkline(series, bars), style="cyan").append("  ")
    flow.append_text(_server(server))
    return Group(top, counts, flow)


def _server(server: Any) -> Text:
    if not server.known:
        return Text("server: no right to ask", style="dim")
    text = Text()
    if server.limit_bytes:
        style = "bold red" if server.memory_share > 0.9 else "yellow" if server.memory_share > 0.75 else ""
        text.append(f"{server.memory_share:.0%} of {size_text(server.limit_bytes)}", style=style)
    else:
        text.append(f"{size_text(server.memory_bytes)}, no limit")
    text.append("  AOF" if server.aof else "  no AOF", style="" if server.aof else "yellow")
    if not server.persistence_ok:
        text.append(" not saved!", style="bold red")
    if server.replicas:
        text.append(f"  {server.replicas} repl.", style="dim")
    return text


def sections(reading: Reading, rates: Rates, wide: bool) -> list[Section]:
    """Return all panels."""
    return [
        _lists(reading, rates, 24 if wide else 12),
        _running(reading, wide),
        _letters(reading, wide),
        _retries(reading, wide),
        _schedules(reading),
        _history(reading),
    ]


def _lists(reading: Reading, rates: Rates, bars: int) -> Section:
    rows = []
    for item in reading.stats.lists:
        name = item.queue, item.priority
        style = _PRIORITY_STYLES.get(item.priority, "")
        state = Text("paused", style="bold yellow") if item.paused else Text("")
        growth = rates.growth.get(name)
        cells = (
            Text(item.queue),
            Text(item.priority, style=style),
            Text(f"{item.depth:,}"),
            Text(duration_text(item.oldest_seconds), style="red" if (item.oldest_seconds or 0) > _LONG_SECONDS else ""),
            Text("-" if growth is None else f"{growth:+,.1f}/s"),
            Text(sparkline(rates.depths.get(name, ()), bars), style="cyan"),
            state,
        )
        rows.append(Row(cells, name, "dim" if not item.depth and not item.paused else ""))
    columns = (
        Column("QUEUE", ratio=1),
        Column("PRIORITY", width=8),
        Column("DEPTH", right=True, width=10),
        Column("OLDEST", right=True, width=7),
        Column("CHANGE", right=True, width=10),
        Column("", width=bars),
        Column("", width=6),
    )
    # on a small screen those in which nothing waits give way to the others
    rows.sort(key=lambda row: row.style == "dim")
    return Section("lists", "Lists", columns, rows, 4, vital=True)


def _running(reading: Reading, wide: bool) -> Section:
    tasks = {task["task_id"]: task for task in reading.running}
    alive = [worker for worker in reading.workers if worker.lease_seconds > 0]
    rows: list[tuple[float, Row]] = []
    for worker in reading.workers:
        held = [tasks[task_id] for task_id in worker.held if task_id in tasks]
        for task in held:
            rows.append(_task_row(worker, task, reading.now))
        if not held:
            state = (worker.card.get("state") or "idle") if worker.lease_seconds > 0 else "silent"
            style = {"idle": "dim", "silent": "bold red"}.get(state, "yellow")
            cells = (Text(worker.worker_id), Text(printable(state), style=style), "", "", "")
            rows.append((-1.0, Row(tuple(Text(c) if isinstance(c, str) else c for c in cells))))
    rows.sort(key=lambda found: -found[0])
    slots = sum(whole(worker.card.get("slots")) for worker in alive)
    title = f"Workers · {len(alive)} alive, {reading.stats.running_tasks} of {slots} slots taken"
    columns = (
        Column("WORKER", ratio=2),
        Column("RUNS", ratio=3),
        _id_column(wide),
        Column("FOR", right=True, width=8),
        Column("PROGRESS", width=8),
    )
    empty = "no worker: `taskq worker` starts one"
    return Section("running", title, columns, [row for _, row in rows], 3, empty, vital=True)


def _task_row(worker: WorkerInfo, task: dict[str, Any], now: datetime) -> tuple[float, Row]:
    seconds = _since(task["started_at"], now) or 0.0
    again = f" (attempt {task['attempts']})" if task["attempts"] > 1 else ""
    cells = (
        Text(worker.worker_id, style="" if worker.lease_seconds > 0 else "bold red"),
        Text(printable(task["type"]) + again),
        Text(task["task_id"], style="dim"),
        Text(duration_text(seconds), style="yellow" if seconds > _LONG_SECONDS else ""),
        Text(_progress(task["progress"]), style="green"),
    )
    return seconds, Row(cells, task["task_id"])


def _progress(progress: Any) -> str:
    if progress is None:
        return ""
    value, message = (
        (progress.get("value"), progress.get("message")) if isinstance(progress, dict) else (progress, None)
    )
    if isinstance(value, int | float) and 0 <= value <= 1:
        return f"{value:.0%}"
    return printable(str(message if value is None else value), keep="").replace("\n", " ")


def _letters(reading: Reading, wide: bool) -> Section:
    rows = [
        Row(
            (
                Text(printable(task["type"])),
                Text(task["task_id"], style="dim"),
                Text(_age(task["completed_at"], reading.now)),
                Text(": ".join(filter(None, (task["reason"], error_line(task["error"])))), style="red"),
            ),
            task["task_id"],
        )
        for task in reading.letters
    ]
    columns = (
        Column("TYPE", ratio=2),
        _id_column(wide),
        Column("AGE", right=True, width=7),
        Column("ERROR", ratio=4),
    )
    return Section("letters", f"Dead letters · {reading.stats.dead_letters:,}", columns, rows, 2, "none", vital=True)


def _retries(reading: Reading, wide: bool) -> Section:
    rows = [
        Row(
            (
                Text(printable(task["type"])),
                Text(task["task_id"], style="dim"),
                Text(_age(task.get("due_at"), reading.now)),
                Text(str(task["retry_count"])),
                Text(error_line(task["error"]), style="yellow"),
            ),
            task["task_id"],
        )
        for task in reading.retries
    ]
    columns = (
        Column("TYPE", ratio=2),
        _id_column(wide),
        Column("DUE", right=True, width=9),
        Column("FAILED", right=True, width=6),
        Column("ERROR", ratio=4),
    )
    return Section("retries", f"Retries · {reading.stats.retry_tasks:,}", columns, rows)


def _schedules(reading: Reading) -> Section:
    rows = [
        Row(
            (
                Text(printable(item.name)),
                Text(printable(item.description)),
                Text(printable(item.task_type)),
                Text("paused", style="yellow") if item.paused else _next(item.next_run, reading.now),
                Text(printable(item.problem or ""), style="red"),
            )
        )
        for item in reading.schedules
    ]
    columns = (
        Column("NAME", ratio=2),
        Column("WHEN", ratio=3),
        Column("TYPE", ratio=2),
        Column("NEXT", right=True, width=11),
        Column("", ratio=1),
    )
    return Section("schedules", f"Schedules · {len(rows)}", columns, rows, 2)


def _id_column(wide: bool) -> Column:
    return Column("TASK", width=36) if wide else Column("TASK", ratio=2)


def _history(reading: Reading) -> Section:
    """The last hour, as workers and schedulers have kept it, a bar a minute."""
    minutes = reading.minutes
    series: list[tuple[str, list[float], str]] = []
    for word, name in (("submitted", "submitted"), ("completed", "completed"), ("failed", "failed")):
        rates = [minute.rates.get(name, 0.0) for minute in minutes]
        series.append((word, rates, per_second(rates[-1] if rates else None)))
    waiting = [float(minute.sizes.get("pending", 0)) for minute in minutes]
    series.append(("pending", waiting, _short(int(waiting[-1])) if waiting else "-"))
    oldest = [minute.oldest_seconds for minute in minutes]
    series.append(("oldest", oldest, duration_text(oldest[-1]) if oldest else "-"))
    rows = [Row((Text(word), Text(last), Text(sparkline(values, 60), style="cyan"))) for word, values, last in series]
    columns = (Column("LAST HOUR", width=10), Column("NOW", right=True, width=9), Column("", ratio=1))
    return Section("history", "History", columns, rows if minutes else [], len(rows))


def _next(iso: str | None, now: datetime) -> Text:
    seconds = _since(iso, now)
    if seconds is None or seconds <= 0:
        return Text(_age(iso, now))
    return Text(f"{duration_text(seconds)} late", style="yellow")  # no scheduler runs


def _since(iso: str | None, now: datetime) -> float | None:
    try:
        return (now - datetime.fromisoformat(iso)).total_seconds() if iso else None
    except (TypeError, ValueError):  # written by something else than taskq
        return None


def _age(iso: str | None, now: datetime) -> str:
    seconds = _since(iso, now)
    if seconds is None:
        return "-"
    return duration_text(seconds) if seconds >= 0 else f"in {duration_text(-seconds)}"


def _short(number: int) -> str:
    """Return a number in six characters or so."""
    if number >= 1_000_000:
        return f"{number / 1_000_000:,.1f}M"
    return f"{number / 1_000:,.0f}k" if number >= 100_000 else f"{number:,}"

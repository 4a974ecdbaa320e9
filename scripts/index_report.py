"""What the main job shows at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click
from index_outcome import Outcome, checks
from index_plan import DELAY_SECONDS

from taskq.states import PRIORITIES

_SHOWN_SLOW = 5
_SHOWN_DEAD = 20


def report(outcome: Outcome, farewells: Sequence[tuple[str, str]]) -> bool:
    """Print everything; return whether all totals are exact.

    Args:
        outcome: of the job.
        farewells: name and last line of each process.
    """
    if outcome.indexed:
        for section in (_show_summary, _show_priorities, _show_workers, _show_slowest):
            section(outcome)
    _show_dead(outcome)
    _show("Processes", [], farewells, "<<")
    click.echo("  A killed process takes the last moments of its own statistics with it; the totals are the server's.")
    results = checks(outcome)
    words = {True: click.style("yes", fg="green"), False: click.style("NO ", fg="red", bold=True)}
    _show("Are the totals exact?", [], [(words[check.holds], check.text) for check in results], "<<")
    return all(check.holds for check in results)


def _show_summary(outcome: Outcome) -> None:
    found = outcome.indexed.values()
    worst_file, worst = max(outcome.indexed.items(), key=lambda item: item[1]["worst"]["complexity"])
    tasks = len(outcome.files) + 1
    late = [result for task_id, result in outcome.results.items() if outcome.files[task_id].is_late]
    lines, functions, classes, complexity = (
        sum(measured[name] for measured in found) for name in ("lines", "functions", "classes", "complexity")
    )
    rows = [
        ("files", f"{len(outcome.files):,}: {len(found):,} indexed, {len(outcome.dead):,} do not parse"),
        ("speed", f"{tasks:,} tasks in {outcome.seconds:.1f} s, {tasks / outcome.seconds:.0f} tasks/s"),
        (
            "found",
            f"{lines:,} lines, {functions:,} functions, {classes:,} classes, cyclomatic complexity {complexity:,}",
        ),
        ("hardest", f"{worst_file.name}, {worst['worst']['where']}: complexity {worst['worst']['complexity']:,}"),
        (
            "retries",
            f"{outcome.stats.counters.get('retried', 0):,}: {sum(result['attempts'] > 1 for result in late)} of "
            f"{len(late)} files that came late were indexed at a later try",
        ),
        ("delayed", _delayed(outcome)),
        *_killed(outcome),
    ]
    _show("Result", [], rows, "<<")


def _delayed(outcome: Outcome) -> str:
    if outcome.recheck["started_at"] is None:
        return f"a recheck, due {DELAY_SECONDS:g} s after its submit, was never started"
    created, started = (datetime.fromisoformat(outcome.recheck[name]) for name in ("created_at", "started_at"))
    waited = (started - created).total_seconds()
    return f"a recheck, due {DELAY_SECONDS:g} s after its submit, started after {waited:.2f} s"


def _killed(outcome: Outcome) -> Iterable[tuple[str, str]]:
    for kill in outcome.kills:
        back_ms, moved_ms = kill.back_seconds * 1000, kill.moved_seconds * 1000
        yield "killed", f"{kill.worker} (process {kill.pid}) by SIGKILL, with {len(kill.moved)} tasks in its hands:"
        yield "", f"back in their lists after {back_ms:.0f} ms, on other workers after {moved_ms:.0f} ms"


def _show_priorities(outcome: Outcome) -> None:
    moments: dict[str, list[datetime]] = {}
    for task_id, result in outcome.results.items():
        file = outcome.files[task_id]
        name = f"{file.priority.label}, late" if file.is_late else file.priority.label
        moments.setdefault(name, []).append(datetime.fromisoformat(result["completed_at"]))
    start = min(min(times) for times in moments.values())
    order = [name for priority in PRIORITIES for name in (priority.label, f"{priority.label}, late") if name in moments]
    rows = [
        (
            name,
            f"{len(moments[name]):,}",
            *(f"{(end(moments[name]) - start).total_seconds():.2f} s" for end in (min, max)),
        )
        for name in order
    ]
    _show(
        "Priorities (seconds since the first task was done)", ["LIST", "TASKS", "FIRST DONE", "LAST DONE"], rows, "<>>>"
    )


def _show_workers(outcome: Outcome) -> None:
    shares = Counter(result["worker_id"] for result in outcome.results.values())
    shares[outcome.recheck["worker_id"]] += 1
    killed = {kill.worker for kill in outcome.kills}
    rows = [
        (worker, f"{tasks:,}", f"{tasks / shares.total():.0%}", "killed" if worker in killed else "")
        for worker, tasks in sorted(shares.items())
    ]
    _show("Workers", ["WORKER", "TASKS", "SHARE", ""], rows, "<>><")


def _show_slowest(outcome: Outcome) -> None:
    def cpu_seconds(item: tuple[Any, dict[str, Any]]) -> float:
        return float(item[1]["cpu_seconds"])

    slowest = sorted(outcome.indexed.items(), key=cpu_seconds, reverse=True)[:_SHOWN_SLOW]
    rows = [
        (
            file.name,
            f"{measured['cpu_seconds'] * 1000:.0f} ms",
            *(f"{measured[name]:,}" for name in ("lines", "functions", "classes", "complexity")),
        )
        for file, measured in slowest
    ]
    _show("Slowest files", ["FILE", "CPU", "LINES", "FUNCTIONS", "CLASSES", "COMPLEXITY"], rows, "<>>>>>")


def _show_dead(outcome: Outcome) -> None:
    reasons = sorted(_reason(letter.error) for letter in outcome.dead)
    rows = [(reason,) for reason in reasons[:_SHOWN_DEAD]]
    if len(reasons) > _SHOWN_DEAD:
        rows.append((f"... and {len(reasons) - _SHOWN_DEAD:,} more",))
    _show(f"Dead letters: {len(reasons):,}", [], rows, "<")


def _reason(error: str) -> str:
    """Return what the handler said, file, line and what is wrong, without the traceback around it."""
    line = next((line for line in error.splitlines() if line.startswith("SyntaxError: ")), error)
    return line.removeprefix("SyntaxError: ")


def _show(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> None:
    """Print a section; ``align`` has < or > for each column."""
    click.echo()
    click.secho(title, bold=True)
    lines = [headers, *rows] if headers else rows
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = []
        for cell, width, side in zip(line, widths, align, strict=True):
            space = " " * (width - len(click.unstyle(cell)))
            cells.append(cell + space if side == "<" else space + cell)
        click.echo(f"  {'  '.join(cells).rstrip()}")

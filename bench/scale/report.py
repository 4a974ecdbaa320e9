"""The page: a table for each curve, how far it grows, and the plot."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.compare.chart import Bar, Panel, draw
from bench.compare.figures import short
from bench.compare.report import markdown_table, replace_part
from bench.scale.axes import Row
from bench.scale.meter import LONG_MS

BEGIN, END = "<!-- bench-scale: begin -->", "<!-- bench-scale: end -->"
KINDS = ("pending", "scheduled", "completed")
MOST_GROWTH = 1.10  # goal: of a submit and of a run beside a million pending tasks
SCRIPTED = ("submit", "run", "moving_submit", "moving_run", "fill", "all")  # costs of taskq's own calls in a row
BARE = ("bare_submit", "bare_run", "bare_fill")
TAKEN = "†"
# name of a curve -> when and on what it was measured, and its rows
Record = dict[str, dict[str, Any]]


def into(page: str, part: str) -> str:
    """Return the page with the figures of a run in it."""
    return replace_part(page, part, (BEGIN, END))


def tables(record: Record) -> str:
    """Return the Markdown of a run."""
    curves: dict[str, list[Row]] = {name: curve["rows"] for name, curve in record.items()}
    runs = [curve["about"] for curve in record.values()]
    parts = [_about(runs), _goals(curves), _gaps(curves, runs)]
    for kind in KINDS:
        if rows := curves.get(kind):
            text = f"### {kind.capitalize()} tasks\n\n{_growth(rows)}{_moving(rows)}\n\n{_costs('tasks', rows)}"
            parts.append(text)
    if rows := curves.get("payload"):
        parts.append(f"### Payload\n\n{_costs('bytes', rows)}")
    if rows := curves.get("busy"):
        parts.append(f"### Busy workers\n\n{_growth(rows)}\n\n{_costs('workers', rows)}")
    if rows := curves.get("idle"):
        parts.append(f"### Idle workers\n\n{_idle(rows)}")
    if rows := curves.get("processes"):
        parts.append(f"### Processes\n\n{_processes(rows)}")
    if rows := curves.get("steady"):
        parts.append(f"### A day, compressed\n\n{_steady(rows)}")
    if TAKEN in "".join(parts):
        parts.append(f"{TAKEN} Another program had the server's core for a part of this time, in each try.")
    return "\n\n".join(part for part in parts if part)


def _about(runs: Sequence[dict[str, Any]]) -> str:
    about = runs[-1]
    loads = sorted({run["load_at_start"] for run in runs})
    load = " to ".join(f"{one:g}" for one in dict.fromkeys((loads[0], loads[-1])))
    first = "; all that took part went before them" if all(run.get("first") for run in runs) else ""
    commits = ", ".join(dict.fromkeys(run["commit"] for run in runs))
    return (
        f"Measured on {about['date']}: {about['cpu']}, {about['cores']} cores, {about['system']}, {about['server']} "
        f"without persistence, Python {about['python']}; taskq at commit {commits}; {about['tasks']:,} tasks at each "
        "point, and a server of its own for each curve. The load of the machine, that is how many programs wanted its "
        f"{about['cores']} cores, was {load} when they began{first}.\n\n"
        "![Cost per task at each point](scale.svg)"
    )


def grown(rows: Sequence[Row], what: str) -> float:
    """Return by what factor a cost has grown from the first point to the last."""
    return float(rows[-1][what]["us"]) / float(rows[0][what]["us"])


def _growth(rows: Sequence[Row]) -> str:
    said = []
    for what, word in (("submit", "a submit"), ("run", "a run")):
        bare = f" (bare: × {grown(rows, f'bare_{what}'):.2f})" if f"bare_{what}" in rows[0] else ""
        said.append(f"{word} × {grown(rows, what):.2f}{bare}")
    return f"From the first point to the last, processor time of the server per task: {', '.join(said)}."


def _moving(rows: Sequence[Row]) -> str:
    """Return what the server's own doubling of tables cost, where it had not come to rest."""
    last = rows[-1]
    if "moving_run" not in last:
        return ""
    return (
        " At the last point, before the server's tables had come to rest: a submit "
        f"{short(last['moving_submit']['us'])} µs, a run {short(last['moving_run']['us'])} µs."
    )


def slowest(cost: dict[str, Any]) -> str:
    """Return the longest call, marked if another program may have lengthened it."""
    return short(cost["slowest_ms"]) + (f" {TAKEN}" if cost.get("disturbed") else "")


def _costs(head: str, rows: Sequence[Row]) -> str:
    bare, filled = "bare_submit" in rows[0], "fill" in rows[0]
    titles = [head, "submit, µs", "run, µs", "slowest submit, ms", "slowest turn, ms", "turn p99, ms"]
    titles += ["bare submit, µs", "bare run, µs"] if bare else []
    titles += ["bytes a task", "slowest batch, ms", "bare, ms"] if filled else []
    lines = []
    for row in rows:
        submit, run = row["submit"], row["run"]
        cells = [f"{row['point']:,}", short(submit["us"]), short(run["us"])]
        cells += [slowest(submit), slowest(run), short(run["p99_ms"])]
        cells += [short(row["bare_submit"]["us"]), short(row["bare_run"]["us"])] if bare else []
        cells += [f"{row['bytes']:.0f}", slowest(row["fill"]), slowest(row["bare_fill"])] if filled else []
        lines.append(cells)
    return markdown_table(titles, lines)


def longest(curves: Mapping[str, Sequence[Row]], whose: Sequence[str] = SCRIPTED) -> tuple[float, str, int, int]:
    """Return the longest script call of a run and the curve that had it, how many took too long, and of how many.

    What another program has disturbed does not count.
    """
    found = [
        (cost["slowest_ms"], name, cost.get("long", 0), cost["calls"])
        for name, rows in curves.items()
        for cost in (row[what] for row in rows for what in whose if what in row)
        if not cost.get("disturbed")
    ]
    most, where, *_ = max(found, default=(0.0, "", 0, 0))
    return most, where, sum(one[2] for one in found), sum(one[3] for one in found)


def _goals(curves: Mapping[str, Sequence[Row]]) -> str:
    lines = []
    if rows := curves.get("growth"):
        for what, word in (("submit", "a submit"), ("run", "a run")):
            factor, said = _in_turns(rows, what)
            title = f"{word} beside {rows[-1]['point']:,} pending tasks, to one beside {rows[0]['point']:,}"
            said += f"; bare: {_in_turns(rows, f'bare_{what}')[1]}"
            lines.append([title, f"≤ {MOST_GROWTH:.2f} ×", said, _verdict(factor <= MOST_GROWTH)])
    most, where, long, calls = longest(curves)
    if where:
        said = f"{long} of {calls:,}, the longest {most:.2f} ms ({where})"
        lines.append([f"script calls of more than {LONG_MS} ms", "none", said, _verdict(most <= LONG_MS)])
    text = f"### Goals\n\n{markdown_table(['', 'goal', 'this run', ''], lines)}" if lines else ""
    most, where, long, calls = longest(curves, BARE)
    if where:
        text += f"\n\nOf the bare baseline's {calls:,} calls {long} took more, the longest {most:.2f} ms ({where})."
    return text


def _gaps(curves: Mapping[str, Sequence[Row]], runs: Sequence[dict[str, Any]]) -> str:
    """Return what long calls the machine itself makes, beside how long those of taskq took."""
    found = [gap for run in runs for gap in run.get("gaps", ())]
    watched = sum(run.get("watched", 0) for run in runs)
    if not watched:
        return ""
    rows = [row[what] for one in curves.values() for row in one for what in SCRIPTED if what in row]
    seconds = sum(cost.get("seconds", 0) for cost in rows if not cost.get("disturbed"))
    most = f", the longest {max(found):.2f} ms" if found else ""
    return (
        f"The calls of taskq kept the server computing for {seconds:.0f} s. A program that only looked at the clock, "
        f"on the same core and with the same priority, was stopped for more than {LONG_MS} ms {len(found)} times in "
        f"{watched:.0f} s{most}: by the host of this machine, whose clock runs on."
    )


def _verdict(reached: bool) -> str:
    return "reached" if reached else "**not reached**"


def _in_turns(rows: Sequence[Row], what: str) -> tuple[float, str]:
    """Return the median of what both ends of a curve cost beside each other, and how it is said."""
    ratios = sorted(rows[-1]["ratios"][what])
    median, quarter = statistics.median(ratios), len(ratios) // 4
    return median, f"{median:.2f} × ({ratios[quarter]:.2f}–{ratios[-1 - quarter]:.2f})"


def _idle(rows: Sequence[Row]) -> str:
    titles = ["workers", "server, µs per worker and second", "commands per worker and second", "submit to result, ms"]
    keys = ("cpu_us_per_worker_second", "commands_per_worker_second", "trip_ms")
    return markdown_table(titles, [[str(row["point"]), *(short(row[key]) for key in keys)] for row in rows])


def _processes(rows: Sequence[Row]) -> str:
    titles = ["processes", "tasks/s", "server, µs per task", "slowest call, ms"]
    return markdown_table(
        titles,
        [[str(row["point"]), short(row["rate"]), short(row["run"]["us"]), slowest(row["run"])] for row in rows],
    )


def flatness(rows: Sequence[Row]) -> tuple[int, int]:
    """Return the least and the most memory of a steady state, its first quarter left out: there it fills up."""
    states = [row["memory"] for row in rows if row["point"] != "at rest"]
    settled = states[len(states) // 4 :]
    return min(settled), max(settled)


def _steady(rows: Sequence[Row]) -> str:
    least, most = flatness(rows)
    lived = [row for row in rows if row["point"] != "at rest"]
    rest = rows[-1]
    us = sorted(row["all"]["us"] for row in lived)[len(lived) // 2]
    call, *_ = longest({"": lived})
    total = lived[-1]["point"]
    titles = ["tasks so far", "memory, KiB", "keys", "server, µs per task", "slowest call, ms"]
    step = max(1, len(lived) // 5)
    table = markdown_table(
        titles,
        [
            [
                f"{row['point']:,}",
                f"{row['memory'] / 1024:,.0f}",
                f"{row['keys']:,}",
                short(row["all"]["us"]),
                slowest(row["all"]),
            ]
            for row in lived[step - 1 :: step]
        ],
    )
    return (
        f"{total:,} tasks, a day at {total / 86_400:.1f} a second, through a namespace whose results live for a second."
        f" After the first quarter memory stayed between {least / 1024:,.0f} and {most / 1024:,.0f} KiB; when all had "
        f"expired, {rest['keys']} keys were left. Submitted in batches, run, expired and swept, a task costs "
        f"{us:.1f} µs of the server, in its slowest call {call:.1f} ms: a core that does nothing else takes "
        f"**{1e6 / us:,.0f} tasks a second** on this machine.\n\n{table}"
    )


def plot(record: Record) -> str:
    """Return the SVG of a run."""
    curves: dict[str, list[Row]] = {name: curve["rows"] for name, curve in record.items()}
    about = next(iter(record.values()))["about"]
    panels = []
    for name, title in (*((kind, f"{kind} tasks") for kind in KINDS), ("payload", "bytes"), ("busy", "busy workers")):
        for what, word in (("submit", "Submit"), ("run", "Run")):
            if rows := curves.get(name):
                bars = []
                for row in rows:
                    bars.append(Bar(f"{row['point']:,}", row[what]["us"], "ours"))
                    if f"bare_{what}" in row:
                        bars.append(Bar("(bare)", row[f"bare_{what}"]["us"], "yardstick"))
                panels.append(Panel(f"{word} with so many {title} (server µs per task)", bars, False, ranked=False))
    if rows := curves.get("steady"):
        lived = [row for row in rows if row["point"] != "at rest"]
        bars = [Bar(f"{row['point']:,}", row["memory"] / 1024, "ours") for row in lived]
        panels.append(Panel("Memory after so many tasks (KiB)", bars, ranked=False))
    return draw(panels, f"{about['date']}, {about['cpu']}, {about['cores']} cores, {about['server']}")

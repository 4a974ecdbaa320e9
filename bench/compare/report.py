"""The page: tables of medians, spreads and ratios, and the plot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.compare import figures, goals
from bench.compare.catalogue import OURS, PEERS, Peer
from bench.compare.chart import Bar, Panel, draw
from bench.compare.run import Record

BEGIN, END = "<!-- bench-compare: begin -->", "<!-- bench-compare: end -->"
BESIDE = "<!-- bench-compare-beside: begin -->", "<!-- bench-compare-beside: end -->"
EMPTY_PAGE = f"# Performance\n\n{BEGIN}\n{END}\n"
NONE = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """One figure in a table.

    Args:
        work: where it was measured.
        key: in the figures of that work.
        title: head of the column.
    """

    work: str
    key: str
    title: str


TABLES: tuple[tuple[str, str, tuple[Column, ...]], ...] = (
    (
        "Submit",
        "Tasks per second, more is better. One submitter on a core of its own.",
        (
            Column("submit", "rate", "one by one"),
            Column("together", "rate", "100 at once, async"),
            Column("batch", "rate", "batches of 100"),
        ),
    ),
    (
        "Run",
        "Tasks per second, more is better: one worker process on the core beside the server's, in its fastest "
        "documented configuration; two processes on both cores, which they share with the server.",
        (
            Column("drain_noop", "rate", "no-op"),
            Column("drain_sleep", "rate", "1 ms sleep"),
            Column("drain_cpu", "rate", "1 ms CPU"),
            Column("two_noop", "rate", "no-op, two processes"),
            Column("two_cpu", "rate", "1 ms CPU, two processes"),
        ),
    ),
    (
        "Wait",
        "Milliseconds, less is better; a task each 10 ms. Submitter and worker share a core. Half load: another "
        "submitter sends half of what submitter and worker bear together on that core.",
        (
            Column("round_trip", "start_p50", "submit to handler, p50"),
            Column("round_trip", "start_p99", "p99"),
            Column("round_trip", "p50", "submit to result, p50"),
            Column("round_trip", "p99", "p99"),
            Column("loaded", "p50", "the same at half load, p50"),
            Column("loaded", "p99", "p99"),
        ),
    ),
    (
        "Cost",
        "Less is better. Processor time of server and worker per no-op task (milliseconds per 1,000 tasks are the same "
        "number), worker with all its processes; bytes of server memory per task with a payload of 100 bytes.",
        (
            Column("drain_noop", "server_us", "server, µs"),
            Column("drain_noop", "worker_us", "worker, µs"),
            Column("memory", "pending", "bytes, pending"),
            Column("memory", "completed", "bytes, completed"),
        ),
    ),
)
PLOTTED = (
    ("Run no-op tasks, one process (tasks/s)", "drain_noop", "rate", True),
    ("Submit one by one (tasks/s)", "submit", "rate", True),
    ("Submit in batches of 100 (tasks/s)", "batch", "rate", True),
    ("Submit to result, idle, p50 (ms; less is better)", "round_trip", "p50", False),
    ("Server CPU per task (µs; less is better)", "drain_noop", "server_us", False),
    ("Worker CPU per task (µs; less is better)", "drain_noop", "worker_us", False),
)


def replace_part(page: str, part: str, markers: tuple[str, str] = (BEGIN, END)) -> str:
    """Return a page with what stands between the markers replaced; markers are added at the end if there are none.

    Args:
        page: Markdown.
        part: Markdown of this run.
        markers: where it begins and ends.
    """
    begin, end = markers
    if begin not in page or end not in page:
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n"
    before, rest = page.split(begin, 1)
    return f"{before}{begin}\n{part.strip()}\n{end}{rest.split(end, 1)[1]}"


def tables(record: Record) -> str:
    """Return the Markdown of a run."""
    peers = _peers(record)
    parts = [f"{_about(record.about)}\n\n{_later(record.about)}![Bars of the main figures](performance.svg)"]
    parts += [f"### {title}\n\n{text}\n\n{table}" for title, text, table in _measured(record, peers)]
    if "recovery" in record.readings:
        parts.append(_recovery(record, peers))
    parts += [_goals(record), _configuration(record, peers), _failures(record, peers)]
    return "\n\n".join(part for part in parts if part)


def beside(record: Record) -> str:
    """Return the Markdown of a run on another server, which stands below that of the first one and is shorter."""
    server = record.about["server"]
    parts = [f"## On {server}", _about(record.about), _later(record.about).strip()]
    parts += [f"**{title}**\n\n{table}" for title, _, table in _measured(record, _peers(record))]
    parts.append(_goals(record).replace("### Goals", f"**Goals, on {server} and among these**", 1))
    parts.append(_failures(record, _peers(record)).replace("### What", "**What", 1).replace("wrong", "wrong**", 1))
    return "\n\n".join(part for part in parts if part)


def _peers(record: Record) -> list[Peer]:
    return [peer for peer in PEERS if peer.name in record.readings.get("check", {})]


def _measured(record: Record, peers: Sequence[Peer]) -> Iterator[tuple[str, str, str]]:
    """Yield title, explanation and Markdown of each table that has figures."""
    for title, text, columns in TABLES:
        shown = [column for column in columns if column.work in record.readings]
        if shown:
            rows = [[_name(peer), *(_cell(record, peer, column) for column in shown)] for peer in peers]
            yield title, text, markdown_table(["", *(column.title for column in shown)], rows)


def plot(record: Record) -> str:
    """Return the SVG of a run."""
    panels = []
    for title, work, key, more in PLOTTED:
        bars = []
        for peer in PEERS:
            if found := [value for value in _values(record, peer, work, key) if value is not None]:
                shade = {"taskq": "ours", "bare": "yardstick"}.get(peer.name, "theirs")
                bars.append(Bar(peer.title, figures.spread(found).median, shade))
        panels.append(Panel(title, bars, more))
    about = record.about
    return draw(
        panels, f"{about['date']}, {about['cpu']}, {about['cores']} cores, {about['server']}; medians of a run in turns"
    )


def _about(about: dict[str, Any]) -> str:
    return (
        f"Measured on {about['date']}: {about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, "
        f"{about['system']}, {about['server']} without persistence, Python {about['python']}; taskq at commit "
        f"{about['commit']}. Median (least–most) of {about['rounds']} rounds in turns, about {about['seconds']:g} s a "
        "reading, and ×, the median of the ratios to taskq round by round. The run took "
        f"{about['minutes']:g} minutes; the load of the machine was {about['load_at_start']:g} when it began"
        f"{'; all that took part went before other programs' if about.get('first') else ''}."
    )


def _later(about: dict[str, Any]) -> str:
    """Return what says that some works are of a later run."""
    runs = [f"{work} on {run['date']} at commit {run['commit']}" for work, run in about.get("later", {}).items()]
    return f"Measured in a run of its own: {', '.join(runs)}.\n\n" if runs else ""


def _values(record: Record, peer: Peer, work: str, key: str) -> list[float | None]:
    return [entry.get(key) for entry in record.readings.get(work, {}).get(peer.name, [])]


def _name(peer: Peer) -> str:
    return f"**{peer.title}**" if peer.name in OURS[:1] else peer.title


def _cell(record: Record, peer: Peer, column: Column) -> str:
    if record.failed("check", peer) or record.failed(column.work, peer):
        return "failed"
    readings = _values(record, peer, column.work, column.key)
    found = [value for value in readings if value is not None]
    if not found:
        return NONE
    spread = figures.spread(found)
    if column.work == "memory" and spread.median < 1:
        return "0"  # a queue that forgets what is done; the rest is noise of the allocator
    text = figures.short(spread.median)
    if len(found) > 1:
        text += f" ({figures.short(spread.least)}–{figures.short(spread.most)})"
    ours = next(other for other in PEERS if other.name == "taskq")
    ratio = figures.ratio(readings, _values(record, ours, column.work, column.key))
    return text if peer is ours or ratio is None else f"{text} ×{figures.short(ratio)}"


def _recovery(record: Record, peers: Sequence[Peer]) -> str:
    rows = []
    for peer in peers:
        if peer.name == "bare":
            continue
        if record.failed("check", peer) or record.failed("recovery", peer):
            rows.append([_name(peer), "failed", *_child(record, peer), peer.guarantee])
        for entry in record.readings["recovery"].get(peer.name, []):
            if "error" not in entry:
                rows.append([_name(peer), _recovered(peer, entry), *_child(record, peer), peer.guarantee])
    child = ["if only its process was killed"] if "child" in record.readings else []
    return (
        "### Recover\n\nThe worker with all its processes is killed (`kill -9`) in the middle of a task, another one "
        "is started, and a task a second is submitted, since some look for dead workers only under traffic. Seconds "
        "until the task runs again, with the start of the new worker. Where tasks run in a process that another one of "
        "the worker supervises, that process alone was killed in a second try, and no other worker was started.\n\n"
        + markdown_table(["", "runs again after", *child, "guarantee"], rows)
    )


def _child(record: Record, peer: Peer) -> list[str]:
    """Return the cell about the process that was killed alone, if that was measured."""
    if "child" not in record.readings:
        return []
    entries = record.readings["child"].get(peer.name, [])
    if not entries:
        return [NONE]
    if "seconds" in entries[0]:
        return [f"{figures.short(entries[0]['seconds'])} s"]
    if "error" in entries[0]:
        return ["failed"]
    return ["lost" if peer.recovery_seconds is None else f"not within {entries[0]['beyond']:.0f} s"]


def _recovered(peer: Peer, entry: dict[str, Any]) -> str:
    if "seconds" in entry:
        return f"{figures.short(entry['seconds'])} s"
    if peer.recovery_seconds is None:
        return "lost"
    return f"not within {entry['beyond']:.0f} s (documented, not measured: {peer.recovery_seconds:,.0f} s)"


def _goals(record: Record) -> str:
    found = goals.standings(record.readings)
    if not found:
        return ""
    reached = sum(bool(standing.reached) for standing in found)
    return (
        f"### Goals\n\n{reached} of {len(found)} reached. Ratios of this run to the best of those named, each in its "
        "fastest documented configuration.\n\n"
        + markdown_table(["", "goal", "this run", ""], [goals.row(standing) for standing in found])
    )


def _configuration(record: Record, peers: Sequence[Peer]) -> str:
    rows = []
    for peer in peers:
        versions = ", ".join(f"{name} {version}" for name, version in record.versions.get(peer.name, {}).items())
        variants = record.variants.get(peer.name, {})
        chosen = "; ".join(f"{kind}: {_variant(variant)}" for kind, variant in variants.items() if variant)
        rows.append([_name(peer), versions or NONE, chosen or NONE, peer.remark])
    return f"### Versions and configuration\n\n{markdown_table(['', 'versions', 'fastest worker', 'remarks'], rows)}"


def _variant(variant: dict[str, Any]) -> str:
    return " ".join(f"{name} {value}" for name, value in variant.items())


def _failures(record: Record, peers: Sequence[Peer]) -> str:
    said = [
        f"- {peer.title}, {work}: {entry['error']}"
        for work, readings in record.readings.items()
        for peer in peers
        for entry in readings.get(peer.name, [])
        if "error" in entry
    ]
    for peer in peers:
        runs = [
            value
            for work in ("drain_noop", "drain_sleep", "drain_cpu")
            for value in _values(record, peer, work, "runs")
        ]
        most = max((value for value in runs if value is not None), default=0.0)
        if most > 1.001:
            said.append(f"- {peer.title} ran up to {most - 1:.1%} of the tasks of a drain twice.")
    return "### What went wrong\n\n" + "\n".join(said) if said else ""


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)

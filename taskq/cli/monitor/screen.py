"""What the monitor draws: a screen of any size from a reading. No I/O here."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from taskq.cli.monitor.reading import Rates, Reading
from taskq.cli.monitor.tables import Section, header, sections

# from so many columns on, two panels stand side by side
_WIDE = 140
_HEADER_LINES = 3
_FOOTER_LINES = 1
# border and head of the table
_FRAME_LINES = 3

KEYS = "? keys  q quit  tab panel  ↑↓ select  enter open  p pause list  r replay letter"
_ALL_KEYS = (
    ("everywhere", ""),
    ("?", "these keys; any key leads back"),
    ("↑ ↓, k j", "select a row, scroll a task; page up and page down go ten at a time"),
    ("", ""),
    ("in the overview", ""),
    ("tab, shift+tab", "next and previous panel"),
    ("enter", "open the selected task"),
    ("p", "pause the selected list, or let it run again"),
    ("r", "run the selected dead letter again"),
    ("q, Ctrl+C", "quit"),
    ("", ""),
    ("in a task", ""),
    ("r", "run it again, if it is a dead letter"),
    ("c", "cancel it"),
    ("esc, enter, q", "back to the overview"),
)


@dataclass(slots=True)
class View:
    """What the user has chosen to look at.

    Attributes:
        focus: name of the section that the keys act on; empty in a snapshot.
        selected: section -> subject of the selected row: rows may move between two looks.
        message: what the last key did.
        card: lines of the task that is looked at in detail; empty if none is.
        scroll: first line of it that is shown.
        help: whether the keys are shown instead of all else.
    """

    focus: str = "lists"
    selected: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    card: list[str] = field(default_factory=list)
    scroll: int = 0
    help: bool = False


def screen(reading: Reading, rates: Rates, view: View, width: int, height: int | None) -> RenderableType:
    """Return the whole screen.

    Args:
        reading: the latest one.
        rates: up to it.
        view: what is selected.
        width: in columns.
        height: in lines; None: as long as it takes.
    """
    if view.help and height is not None:
        return _help(height)
    if view.card and height is not None:
        return _card(view, width, height)
    parts = {section.name: section for section in sections(reading, rates, width >= _WIDE)}
    names = [["lists", "running", "letters", "retries", "schedules", "history"]]
    if width >= _WIDE:
        names = [["lists", "letters", "history"], ["running", "retries", "schedules"]]
    room = None if height is None else height - _HEADER_LINES - _FOOTER_LINES
    columns = [_column([parts[name] for name in column], view, room) for column in names]
    body: RenderableType = columns[0]
    if len(columns) > 1:
        grid = Table.grid(expand=True)
        for _ in columns:
            grid.add_column(ratio=1)
        grid.add_row(*columns)
        body = grid
    footer = Text(
        view.message or KEYS, style="bold yellow" if view.message else "dim", no_wrap=True, overflow="ellipsis"
    )
    return Group(header(reading, rates, width), body, *([footer] if height is not None else []))


def _help(height: int) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for keys, what in _ALL_KEYS[: height - 2]:
        table.add_row(Text(keys, style="bold" if what else "dim"), what)
    return Panel(table, title="keys", title_align="left", height=height, border_style="cyan")


def _card(view: View, width: int, height: int) -> RenderableType:
    room = height - _FOOTER_LINES - 2
    lines = [piece for line in view.card for piece in _folded(line, width - 4)]
    view.scroll = max(0, min(view.scroll, len(lines) - room))
    shown = lines[view.scroll : view.scroll + room]
    text = Text("\n".join(shown), no_wrap=True, overflow="ellipsis")
    keys = view.message or "? keys  esc back  ↑↓ scroll  r replay  c cancel"
    return Group(Panel(text, height=height - _FOOTER_LINES, border_style="cyan"), Text(keys, style="dim", no_wrap=True))


def _folded(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, width, subsequent_indent=indent, drop_whitespace=False, replace_whitespace=False) or [""]


def _column(chosen: Sequence[Section], view: View, room: int | None) -> RenderableType:
    """Return panels below each other that fill the room exactly; those for which there is none are left out."""
    if room is None:
        return Group(*(_panel(section, view, max(1, len(section.rows))) for section in chosen if section.rows))
    shown: list[Section] = []
    for section in chosen:
        taken = sum(_least(part) + _FRAME_LINES for part in (*shown, section))
        if (section.rows or section.vital) and (taken <= room or not shown):
            shown.append(section)
    rows = _share(shown, room - len(shown) * _FRAME_LINES)
    return Group(*(_panel(section, view, number) for section, number in zip(shown, rows, strict=True)))


def _least(section: Section) -> int:
    """Return below how many rows a panel is not worth its frame."""
    return min(section.least, max(1, len(section.rows)))


def _share(shown: Sequence[Section], room: int) -> list[int]:
    """Return how many rows each section gets: what it needs at least, then in turns what it wants, then the rest."""
    given = [max(1, min(_least(section), room)) for section in shown]
    left = room - sum(given)
    while left > 0:
        hungry = [number for number, section in enumerate(shown) if given[number] < len(section.rows)]
        for number in hungry[:left] or [len(shown) - 1]:
            given[number] += 1 if hungry else left
        left = room - sum(given)
    return given


def _panel(section: Section, view: View, rows: int) -> Panel:
    focused = view.focus == section.name
    chosen = section.index(view.selected.get(section.name))
    first = max(0, min(chosen - rows // 2, len(section.rows) - rows)) if focused else 0
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim", show_edge=False)
    for column in section.columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            ratio=column.ratio,
            width=column.width,
            no_wrap=True,
            overflow="ellipsis",
        )
    for number, row in enumerate(section.rows[first : first + rows], first):
        table.add_row(*row.cells, style="reverse" if focused and number == chosen else row.style)
    if not section.rows:
        table.add_row(Text(section.empty, style="dim"))
    hidden = len(section.rows) - min(rows, len(section.rows))
    title = section.title if not hidden else f"{section.title} · {hidden} more"
    return Panel(
        table,
        title=Text(title),
        title_align="left",
        height=rows + _FRAME_LINES,
        padding=(0, 1),
        border_style="bold cyan" if focused else "dim",
    )


def selectable(parts: Iterable[Section]) -> list[str]:
    """Return the names of the sections that the focus can go to, in order."""
    return [section.name for section in parts if section.rows and section.name not in ("schedules", "history")]

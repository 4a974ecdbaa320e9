"""Bars as SVG, in shades that can be read on white and on dark paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.compare.figures import short

PANEL_WIDTH, COLUMNS, MARGIN = 430, 2, 14
ROW, BAR, HEAD, LABEL, VALUE = 19, 13, 30, 132, 84
TEXT, OURS, THEIRS, YARDSTICK = "#767676", "#e8590c", "#8796a8", "none"
LONGEST = 8.0  # where less is better, a bar is cut at so many times the best queue's


@dataclass(frozen=True, slots=True)
class Bar:
    """One contestant in one panel.

    Args:
        label: its name.
        value: its figure.
        shade: ``ours``, ``theirs`` or ``yardstick``.
    """

    label: str
    value: float
    shade: str = "theirs"


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure of all contestants.

    Args:
        title: with its unit.
        bars: in any order.
        more_is_better: which end is best.
        ranked: draw the best first; else in the order given, as for the points of a curve.
    """

    title: str
    bars: Sequence[Bar]
    more_is_better: bool = True
    ranked: bool = True


def draw(panels: Sequence[Panel], caption: str) -> str:
    """Return an SVG document.

    Args:
        panels: in reading order, two a row.
        caption: one line below.
    """
    parts: list[str] = []
    top = MARGIN
    for start in range(0, len(panels), COLUMNS):
        row = panels[start : start + COLUMNS]
        for column, panel in enumerate(row):
            parts += _panel(panel, MARGIN + column * (PANEL_WIDTH + MARGIN), top)
        top += HEAD + ROW * max(len(panel.bars) for panel in row) + MARGIN
    width, height = COLUMNS * (PANEL_WIDTH + MARGIN) + MARGIN, top + 16
    parts.append(_text(MARGIN, top + 4, caption, size=11))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" role="img" aria-label="{escape(caption, {chr(34): "&quot;"})}">'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _panel(panel: Panel, left: float, top: float) -> list[str]:
    ranking = sorted(panel.bars, key=lambda bar: bar.value, reverse=panel.more_is_better)
    bars = ranking if panel.ranked else list(panel.bars)
    parts = [_text(left, top + 14, panel.title, size=13, weight="bold")]
    if not bars:
        return parts
    best = next((bar.value for bar in ranking if bar.shade != "yardstick"), ranking[0].value)
    most = max(bar.value for bar in bars)
    longest = most if panel.more_is_better else min(most, max(best, 1e-9) * LONGEST)
    room = PANEL_WIDTH - LABEL - VALUE
    for index, bar in enumerate(bars):
        y = top + HEAD + index * ROW
        cut = bar.value > longest
        length = max(1.0, room * (1.0 if cut else bar.value / longest))
        weight = "bold" if bar.shade == "ours" else "normal"
        parts.append(_text(left + LABEL - 6, y + BAR - 2, bar.label, anchor="end", weight=weight))
        parts.append(_rectangle(left + LABEL, y, length, bar.shade))
        shown = short(bar.value) + (" (cut)" if cut else "")
        parts.append(_text(left + LABEL + length + 5, y + BAR - 2, shown, weight=weight))
    return parts


def _rectangle(x: float, y: float, width: float, shade: str) -> str:
    fill = {"ours": OURS, "theirs": THEIRS, "yardstick": YARDSTICK}[shade]
    outline = f' stroke="{THEIRS}" stroke-dasharray="3 2"' if shade == "yardstick" else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR}" rx="2" fill="{fill}"{outline}/>'


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{TEXT}">'
        f"{escape(text)}</text>"
    )

"""The generated parts of docs/reliability.md, each between the markers of its kind."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"


def record(kind: str, text: str) -> None:
    """Replace what stands between ``<!-- kind: begin -->`` and ``<!-- kind: end -->``.

    Raises:
        SystemExit: if the page has no such place.
    """
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {kind}: begin -->\n", f"<!-- {kind}: end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{PAGE} has no place for {kind}: it needs the lines {begin.strip()} and {end}")
    PAGE.write_text(f"{before}{begin}\n{text}\n\n{end}{after}", encoding="utf-8")

"""The generated parts of docs/reliability.md, each between the markers of its kind."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"
# how the record of one server begins: "2026-11-28, Valkey 9.1.2, seed 7"
_HEAD = re.compile(r"^\d{4}-\d\d-\d\d, (\w+) ", re.MULTILINE)


def record(kind: str, text: str) -> None:
    """Write what was found between ``<!-- kind: begin -->`` and ``<!-- kind: end -->``.

    In place of what was found before with the same server, Valkey or Redis; what was found with the other stays.

    Args:
        kind: of the place.
        text: begins with the date and the server.

    Raises:
        SystemExit: if the page has no such place.
    """
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {kind}: begin -->\n", f"<!-- {kind}: end -->"
    before, found, rest = page.partition(begin)
    old, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{PAGE} has no place for {kind}: it needs the lines {begin.strip()} and {end}")
    parts = "\n\n".join({**_by_server(old), **_by_server(text)}.values())
    PAGE.write_text(f"{before}{begin}\n{parts}\n\n{end}{after}", encoding="utf-8")


def _by_server(text: str) -> dict[str, str]:
    heads = list(_HEAD.finditer(text))
    ends = [*(head.start() for head in heads), len(text)][1:]
    return {head[1]: text[head.start() : end].strip() for head, end in zip(heads, ends, strict=True)}

"""What of a payload is shown: everything but secrets, told by the names of fields and by URLs with a password."""

from __future__ import annotations

import json
import re
from typing import Any

from taskq.logs import printable

DOTS = "••••••"
_LONGEST_SHOWN = 20_000
_DEEPEST = 60
# every part is bounded: without, a long text of letters would take minutes
_URL_PASSWORD = re.compile(r"\b([A-Za-z][A-Za-z0-9+.\-]{0,30}://[^\s/:@\"']{0,256}):[^\s/@\"']{1,1024}@")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s{1,8}[A-Za-z0-9+/_.~=\-]{12,}")


class Redaction:
    """Hides secrets.

    Args:
        hidden_fields: a regular expression for names of fields.
        hide_all: whether to show nothing at all.
    """

    def __init__(self, hidden_fields: str, *, hide_all: bool = False) -> None:
        self._hidden = re.compile(hidden_fields, re.IGNORECASE)
        self._hide_all = hide_all

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return JSON data without its secrets."""
        if depth > _DEEPEST:
            return "…"
        if isinstance(value, dict):
            return {
                self.text(str(name)): DOTS if self._hidden.search(str(name)) else self.value(item, depth + 1)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item, depth + 1) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def json(self, value: Any) -> str:
        """Return JSON data as text for people, without its secrets, cut if it is very long."""
        if self._hide_all:
            return "(hidden)"
        text = printable(json.dumps(self.value(value), indent=2, ensure_ascii=False, default=str))
        if len(text) > _LONGEST_SHOWN:
            return f"{text[:_LONGEST_SHOWN]}\n… cut: {len(text):,} characters in all"
        return text

    @staticmethod
    def text(text: str) -> str:
        """Return a text without the passwords of URLs and without bearer tokens; for errors, too."""
        return _BEARER.sub(rf"\1 {DOTS}", _URL_PASSWORD.sub(rf"\1:{DOTS}@", text))

"""What a handler has said of one query: the pieces so far, how they are shown, and the result."""

from __future__ import annotations

import time
from typing import Any

from taskq.model.retry import Discard

SHOW_SECONDS = 0.25
# Progress may be 64 KB of JSON; a character has up to six bytes there.
_MOST_SHOWN_CHARS = 10_000


class Answer:
    """Collects pieces of text.

    Args:
        max_bytes: how long the whole text may be.
    """

    def __init__(self, max_bytes: int) -> None:
        self._pieces: list[str] = []
        self._fields: dict[str, Any] = {}
        self._bytes = 0
        self._max_bytes = max_bytes
        self._next_look = 0.0

    def add(self, piece: Any) -> bool:
        """Take a piece of text, or a dict of further fields of the result; return whether it is time to show it.

        Raises:
            Discard: if it is neither, or the text is longer than a result may be.
        """
        if isinstance(piece, dict):
            self._fields.update(piece)
            return False
        if not isinstance(piece, str):
            raise Discard(f"the handler has yielded a {type(piece).__name__}: yield text, or a dict of further fields")
        self._pieces.append(piece)
        self._bytes += len(piece.encode("utf-8", "replace"))
        if self._bytes > self._max_bytes:
            raise Discard(
                f"the answer is longer than the {self._max_bytes:,} bytes that fit into a result "
                "(TASKQ_MAX_MESSAGE_SIZE): ask for a shorter one"
            )
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + SHOW_SECONDS
        return True

    def shown(self) -> dict[str, Any]:
        """Return what progress shows: the end of the text so far, at which character it starts, how many pieces."""
        text = "".join(self._pieces)
        start = max(0, len(text) - _MOST_SHOWN_CHARS)
        return {"text": text[start:], "start": start, "pieces": len(self._pieces)}

    def result(self, returned: Any = None) -> dict[str, Any]:
        """Return the result of the task.

        Args:
            returned: what the handler has returned: the answer, or a dict with ``answer`` and further fields.
        """
        fields = dict(self._fields)
        if self._pieces:
            fields["answer"] = "".join(self._pieces)
        if isinstance(returned, dict) and (self._pieces or "answer" in returned):
            return {**fields, **returned}
        return {"answer": None, **fields} if returned is None else {**fields, "answer": returned}

"""What a server of the OpenAI kind answers to ``POST /chat/completions``, read. No I/O here."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from taskq.agent.sse import EventReader

_LONGEST_WAIT_SECONDS = 3_600.0
_DONE = "[DONE]"


class Reply:
    """An answer, which comes in one piece or as a stream.

    Attributes:
        text: if it came in one piece.
        model: that has answered.
        finish_reason: ``stop``, ``length``, ...
        usage: tokens, as the server counts them.
    """

    def __init__(self) -> None:
        self.text = ""
        self.model: str | None = None
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self._events = EventReader()
        self._done = False

    def note(self, message: dict[str, Any], part: str) -> str:
        """Take one JSON message in; return the text in it.

        Args:
            message: of the server.
            part: where in a choice the text is: ``delta`` or ``message``.

        Raises:
            ValueError: if it is an error, or not what such a server sends.
        """
        if message.get("error"):
            raise ValueError(f"an error: {_said(message['error'])}")
        self.model = message.get("model") or self.model
        self.usage = message.get("usage") or self.usage
        text = ""
        for choice in message.get("choices") or ():
            if choice.get("index", 0) != 0:
                continue
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            content = (choice.get(part) or {}).get("content")
            if content is not None and not isinstance(content, str):
                raise ValueError(f"a choice whose content is a {type(content).__name__}")
            text += content or ""
        return text

    def feed(self, received: bytes) -> Iterator[str]:
        """Yield the pieces of text in these bytes of a stream of server-sent events.

        Raises:
            ValueError: if it cannot be read, or is an error.
        """
        for data in self._events.feed(received):
            if data.strip() == _DONE:
                self._done = True
            elif not self._done:
                piece = self.note(_message(data), "delta")
                if piece:
                    yield piece

    def end(self) -> None:
        """Check that a stream was complete.

        Raises:
            ValueError: if the stream has broken off.
        """
        for data in self._events.end():
            self._done = self._done or data.strip() == _DONE
        if not self._done and self.finish_reason is None:
            raise ValueError("the stream has ended before the answer")


def whole_reply(body: bytes) -> Reply:
    """Return a reply that came in one piece.

    Raises:
        ValueError: if it cannot be read.
    """
    reply = Reply()
    message = _message(body)
    if not message.get("choices"):
        raise ValueError("an answer without choices")
    reply.text = reply.note(message, "message")
    return reply


def _message(data: str | bytes) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("something that is not JSON") from None
    if not isinstance(message, dict) or not all(isinstance(choice, dict) for choice in message.get("choices") or ()):
        raise ValueError("JSON of another form")
    return message


def error_in(body: bytes) -> str:
    """Return what the body of an error says, as text."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace").strip()
    return _said(message.get("error", message)) if isinstance(message, dict) else ""


def _said(error: Any) -> str:
    return str(error.get("message") or error) if isinstance(error, dict) else str(error)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return how long to wait as the header ``Retry-After`` says, an hour at most; None if it says nothing.

    It is a number of seconds or a date.
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS)

"""The log of a worker or scheduler process, on the standard error."""

from __future__ import annotations

import json
import logging
import unicodedata
from typing import Any

from taskq.model.moment import iso_utc
from taskq.settings import Settings

# control, format (which holds the bidirectional overrides), surrogate
_UNSAFE = ("Cc", "Cf", "Cs")


def printable(text: str, keep: str = "\n\t") -> str:
    """Return text of unknown origin without what could steer a terminal, or pass for another line of a log.

    Args:
        text: anything.
        keep: control characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char in keep or unicodedata.category(char) not in _UNSAFE else _escape(char) for char in text
    )


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


class ConsoleLines(logging.Formatter):
    """One line for each message; the lines of a traceback are moved to the right, so none can pass for a message."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message, keep="\t")
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        return "\n".join(f"  {line}" for line in printable(super().formatException(ei)).splitlines())


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": iso_utc(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def set_up_logging(settings: Settings) -> None:
    """Send log lines to the standard error, in the form and from the level that the settings name."""
    handler = logging.StreamHandler()
    if settings.log_format == "json":
        handler.setFormatter(_JsonLines())
    else:
        handler.setFormatter(ConsoleLines("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)

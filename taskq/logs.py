"""The log of a worker or scheduler process, on the standard error."""

from __future__ import annotations

import json
import logging
import unicodedata
from contextvars import ContextVar
from typing import Any, Protocol

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


class Here(Protocol):
    """What runs on a thread, or in a coroutine."""

    def log_fields(self) -> dict[str, Any]: ...


# set by the runners: once for a thread, which notes there what it runs, so that a run without a log line costs nothing
here: ContextVar[Here | None] = ContextVar("taskq_here", default=None)


class TaskFields(logging.Filter):
    """Adds ``task_id``, ``type``, ``attempt`` and ``worker`` to what is logged while a handler runs.

    Add it to a handler of your own ``logging`` configuration; the log of ``taskq worker`` has it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields, if a task runs here; let everything through."""
        found = here.get()
        if found is not None:
            record.__dict__.update(found.log_fields())
        return True


class ConsoleLines(logging.Formatter):
    """One line for each message; the lines of a traceback are moved to the right, so none can pass for a message."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        if hasattr(record, "task_id"):
            record.message += f"  [{record.type} {record.task_id}, attempt {record.attempt} on {record.worker}]"  # type: ignore[attr-defined]  # set by TaskFields
        record.message = printable(record.message, keep="\t")
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        return "\n".join(f"  {line}" for line in printable(super().formatException(ei)).splitlines())


# fields of every record; whatever else it has was given as extra, or by a filter
_USUAL = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "time", "level", "logger", "pid", "traceback"}


class _JsonLines(logging.Formatter):
    """One JSON object a line, with the fields of the task that runs and those given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": iso_utc(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
            **{name: value for name, value in record.__dict__.items() if name not in _USUAL},
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def set_up_logging(settings: Settings) -> None:
    """Send log lines to the standard error, in the form and from the level that the settings name."""
    handler = logging.StreamHandler()
    if settings.log_format == "json":
        handler.setFormatter(_JsonLines())
    else:
        handler.setFormatter(ConsoleLines("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    handler.addFilter(TaskFields())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)

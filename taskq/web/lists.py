"""Lists of tasks: what a page asks for, and the same question once more for what is live on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from taskq.errors import InvalidTask
from taskq.observe.pages import TaskFilter
from taskq.states import TaskStatus

ROWS = 50
FIELDS = ("status", "type", "queue", "priority", "since", "until")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for.

    Attributes:
        fields: of the form; empty where nothing was chosen.
    """

    fields: Mapping[str, str]

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Wanted:
        """Return what an address asks for; without a status it is what runs."""
        fields = {name: query.get(name, "").strip() for name in FIELDS}
        if fields["status"] not in list(TaskStatus):
            fields["status"] = TaskStatus.RUNNING.value
        return cls(fields)

    @classmethod
    def of_topic(cls, detail: str) -> Wanted:
        """Return what the topic of a list stands for."""
        return cls.read(dict(parse_qsl(detail)))

    @property
    def topic(self) -> str:
        """The topic of this list."""
        return f"tasks:{self.link()[1:]}"

    @property
    def filtered(self) -> bool:
        """Whether more than the status was chosen."""
        return any(self.fields[name] for name in FIELDS if name != "status")

    def link(self, **changes: str) -> str:
        """Return the end of an address that asks for this, but for some changes."""
        return "?" + urlencode({name: value for name, value in {**self.fields, **changes}.items() if value})

    def filter(self) -> TaskFilter:
        """Return it as the queue takes it.

        Raises:
            InvalidTask: if a time cannot be read.
        """
        fields = self.fields
        return TaskFilter(
            fields["status"],
            fields["type"] or None,
            fields["queue"] or None,
            fields["priority"] or None,
            _moment(fields["since"]),
            _moment(fields["until"]),
        )

    def context(self, page: Any) -> dict[str, Any]:
        """Return what the template of the list needs.

        Args:
            page: a ``TaskPage``; None if the question cannot be answered.
        """
        return {"page": page, "wanted": self.fields, "filtered": self.filtered, "link": self.link}


def _moment(text: str) -> datetime | None:
    """Return what a field of a form for date and time says; it counts as UTC, as all times of the dashboard."""
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidTask(f"{text!r:.80} is not a time: write it like 2026-11-21T22:34") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)

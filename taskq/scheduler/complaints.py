"""Say each trouble once, however often it is met, and once more when it is over."""

from __future__ import annotations

import logging

log = logging.getLogger("taskq.scheduler")


class Complaints:
    """What has been complained about and is not over yet."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}

    def say(self, subject: str, error: Exception, *, traceback: bool = False) -> None:
        """Log a trouble, unless it was the last one of its subject.

        Args:
            subject: what is in trouble; begins the line.
            error: what is wrong.
            traceback: whether it is a surprise, so that somebody will want to see where it came from.
        """
        message = str(error) or type(error).__name__
        if self._open.get(subject) != message:
            self._open[subject] = message
            log.error("%s: %s", subject, message, exc_info=error if traceback else None)

    def over(self, subject: str) -> None:
        """Log that a subject works again, if it did not before."""
        if self._open.pop(subject, None) is not None:
            log.info("%s: works again", subject)

    def keep(self, subjects: set[str]) -> None:
        """Forget the troubles of every other subject."""
        self._open = {subject: message for subject, message in self._open.items() if subject in subjects}

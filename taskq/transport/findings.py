"""What a run of ``taskq fsck`` has found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from taskq.protocol.integrity import as_shown

_MOST_SHOWN = 10_000


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong.

    Attributes:
        invariant: ``I1`` to ``I15``, ``index`` or ``key``.
        subject: the id of a task, or the name of a key, worker, ...
        message: what is wrong.
        done: what was done about it.
        left: whether it is still wrong.
    """

    invariant: str
    subject: str
    message: str
    done: tuple[str, ...] = ()
    left: bool = True


@dataclass(slots=True)
class Report:
    """What a run has found.

    Attributes:
        checked: how many times something was looked at: keys, members of status sets, entries of lists.
        violations: the first of them; ``count`` and ``left`` count them all.
        seconds: how long it took.
        notes: what was not looked at.
    """

    checked: int = 0
    count: int = 0
    left: int = 0
    violations: list[Violation] = field(default_factory=list)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def take(self, other: Report, where: str) -> None:
        """Add what another run has found.

        Args:
            other: its report.
            where: what to say behind each message, so that one knows which run it was.
        """
        self.checked += other.checked
        self.seconds += other.seconds
        self.notes += [f"{note}{where}" for note in other.notes]
        self.count += other.count
        self.left += other.left
        room = _MOST_SHOWN - len(self.violations)
        self.violations += [replace(found, message=f"{found.message}{where}") for found in other.violations[:room]]

    def add(self, violation: Violation) -> None:
        """Add a violation; beyond some thousands they are only counted."""
        self.count += 1
        self.left += violation.left
        if len(self.violations) < _MOST_SHOWN:
            subject, message = as_shown(violation.subject), as_shown(violation.message)
            self.violations.append(replace(violation, subject=subject, message=message))

"""The comparison of a run with the figures of the last release. No measuring here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.compare.figures import short


@dataclass(frozen=True, slots=True)
class Guarded:
    """A figure that a change must not make worse.

    Attributes:
        name: in the raw file.
        title: for people.
        more_is_better: which way is better.
        band: by what part it may be worse before that counts; what two runs of one tree have differed by, and a margin.
    """

    name: str
    title: str
    more_is_better: bool
    band: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a figure.

    Attributes:
        figure: which.
        before: at the last release; None if it had no such figure.
        now: in this run.
    """

    figure: Guarded
    before: float | None
    now: float

    @property
    def worse_by(self) -> float:
        """By what part it is worse; negative if it is better."""
        if not self.before:
            return 0.0
        change = self.now / self.before
        return 1 / change - 1 if self.figure.more_is_better else change - 1

    @property
    def verdict(self) -> str:
        """One word."""
        if self.before is None:
            return "new"
        if self.worse_by > self.figure.band:
            return "WORSE"
        return "better" if self.worse_by < -self.figure.band else "same"


def compare(figures: Sequence[Guarded], before: Mapping[str, float], now: Mapping[str, float]) -> list[Finding]:
    """Return a finding for each figure of this run."""
    return [Finding(figure, before.get(figure.name), now[figure.name]) for figure in figures if figure.name in now]


def failed(findings: Sequence[Finding]) -> bool:
    """Return whether a figure is worse than its band allows."""
    return any(finding.verdict == "WORSE" for finding in findings)


def table(findings: Sequence[Finding]) -> str:
    """Return the findings as text."""
    lines = [f"{'':<62} {'release':>9} {'now':>9} {'worse by':>9} {'allowed':>8}"]
    for finding in findings:
        before = "-" if finding.before is None else short(finding.before)
        lines.append(
            f"{finding.figure.title:<62} {before:>9} {short(finding.now):>9} {finding.worse_by:>9.0%} "
            f"{finding.figure.band:>8.0%}  {finding.verdict}"
        )
    return "\n".join(lines)

"""The guards of the scripts, each of which can be taken out, and the table of the tests that miss them.

Guards are found by their form, so nothing here knows a script:

    check      a call that only reads, its value thrown away: it type-checks a key before the first write
    return     ``if ... then return ... end`` and ``if ... then error(...) end`` on one line
    always     the condition of any other ``if`` is taken for true
    never      the condition of any other ``if`` is taken for false
"""

from __future__ import annotations

import functools
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reliability_page import record

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path("taskq/protocol/lua")
TABLE = ROOT / "docs" / "mutants.md"
_KNOWN = ROOT / "scripts" / "mutants_that_change_nothing.txt"
_READS = "LLEN|SCARD|ZCARD|HLEN|GET|EXISTS|HGET|HMGET|STRLEN|ZSCORE|ZRANGE|SISMEMBER|HEXISTS|TYPE|SRANDMEMBER"
_CHECK = re.compile(rf"^(\s*)(call\('(?:{_READS})'.*\))$")
_RETURN = re.compile(r"^(\s*)if (.+) then ((?:return|error)\b.*) end$")
_IF = re.compile(r"^(\s*)(if|elseif) (.+?) then\b(.*)$")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One guard taken out of one file; ``nth`` of those that read alike there."""

    path: Path
    line: int
    kind: str
    before: str
    after: str
    nth: int

    @property
    def name(self) -> str:
        """Without the number of the line, which moves with every edit."""
        again = f" ({self.nth})" if self.nth > 1 else ""
        return f"{self.path.relative_to(SCRIPTS)} {self.kind}{again}: {self.before.strip()}"

    def text(self) -> str:
        """Return the file without the guard."""
        lines = (ROOT / self.path).read_text(encoding="utf-8").splitlines(keepends=True)
        lines[self.line - 1] = self.after + "\n"
        return "".join(lines)


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Yield what can be taken out of a file; the mutant still names all that the header declares."""
    alike: Counter[tuple[str, str]] = Counter()
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), start=1):
        for kind, after in _without(line):
            alike[kind, line.strip()] += 1
            yield Mutant(path, number, kind, line, after, alike[kind, line.strip()])


def _without(line: str) -> Iterator[tuple[str, str]]:
    code = line.partition("--")[0].rstrip() if not line.lstrip().startswith("--") else ""
    if found := _CHECK.match(code):
        yield "check", f"{found[1]}if false then {found[2]} end"
    elif found := _RETURN.match(code):
        yield "return", f"{found[1]}if false and ({found[2]}) then {found[3]} end"
    elif found := _IF.match(code):
        indent, word, condition, rest = found.groups()
        yield "always", f"{indent}{word} true or ({condition}) then{rest}"
        yield "never", f"{indent}{word} false and ({condition}) then{rest}"


def all_mutants() -> list[Mutant]:
    """Return every mutant of every script and fragment."""
    paths = sorted(path.relative_to(ROOT) for path in (ROOT / SCRIPTS).rglob("*.lua"))
    return [mutant for path in paths for mutant in mutants_of(path)]


@functools.cache
def known() -> dict[str, str]:
    """Return the mutants that change nothing anybody could see, with the reason of each."""
    lines = _KNOWN.read_text(encoding="utf-8").splitlines()
    return {name: reason for name, _, reason in (line.rpartition(" # ") for line in lines)}


class Results:
    """What was found, on the screen and, if wanted, in a file that a later run goes on from.

    Args:
        mutants: all that are tried.
        path: of the file.
        again: whether to try those again that have survived.
    """

    def __init__(self, mutants: Sequence[Mutant], path: Path | None, again: bool) -> None:
        self.killers: dict[Mutant, str | None] = {}
        self._path = path
        self._begun = time.monotonic()
        lines = path.read_text(encoding="utf-8").splitlines() if path and path.exists() else []
        earlier = {found["mutant"]: found["killer"] for found in map(json.loads, lines)}
        self.left = [mutant for mutant in mutants if mutant.name not in earlier or (again and not earlier[mutant.name])]
        self.killers |= {mutant: earlier[mutant.name] for mutant in mutants if mutant not in self.left}

    def tell(self, mutant: Mutant, killer: str | None) -> None:
        """Keep and show what was found of one mutant."""
        self.killers[mutant] = killer
        if self._path:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"mutant": mutant.name, "killer": killer}) + "\n")
        passed = time.monotonic() - self._begun
        print(
            f"{len(self.killers)} {passed:.0f} s {mutant.name} -> {killer or 'SURVIVES'}", file=sys.stderr, flush=True
        )


def survivors(killers: Mapping[Mutant, str | None]) -> list[Mutant]:
    """Return the mutants that no test kills and no reason explains."""
    reasons = known()
    return [mutant for mutant, killer in killers.items() if killer is None and mutant.name not in reasons]


def record_all(mutants: Sequence[Mutant], killers: Mapping[Mutant, str | None], what: str) -> None:
    """Write docs/mutants.md, and the sums per script into docs/reliability.md; some may not have been tried."""
    number = {verdict: sum(verdict_on(m, killers) == verdict for m in mutants) for verdict in _VERDICTS}
    sums = ", ".join(f"{count} {verdict}" for verdict, count in number.items() if count)
    head = f"{datetime.now(UTC):%Y-%m-%d}, {what}, {len(mutants)} mutants: {sums}."
    TABLE.write_text("\n".join([*_TITLE, head, "", *_rows(mutants, killers)]) + "\n", encoding="utf-8")
    record("mutants", "\n".join([head, "", *_sums(mutants, killers)]))


_VERDICTS = ("killed", "change nothing", "survive", "not tried")


def verdict_on(mutant: Mutant, killers: Mapping[Mutant, str | None]) -> str:
    """Return what became of a mutant: one of ``_VERDICTS``."""
    if mutant.name in known():
        return "change nothing"
    return "not tried" if mutant not in killers else "killed" if killers[mutant] else "survive"


_TITLE = (
    "# Guards of the scripts, and the tests that miss them",
    "",
    "Written by `python scripts/mutate_scripts.py --record`, which takes each guard out in turn;",
    "[reliability](reliability.md#guards-of-the-scripts) says how.",
    "",
)


def _rows(mutants: Sequence[Mutant], killers: Mapping[Mutant, str | None]) -> Iterator[str]:
    reasons = known()
    yield from ("| script | kind | guard | killed by |", "|---|---|---|---|")
    for mutant in mutants:
        verdict, killer = verdict_on(mutant, killers), killers.get(mutant)
        shown = _cell(killer.removeprefix("tests/")) if killer else reasons.get(mutant.name) or f"({verdict})"
        yield f"| {_stem(mutant.path)} | {mutant.kind} | {_cell(mutant.before.strip())} | {shown} |"


def _stem(path: Path) -> Path:
    return path.relative_to(SCRIPTS).with_suffix("")


def _cell(code: str) -> str:
    return "`" + code.replace("|", "\\|") + "`"


def _sums(mutants: Sequence[Mutant], killers: Mapping[Mutant, str | None]) -> Iterator[str]:
    yield "| script | mutants | " + " | ".join(_VERDICTS) + " |"
    yield "|---|---|" + "---|" * len(_VERDICTS)
    for path in dict.fromkeys(mutant.path for mutant in mutants):
        mine = [verdict_on(mutant, killers) for mutant in mutants if mutant.path == path]
        yield f"| {_stem(path)} | {len(mine)} | " + " | ".join(str(mine.count(verdict)) for verdict in _VERDICTS) + " |"

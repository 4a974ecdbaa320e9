"""The guards of the scripts, each of which can be taken out, and the table of the tests that miss them.

Guards are found by their form, so nothing here knows a script:

    check      a call that only reads, its value thrown away: it type-checks a key before the first write
    return     ``if ... then return ... end`` and ``if ... then error(...) end`` on one line
    always     the condition of any other ``if`` is taken for true
    never      the condition of any other ``if`` is taken for false
"""

from __future__ import annotations

import re
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


def known() -> dict[str, str]:
    """Return the mutants that change nothing anybody could see, with the reason of each."""
    lines = _KNOWN.read_text(encoding="utf-8").splitlines()
    return {name: reason for name, _, reason in (line.rpartition(" # ") for line in lines)}


def survivors(killers: Mapping[Mutant, str | None]) -> list[Mutant]:
    """Return the mutants that no test kills and no reason explains."""
    reasons = known()
    return [mutant for mutant, killer in killers.items() if killer is None and mutant.name not in reasons]


def record_all(killers: Mapping[Mutant, str | None], what: str) -> None:
    """Write docs/mutants.md, and the sums per script into docs/reliability.md."""
    head = f"{datetime.now(UTC):%Y-%m-%d}, {what}: {_sum(list(killers), killers)}."
    TABLE.write_text("\n".join([*_TITLE, head, "", *_rows(killers)]) + "\n", encoding="utf-8")
    record("mutants", "\n".join([head, "", *_sums(killers)]))


_TITLE = (
    "# Guards of the scripts, and the tests that miss them",
    "",
    "Written by `python scripts/mutate_scripts.py --record`, which takes each guard out in turn;",
    "[reliability](reliability.md#guards-of-the-scripts) says how.",
    "",
)


def _rows(killers: Mapping[Mutant, str | None]) -> Iterator[str]:
    reasons = known()
    yield from ("| script | kind | guard | killed by |", "|---|---|---|---|")
    for mutant, killer in killers.items():
        reason = reasons.get(mutant.name)
        verdict = _cell(killer.removeprefix("tests/")) if killer else f"– ({reason})" if reason else "**survives**"
        stem = mutant.path.relative_to(SCRIPTS).with_suffix("")
        yield f"| {stem} | {mutant.kind} | {_cell(mutant.before.strip())} | {verdict} |"


def _cell(code: str) -> str:
    return "`" + code.replace("|", "\\|") + "`"


def _sums(killers: Mapping[Mutant, str | None]) -> Iterator[str]:
    reasons = known()
    yield from ("| script | mutants | killed | change nothing |", "|---|---|---|---|")
    paths = dict.fromkeys(mutant.path for mutant in killers)
    for path in paths:
        mine = [mutant for mutant in killers if mutant.path == path]
        killed = sum(killers[mutant] is not None for mutant in mine)
        nothing = sum(killers[mutant] is None and mutant.name in reasons for mutant in mine)
        yield f"| {path.relative_to(SCRIPTS).with_suffix('')} | {len(mine)} | {killed} | {nothing} |"


def _sum(mutants: Sequence[Mutant], killers: Mapping[Mutant, str | None]) -> str:
    killed = sum(killers[mutant] is not None for mutant in mutants)
    left = len(survivors(killers))
    return f"{len(mutants)} mutants, {killed} killed, {len(mutants) - killed - left} change nothing, {left} survive"

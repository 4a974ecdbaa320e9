"""What became of each mutant: docs/mutants.md, which is written and read here, and its sums in docs/reliability.md."""

from __future__ import annotations

import functools
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from guards import ROOT, Mutant
from reliability_page import record

TABLE = ROOT / "docs" / "mutants.md"
_REASONS = Path(__file__).with_name("mutants_that_change_nothing.txt")
_ROW = re.compile(r"\| (\S+) \| (\w+) \| `(.*)` \| (.*) \|\Z")
_TITLE = (
    "# Guards of the scripts, and the tests that miss them",
    "",
    "Written by `make mutants`, which takes each guard out in turn;",
    "[reliability](reliability.md#guards-of-the-scripts) says how.",
    "",
)
VERDICTS = ("killed", "change nothing", "survive", "not tried")


@functools.cache
def reasons() -> dict[str, str]:
    """Return the mutants that change nothing anybody could see, with the reason of each."""
    lines = _REASONS.read_text(encoding="utf-8").splitlines()
    return {name: reason for name, _, reason in (line.rpartition(" # ") for line in lines)}


def recorded() -> dict[str, str | None]:
    """Return the test that kills each mutant of the table, by its name; None for one that no test kills."""
    return _killers_of(TABLE.read_text(encoding="utf-8"))


def record_both(mutants: Sequence[Mutant]) -> None:
    """Write the record of both sides of a ``git merge`` that could not join them; a killer on one side is enough.

    Raises:
        subprocess.CalledProcessError: if docs/mutants.md is in no conflict.
    """
    ours, theirs = (_conflicting(side) for side in ("2", "3"))
    killers = {**_killers_of(theirs), **_killers_of(ours)}
    killers |= {name: killer for name, killer in _killers_of(theirs).items() if killer and not killers[name]}
    head = re.search(r"^[\d-]+, (.*), \d+ mutants: ", theirs, re.M)
    record_all(mutants, killers, head[1] if head else "")


def _conflicting(side: str) -> str:
    path = TABLE.relative_to(ROOT)
    return subprocess.run(
        ["git", "show", f":{side}:{path}"], cwd=ROOT, check=True, capture_output=True, encoding="utf-8"
    ).stdout


def _killers_of(table: str) -> dict[str, str | None]:
    alike: Counter[tuple[str, str, str]] = Counter()
    found: dict[str, str | None] = {}
    for row in filter(None, map(_ROW.match, table.splitlines())):
        script, kind, guard, killer = row.groups()
        alike[script, kind, guard] += 1
        mutant = Mutant(Path(f"{script}.lua"), kind, guard.replace("\\|", "|"), alike[script, kind, guard])
        if killer != "(not tried)":
            found[mutant.name] = f"tests/{killer[1:-1]}".replace("\\|", "|") if killer.startswith("`") else None
    return found


def verdict_on(mutant: Mutant, killers: Mapping[str, str | None]) -> str:
    """Return what became of a mutant: one of ``VERDICTS``."""
    if mutant.name in reasons():
        return "change nothing"
    return "not tried" if mutant.name not in killers else "killed" if killers[mutant.name] else "survive"


def record_all(mutants: Sequence[Mutant], killers: Mapping[str, str | None], product: str) -> None:
    """Write docs/mutants.md, and the sums per script into docs/reliability.md."""
    number = Counter(verdict_on(mutant, killers) for mutant in mutants)
    sums = ", ".join(f"{number[verdict]} {verdict}" for verdict in VERDICTS if number[verdict])
    head = f"{datetime.now(UTC):%Y-%m-%d}, {product}, {len(mutants)} mutants: {sums}."
    TABLE.write_text("\n".join([*_TITLE, head, "", *_rows(mutants, killers)]) + "\n", encoding="utf-8")
    record("mutants", "\n".join([head, "", *_sums(mutants, killers)]))


def unrecorded(mutants: Sequence[Mutant]) -> list[str]:
    """Return what the table lacks, has too much or leaves open, in words."""
    known, names = recorded(), {mutant.name for mutant in mutants}
    return [
        *(f"never tried: {name}" for name in names if name not in known),
        *(
            f"no test misses it: {name}"
            for name in names
            if name in known and not known[name] and name not in reasons()
        ),
        *(f"its test is gone: {name}" for name in names if (test := known.get(name)) and not _is_there(test)),
        *(f"is gone: {name}" for name in {**known, **reasons()} if name not in names),
    ]


def _is_there(test: str) -> bool:
    file, *_, name = test.split("[", maxsplit=1)[0].split("::")
    path = ROOT / file
    return path.exists() and f"def {name}(" in path.read_text(encoding="utf-8")


def _rows(mutants: Sequence[Mutant], killers: Mapping[str, str | None]) -> Iterator[str]:
    yield from ("| script | kind | guard | killed by |", "|---|---|---|---|")
    for mutant in mutants:
        killer, verdict = killers.get(mutant.name), verdict_on(mutant, killers)
        shown = _cell(killer.removeprefix("tests/")) if killer else reasons().get(mutant.name) or f"({verdict})"
        yield f"| {mutant.path.with_suffix('')} | {mutant.kind} | {_cell(mutant.guard)} | {shown} |"


def _cell(code: str) -> str:
    return "`" + code.replace("|", "\\|") + "`"


def _sums(mutants: Sequence[Mutant], killers: Mapping[str, str | None]) -> Iterator[str]:
    yield "| script | mutants | " + " | ".join(VERDICTS) + " |"
    yield "|---|---|" + "---|" * len(VERDICTS)
    for path in dict.fromkeys(mutant.path for mutant in mutants):
        mine = Counter(verdict_on(mutant, killers) for mutant in mutants if mutant.path == path)
        yield (
            f"| {path.with_suffix('')} | {mine.total()} | "
            + " | ".join(str(mine[verdict]) for verdict in VERDICTS)
            + " |"
        )

"""The guards of the scripts: what can be taken out of them, found by its form, so nothing here knows a script.

    check      a call that only reads, its value thrown away: it type-checks a key before the first write
    return     the condition of an ``if ... then return ... end`` or ``if ... then error(...) end`` is taken for false
    never      the condition of any other ``if`` or ``while`` is taken for false
    always     the condition of any other ``if`` is taken for true

A condition is evaluated all the same, so that what is missed is the guard, not what its calls do besides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "taskq" / "protocol" / "lua"
SEEN = "guard_seen"
_READS = "LLEN|SCARD|ZCARD|HLEN|GET|EXISTS|HGET|HMGET|STRLEN|ZSCORE|ZRANGE|SISMEMBER|HEXISTS|TYPE|SRANDMEMBER|LRANGE"
_TOKEN = re.compile(r"--[^\n]*|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|\b(?:if|elseif|while|then|do)\b")
# a whole statement: at the beginning of a line or behind then, else or do
_CHECK = re.compile(
    rf"(?:^|\b(?:then|else|do)) *(?P<call>call\('(?:{_READS})'[^\n]*?\))(?= *(?:--.*)?$| end\b| else\b)", re.M
)
_LEAVES = re.compile(r"(?: |\n *)(?:return|error)\b[^\n]*? end\b")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One guard taken out of one file.

    Attributes:
        path: of the file, relative to the folder of the scripts.
        guard: the line it stands in, a condition over several lines made one.
        nth: which of those that read alike.
        span: where the call or the condition stands in the file.
        place: the file and which of its guards, as the guard itself tells it.
    """

    path: Path
    kind: str
    guard: str
    nth: int
    span: tuple[int, int] = (0, 0)
    place: str = ""

    @property
    def name(self) -> str:
        """Without the number of the line, which moves with every edit."""
        return f"{self.path} {self.kind}{f' ({self.nth})' if self.nth > 1 else ''}: {self.guard}"

    def text(self) -> str:
        """Return the file without the guard; it still names all that the header declares."""
        text = (SCRIPTS / self.path).read_text(encoding="utf-8")
        start, end = self.span
        code = text[start:end]
        changed = {
            "check": f"if false then {code} end",
            "always": f"(({code}) or true)",
            "never": f"(({code}) and false)",
            "return": f"(({code}) and false)",
        }[self.kind]
        return f"{text[:start]}{changed}{text[end:]}"

    @property
    def missed_when(self) -> str:
        """What the guard has to do in a test that can miss it: be found ``true``, ``false``, or be met."""
        return {"check": "met", "always": "false"}.get(self.kind, "true")


def mutants_of(path: Path) -> list[Mutant]:
    """Return what can be taken out of a file, in its order."""
    text = (SCRIPTS / path).read_text(encoding="utf-8")
    body = _without_comments(text)
    alike: Counter[tuple[str, str]] = Counter()
    mutants = []
    for number, (start, end, kinds) in enumerate(sorted([*_checks(body), *_conditions(body)])):
        for kind in kinds:
            guard = _line_of(text, start, end)
            alike[kind, guard] += 1
            mutants.append(Mutant(path, kind, guard, alike[kind, guard], (start, end), f"{path}#{number}"))
    return mutants


def all_mutants() -> list[Mutant]:
    """Return every mutant of every script and fragment."""
    paths = sorted(path.relative_to(SCRIPTS) for path in SCRIPTS.rglob("*.lua"))
    return [mutant for path in paths for mutant in mutants_of(path)]


def watched(path: Path) -> str:
    """Return a file in which every guard tells ``guard_seen`` its place and its value."""
    text = (SCRIPTS / path).read_text(encoding="utf-8")
    for mutant in reversed({mutant.place: mutant for mutant in mutants_of(path)}.values()):
        start, end = mutant.span
        code = text[start:end]
        told = f"true); {code}" if mutant.kind == "check" else f"{code})"
        text = f"{text[:start]}{SEEN}('{mutant.place}', {told}{text[end:]}"
    return text


def _without_comments(text: str) -> str:
    """Blank the comments, so that every other character stays in its place."""
    return _TOKEN.sub(lambda found: " " * len(found[0]) if found[0].startswith("--") else found[0], text)


def _checks(body: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    for found in _CHECK.finditer(body):
        before = body[: found.start("call")].rstrip()
        # all that an ``if`` does: without its condition it is the same
        alone = before.endswith("then") and body.startswith(" end", found.end())
        whole = found["call"].count("(") == found["call"].count(")") and not before.endswith(("=", ",", "(", "return"))
        if whole and not alone:
            yield (*found.span("call"), ("check",))


def _conditions(body: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    opened: tuple[str, int] | None = None
    for found in _TOKEN.finditer(body):
        word = found[0]
        if word in ("if", "elseif", "while"):
            opened = word, found.end() + 1
        elif opened and word == ("do" if opened[0] == "while" else "then"):
            start, end = opened[1], found.start() - 1
            leaves = opened[0] == "if" and _LEAVES.match(body, found.end())
            yield start, end, ("return",) if leaves else ("never",) if opened[0] == "while" else ("always", "never")
            opened = None


def _line_of(text: str, start: int, end: int) -> str:
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    return " ".join(text[first : last if last >= 0 else None].partition("--")[0].split())

"""Compare what a type checker says of ``cases.py`` with what stands there in comments.

``python tests/typing/checker.py pyright --pythonpath PYTHON`` does so with pyright, for the release check.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CASES = Path(__file__).parent / "cases.py"
ERROR = "error"


def expected() -> dict[int, str]:
    """Return for each line of the cases the type that it has to reveal, or ``error``."""
    lines = CASES.read_text(encoding="utf-8").splitlines()
    marks = {number: re.search(r"# (error|reveals (.*))$", line) for number, line in enumerate(lines, 1)}
    return {number: mark[2] or ERROR for number, mark in marks.items() if mark}


def said_by_mypy(arguments: Sequence[str] = ()) -> dict[int, str]:
    """Return the same as mypy sees it."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *arguments, str(CASES)]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    said: dict[int, str] = {}
    for number, kind, rest in re.findall(r"^[^:\n]+:(\d+): (error|note): (.*)$", text, re.MULTILINE):
        revealed = re.match(r'Revealed type is "(.*)"', rest)
        if kind == ERROR or revealed:
            said[int(number)] = _short(revealed[1]) if revealed and kind != ERROR else ERROR
    return said


def said_by_pyright(arguments: Sequence[str] = ()) -> dict[int, str]:
    """Return the same as pyright, which has to be on the path, sees it."""
    command = ["pyright", "--outputjson", *arguments, str(CASES)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    said: dict[int, str] = {}
    for one in found["generalDiagnostics"]:
        number = one["range"]["start"]["line"] + 1
        revealed = re.match(r'Type of ".*" is "(.*)"$', one["message"], re.DOTALL)
        if one["severity"] == ERROR:
            said[number] = ERROR
        elif revealed:
            said.setdefault(number, _short(revealed[1]))
    return said


def _short(name: str) -> str:
    """Return a type without its modules."""
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", name)


def differences(wanted: dict[int, str], said: dict[int, str]) -> list[str]:
    """Return what is not as it has to be, a line each."""
    lines = CASES.read_text(encoding="utf-8").splitlines()
    return [
        f"{CASES.name}:{number}: {lines[number - 1].strip()}: {said.get(number, 'nothing')}"
        for number in sorted(wanted.keys() | said.keys())
        if wanted.get(number) != said.get(number)
    ]


if __name__ == "__main__":
    checkers = {"mypy": said_by_mypy, "pyright": said_by_pyright}
    wrong = differences(expected(), checkers[sys.argv[1]](sys.argv[2:]))
    print("\n".join(wrong) or f"{sys.argv[1]}: all {len(expected())} lines as expected")
    sys.exit(bool(wrong))

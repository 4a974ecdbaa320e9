"""Take each guard out of the scripts in turn and see which test turns red: a guard that no test misses is unproven.

    python scripts/mutate_scripts.py                     # all; prints a table and the survivors
    python scripts/mutate_scripts.py --only submit,reap  # files whose name contains one of these
    python scripts/mutate_scripts.py --list              # what would be tried

Guards are found by their form, so the tool needs no knowledge of a script:

    check      a call that only reads, its value thrown away: it type-checks a key before the first write
    return     ``if ... then return ... end`` and ``if ... then error(...) end`` on one line
    always     the condition of any other ``if`` is taken for true
    never      the condition of any other ``if`` is taken for false

Each mutant is tried in a copy of the working tree, against the tests of the scripts. Exit code 1 if one survives that
the file ``scripts/mutants_that_change_nothing.txt`` does not name.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from taskq.testing.faults.server import ServerProcess

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path("taskq/protocol/lua")
KNOWN = ROOT / "scripts" / "mutants_that_change_nothing.txt"
TESTS = ("tests/lua", "tests/architecture/test_states.py", "tests/architecture/test_lua.py", "tests/protocol")
_SECONDS = 240
_READS = "LLEN|SCARD|ZCARD|HLEN|GET|EXISTS|HGET|HMGET|STRLEN|ZSCORE|ZRANGE|SISMEMBER|HEXISTS|TYPE|SRANDMEMBER"
_CHECK = re.compile(rf"^(\s*)(call\('(?:{_READS})'.*\))$")
_RETURN = re.compile(r"^(\s*)if (.+) then ((?:return|error)\b.*) end$")
_IF = re.compile(r"^(\s*)(if|elseif) (.+?) then\b(.*)$")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One guard taken out of one file."""

    path: Path
    line: int
    kind: str
    before: str
    after: str

    @property
    def name(self) -> str:
        """Without the number of the line, which moves with every edit."""
        return f"{self.path.relative_to(SCRIPTS)} {self.kind}: {self.before.strip()}"


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Yield what can be taken out of a file; the mutant still names all that the header declares."""
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), start=1):
        code = line.partition("--")[0].rstrip() if not line.lstrip().startswith("--") else ""
        if found := _CHECK.match(code):
            yield Mutant(path, number, "check", line, f"{found[1]}if false then {found[2]} end")
        elif found := _RETURN.match(code):
            yield Mutant(path, number, "return", line, f"{found[1]}if false and ({found[2]}) then {found[3]} end")
        elif found := _IF.match(code):
            indent, word, condition, rest = found.groups()
            yield Mutant(path, number, "always", line, f"{indent}{word} true or ({condition}) then{rest}")
            yield Mutant(path, number, "never", line, f"{indent}{word} false and ({condition}) then{rest}")


class Copy:
    """A copy of the working tree, and a server of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        self.server = ServerProcess(folder / ".server").start()

    def killer_of(self, mutant: Mutant) -> str | None:
        """Return the first test that fails, None if all pass."""
        target = self.folder / mutant.path
        lines = target.read_text(encoding="utf-8").splitlines(keepends=True)
        original = "".join(lines)
        lines[mutant.line - 1] = mutant.after + "\n"
        target.write_text("".join(lines), encoding="utf-8")
        try:
            return self._first_failure(mutant)
        finally:
            target.write_text(original, encoding="utf-8")

    def _first_failure(self, mutant: Mutant) -> str | None:
        # the tests that are likely to fail come first
        likely = "every_script" if mutant.kind == "check" else mutant.path.stem
        found = (self.folder / "tests" / "lua").glob("test_*.py")
        files = sorted(found, key=lambda path: (likely not in path.stem, path))
        tests = [str(path.relative_to(self.folder)) for path in files] + list(TESTS[1:])
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "TASKQ_TEST_REDIS_URL": self.server.url}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-rfE", "-p", "no:cacheprovider", *tests]
        try:
            run = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "(it never ends)"
        if run.returncode == 0:
            return None
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", run.stdout, re.MULTILINE)
        return failed[1] if failed else f"(pytest ended with {run.returncode}: {run.stdout[-200:]!r})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="parts of file names, with commas between them")
    parser.add_argument("--kinds", default="check,return,always,never")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    wanted = [word for word in arguments.only.split(",") if word]
    paths = sorted(path.relative_to(ROOT) for path in (ROOT / SCRIPTS).rglob("*.lua"))
    mutants = [
        mutant
        for path in paths
        if not wanted or any(word in path.stem for word in wanted)
        for mutant in mutants_of(path)
        if mutant.kind in arguments.kinds.split(",")
    ]
    if arguments.list:
        for mutant in mutants:
            print(f"{mutant.path}:{mutant.line} {mutant.kind}: {mutant.before.strip()}")
        print(f"{len(mutants)} mutants")
        return 0
    return report(mutants, try_all(mutants, arguments.jobs))


def try_all(mutants: list[Mutant], jobs: int) -> dict[Mutant, str | None]:
    """Return the killer of each mutant."""
    found: dict[Mutant, str | None] = {}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Copy] = SimpleQueue()
        all_copies = [Copy(Path(folder) / str(n)) for n in range(jobs)]
        for copy in all_copies:
            copies.put(copy)

        def attempt(mutant: Mutant) -> None:
            copy = copies.get()
            try:
                found[mutant] = copy.killer_of(mutant)
            finally:
                copies.put(copy)
            passed = time.monotonic() - begun
            verdict = found[mutant] or "SURVIVES"
            print(f"{len(found)}/{len(mutants)} {passed:.0f} s {mutant.name} -> {verdict}", file=sys.stderr, flush=True)

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(attempt, mutants))
        for copy in all_copies:
            copy.server.stop()
    return found


def report(mutants: list[Mutant], killers: dict[Mutant, str | None]) -> int:
    """Print the table; return the exit code."""
    known = (
        {line.partition(" # ")[0] for line in KNOWN.read_text(encoding="utf-8").splitlines()}
        if KNOWN.exists()
        else set()
    )
    print("| guard | taken out | killed by |\n|---|---|---|")
    for mutant in mutants:
        killer = killers[mutant] or ("(changes nothing)" if mutant.name in known else "**survives**")
        print(f"| `{mutant.path.relative_to(SCRIPTS)}` {mutant.kind} | `{mutant.before.strip()}` | {killer} |")
    survivors = [mutant for mutant in mutants if killers[mutant] is None and mutant.name not in known]
    print(
        f"\n{len(mutants)} mutants, {sum(map(bool, killers.values()))} killed, {len(survivors)} unexplained survivors"
    )
    for mutant in survivors:
        print(f"survives: {mutant.name}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

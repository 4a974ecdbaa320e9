"""Take each guard out of the scripts in turn and see which test turns red: a guard that no test misses is unproven.

    python scripts/mutate_scripts.py                     # all; prints who kills what, and the survivors
    python scripts/mutate_scripts.py --only submit,lib/claim
    python scripts/mutate_scripts.py --new               # what docs/mutants.md has no killer of
    python scripts/mutate_scripts.py --new --tests tests/lua/test_sla.py
    python scripts/mutate_scripts.py --record            # writes docs/mutants.md as well
    python scripts/mutate_scripts.py --check             # compares docs/mutants.md with the scripts, and tries nothing
    python scripts/mutate_scripts.py --merge             # joins the two docs/mutants.md of a git merge in conflict

One pytest collects the tests once. Each mutant has a fork of it, in which the scripts are replaced, and which runs
tests to the first that fails: the one that docs/mutants.md names, and if that does not fail, all that can miss the
guard, the likely and the quick ones first. Which these are a first fork finds out with scripts that tell what each
guard was found to be; tests that fail there are left out. A killer that is new has to fail twice. Exit code 1 if a
mutant survives that the file ``scripts/mutants_that_change_nothing.txt`` does not name.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import json
import math
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from guard_coverage import Watch, misses
from guards import ROOT, SCRIPTS, Mutant, all_mutants
from mutation_record import reasons, record_all, record_both, recorded, unrecorded
from replaced_scripts import Replacement

from taskq.testing.faults.server import ServerProcess

# the quick ones, that are about the scripts
_SUBJECTS = (
    "checkpoints",
    "explain",
    "fanout",
    "find",
    "graphs",
    "limits",
    "look",
    "unique",
    "circuits",
    "ordering",
    "signals",
    "trees",
)
TESTS = (
    "tests/lua",
    "tests/protocol",
    "tests/transport/test_fsck.py",
    "tests/transport/test_fsck_foreign.py",
    "tests/transport/test_sampling.py",
    *(f"tests/conformance/test_{subject}.py" for subject in _SUBJECTS),
)
# fragments and scripts whose tests have another name
_ABOUT = {"policy": "unique", "room": "limits", "counted": "limits", "mend_place": "mend", "terminate": "settle"}
_ABOUT |= {"evict": "reap", "intake": "commit", "retention": "sweep", "schedule": "submit", "large": "claim"}
_PLAIN = ("appendonly no", "maxclients 4000")
# each test ends by itself, after half a minute at most
_SECONDS = 3600
_NEVER_ENDS = "(it never ends)"


class Trials:
    """A plugin of pytest that tries mutants in the place of running the tests.

    Args:
        mutants: what is tried.
        server: that the tests use.
        notes: a file that keeps what each test meets, so that another run need not find out again.
        most_seconds: of the tests that are tried with one mutant.
    """

    def __init__(
        self, mutants: Sequence[Mutant], server: ServerProcess, notes: Path | None, most_seconds: float
    ) -> None:
        self.killers = recorded()
        self.tried = 0
        self._mutants = mutants
        self._server = server
        self._notes = notes
        self._most_seconds = most_seconds
        self._failed: list[str] = []
        self._items: dict[str, pytest.Item] = {}
        self._seen: dict[str, tuple[float, frozenset[str]]] | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.append(report.nodeid)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        begun = time.monotonic()
        for mutant in self._mutants:
            self.tried += 1
            killer = self.killers[mutant.name] = self._killer_of(mutant)
            passed = f"{self.tried} {time.monotonic() - begun:.0f} s"
            print(f"{passed} {mutant.name} -> {killer or 'SURVIVES'}", file=sys.stderr, flush=True)
        return True

    def _killer_of(self, mutant: Mutant) -> str | None:
        replacement = Replacement({mutant.path: mutant.text()})
        if not replacement.sources:
            raise RuntimeError(f"no script is made of {mutant.path}: whatever was changed there would survive")
        before = self._items.get(self.killers.get(mutant.name) or "")
        if before and self._first_failure(replacement, [before]):
            return before.nodeid
        candidates = self._candidates(mutant)
        while candidates:
            killer = self._first_failure(replacement, candidates)
            if killer is None or killer == _NEVER_ENDS:
                return killer
            at = next(n for n, item in enumerate(candidates) if item.nodeid == killer)
            if self._first_failure(replacement, [candidates[at]]):
                return killer
            candidates = candidates[at + 1 :]  # it failed for another reason
        return None

    def _candidates(self, mutant: Mutant) -> list[pytest.Item]:
        """Return the tests that can miss a guard: those that killed others of this file, the likely, the quick.

        Of those that meet the same guards of all scripts the first few come before the others.
        """
        if self._seen is None:
            self._seen = self._look()
        proven = {self.killers.get(other.name) for other in self._mutants if other.path == mutant.path}
        stem = mutant.path.stem
        about = _ABOUT.get(stem, stem)
        likely = ("wrong_type",) if mutant.kind == "check" else (f"test_{about}", f"{stem}_ways")
        found = [name for name, (_, seen) in self._seen.items() if misses(mutant, seen)]
        alike: Counter[frozenset[str]] = Counter()
        nth = {}
        for name in sorted(found, key=lambda name: self._seen[name][0]):
            alike[self._seen[name][1]] += 1
            nth[name] = alike[self._seen[name][1]]
        found.sort(
            key=lambda name: (
                name not in proven,
                not any(word in name for word in likely),
                nth[name] // 3,
                self._seen[name][0],
            )
        )
        spent = itertools.accumulate(self._seen[name][0] for name in found)
        return [self._items[name] for name, seconds in zip(found, spent, strict=True) if seconds < self._most_seconds]

    def _first_failure(self, replacement: Replacement, items: Sequence[pytest.Item]) -> str | None:
        for source in replacement.sources:  # a test may take it for granted that the server knows the script
            self._server.command("SCRIPT", "LOAD", source)

        def attempt() -> str | None:
            replacement.apply()
            for n in range(len(items)):
                self._run(n, items)
                if self._failed:
                    return self._failed[0]
            return None

        try:
            found: str | None = in_fork(attempt, _SECONDS)
        except TimeoutError:
            found = _NEVER_ENDS
        self._heal()
        return found

    def _run(self, n: int, items: Sequence[pytest.Item]) -> float:
        begun = time.monotonic()
        following = items[n + 1] if n + 1 < len(items) else None
        items[n].config.hook.pytest_runtest_protocol(item=items[n], nextitem=following)
        return time.monotonic() - begun

    def _look(self) -> dict[str, tuple[float, frozenset[str]]]:
        """Return how long each test takes and what it meets, for those that pass and meet anything."""
        now = {name: _digest(Path(item.path)) for name, item in self._items.items()}
        files = {str(path.relative_to(SCRIPTS)): _digest(path) for path in SCRIPTS.rglob("*.lua")}
        noted = json.loads(self._notes.read_text()) if self._notes and self._notes.exists() else {}
        told = {
            name: noted[name]
            for name, digest in now.items()
            if name in noted and noted[name][0] == digest and noted[name][1].items() <= files.items()
        }
        unknown = [item for name, item in self._items.items() if name not in told]

        def attempt() -> dict[str, Any]:
            watch, told = Watch(self._server), {}
            for n, item in enumerate(unknown):
                seconds, seen = self._run(n, unknown), watch.seen()
                met = {path: files[path] for path in {word.partition("#")[0] for word in seen}}
                told[item.nodeid] = now[item.nodeid], met, seconds, [] if item.nodeid in self._failed else seen
            return told

        told |= in_fork(attempt, _SECONDS)
        if self._notes:
            self._notes.write_text(json.dumps(told))
        seen = {name: (seconds, frozenset(words)) for name, (_, _, seconds, words) in told.items() if words}
        print(f"{len(seen)} of {len(self._items)} tests are of use", file=sys.stderr, flush=True)
        return seen

    def _heal(self) -> None:
        """Have a server that answers: a mutant may have kept it busy for ever."""
        with suppress(Exception):
            if self._server.command("PING", timeout_seconds=2) == b"PONG":
                return
        self._server.kill9()
        shutil.rmtree(self._server.data_dir)
        self._server.start()


@functools.cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def in_fork(job: Callable[[], Any], seconds: float) -> Any:
    """Run something in a fork of this process and return what it returns, as JSON carries it.

    Raises:
        TimeoutError: if it takes longer; everything that it has started is killed.
        RuntimeError: if it ends without an answer.
    """
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            with os.fdopen(into, "w") as answers:
                json.dump(job(), answers)
        finally:
            os._exit(0)
    os.close(into)
    answer, end = b"", time.monotonic() + seconds
    try:
        while select.select([out], [], [], max(0.0, end - time.monotonic()))[0]:
            part = os.read(out, 1 << 16)
            if not part:
                break
            answer += part
        else:
            raise TimeoutError
    finally:
        os.close(out)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if not answer:
        raise RuntimeError("a fork has ended without an answer")
    return json.loads(answer)


def try_all(
    mutants: Sequence[Mutant], tests: Sequence[str], notes: Path | None, most_seconds: float
) -> tuple[dict[str, str | None], str]:
    """Try mutants; return the killers of all that were ever tried, and name and version of the server."""
    with tempfile.TemporaryDirectory() as folder, ServerProcess(Path(folder) / "server", extra_config=_PLAIN) as server:
        os.environ["TASKQ_TEST_REDIS_URL"] = server.url
        told = server.command("INFO", "server").decode()
        trials = Trials(mutants, server, notes, most_seconds)
        os.chdir(ROOT)
        options = ["-q", "-s", "-p", "no:cacheprovider", "-m", "not slow", "--timeout", "30"]
        code = pytest.main([*options, *tests], plugins=[trials])
        if trials.tried < len(mutants):
            print(f"stopped after {trials.tried} of {len(mutants)} mutants: pytest ended with {code}", file=sys.stderr)
    product = "Valkey" if "valkey_version:" in told else "Redis"
    return trials.killers, f"{product} {told.partition(f'{product.lower()}_version:')[2].split()[0]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="files, with commas between them: submit,lib/claim")
    parser.add_argument("--kinds", default="check,return,always,never")
    parser.add_argument("--new", action="store_true", help="only what docs/mutants.md has no killer of")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="PATH", help="that are tried; quick if few")
    parser.add_argument("--notes", type=Path, help="a file that keeps what each test meets, for the next run")
    parser.add_argument("--most", type=float, default=math.inf, metavar="SECONDS", help="of tests with one mutant")
    parser.add_argument("--record", action="store_true", help="write docs/mutants.md and docs/reliability.md")
    parser.add_argument("--list", action="store_true", help="show what would be tried")
    parser.add_argument("--check", action="store_true", help="compare docs/mutants.md with the scripts")
    parser.add_argument("--merge", action="store_true", help="join both sides of docs/mutants.md in a merge")
    arguments = parser.parse_args()
    if arguments.merge:
        record_both(all_mutants())
        return 0
    everything, known = all_mutants(), recorded()
    if arguments.check:
        complaints = unrecorded(everything)
        print("\n".join(sorted(complaints)) or f"all {len(everything)} mutants are in the record, and none survives")
        return 1 if complaints else 0
    mutants = [
        mutant
        for mutant in everything
        if mutant.kind in arguments.kinds.split(",")
        and (not arguments.only or str(mutant.path.with_suffix("")) in arguments.only.split(","))
        and mutant.name not in reasons()
        and not (arguments.new and known.get(mutant.name))
    ]
    if arguments.list:
        print("\n".join([*(mutant.name for mutant in mutants), f"{len(mutants)} mutants"]))
        return 0
    killers, product = try_all(mutants, arguments.tests, arguments.notes, arguments.most)
    if arguments.record:
        record_all(everything, killers, product)
    tried = [mutant.name for mutant in mutants if mutant.name in killers]
    left = [name for name in tried if not killers[name]]
    print("\n".join([f"{len(tried)} mutants, {len(left)} survive", *(f"survives: {name}" for name in left)]))
    return 1 if left or len(tried) < len(mutants) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Take each guard out of the scripts in turn and see which test turns red: a guard that no test misses is unproven.

    python scripts/mutate_scripts.py                     # all; prints who kills what, and the survivors
    python scripts/mutate_scripts.py --only submit,reap  # files whose name contains one of these
    python scripts/mutate_scripts.py --list              # what would be tried
    python scripts/mutate_scripts.py --record            # writes docs/mutants.md as well

One pytest collects the tests once. A first fork runs them all on the scripts as they are and sees, through MONITOR,
which test sends which scripts; the tests that fail there are left out. Then each mutant has a fork of its own, in which
the scripts are replaced, and which runs only the tests that send one of those, the likely and the quick ones first, to
the first that fails. That test has to fail twice. Exit code 1 if a mutant survives that the file
``scripts/mutants_that_change_nothing.txt`` does not name.

With --results FILE what was found is kept there, and mutants that were killed already are not tried again. With --most
SECONDS only so much of the tests is tried with each mutant: what survives that has to be tried again without it.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import math
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from mutants import ROOT, SCRIPTS, Mutant, Results, all_mutants, record_all, survivors
from replaced_scripts import Replacement, same_but_for_a_comment

from taskq.protocol.scripts import Script
from taskq.testing.faults.server import HOST, ServerProcess

TESTS = (
    "tests/lua",
    "tests/protocol",
    "tests/architecture/test_states.py",
    "tests/conformance",
    "tests/transport/test_fsck.py",
    "tests/transport/test_sampling.py",
)
# each test ends by itself, after half a minute at most
_SECONDS = 3600
_PLAIN = ("appendonly no", "maxclients 4000")
_MARK = b'"ECHO" "mark-'


@dataclass(frozen=True, slots=True)
class Seen:
    """What the first run has seen of one test: how long it took, and which scripts it has sent."""

    seconds: float
    scripts: frozenset[str]


class Trials:
    """A plugin of pytest that tries mutants in the place of running the tests.

    Args:
        results: what is to be tried, and told what was found.
        server: that the tests use.
        cache: a file for what the first run sees.
        most_seconds: of the tests that are tried with one mutant.
    """

    def __init__(
        self, results: Results, server: ServerProcess, cache: Path | None = None, most_seconds: float = math.inf
    ) -> None:
        self._mutants = results.left
        self._killers = results.killers
        self._tell = results.tell
        self._server = server
        self._cache = cache
        self._most_seconds = most_seconds
        self._failed: list[str] = []
        self._items: list[pytest.Item] = []
        self._seen: dict[str, Seen] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.append(report.nodeid)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = list(session.items)
        known = json.loads(self._cache.read_text()) if self._cache and self._cache.exists() else {}
        unknown = [item for item in self._items if item.nodeid not in known]
        known |= in_fork(lambda: self._look(unknown), 1800)
        if self._cache:
            self._cache.write_text(json.dumps(known))
        self._seen = {name: Seen(what[0], frozenset(what[1])) for name, what in known.items() if what}
        print(f"{len(self._seen)} of {len(self._items)} tests are of use", file=sys.stderr, flush=True)
        for mutant in self._mutants:
            self._tell(mutant, self._killer_of(mutant))
        return True

    # -- the first run --

    def _look(self, items: Sequence[pytest.Item]) -> dict[str, tuple[float, list[str]] | None]:
        """Run tests on scripts that differ by a comment; return what was seen of each, None of those that fail."""
        Replacement(same_but_for_a_comment()).apply()
        watch, times = Watch(self._server), []
        for n in range(len(items)):
            watch.mark(n)
            times.append(self._run(n, items))
        sent = watch.stop()
        return {
            item.nodeid: None if item.nodeid in self._failed else (seconds, sorted(sent.get(n, ())))
            for n, (item, seconds) in enumerate(zip(items, times, strict=True))
        }

    def _run(self, n: int, items: Sequence[pytest.Item]) -> float:
        begun = time.monotonic()
        following = items[n + 1] if n + 1 < len(items) else None
        items[n].config.hook.pytest_runtest_protocol(item=items[n], nextitem=following)
        return time.monotonic() - begun

    # -- each mutant --

    def _killer_of(self, mutant: Mutant) -> str | None:
        replacement = Replacement({mutant.path.relative_to(SCRIPTS): mutant.text()})
        try:
            candidates = self._candidates(mutant, replacement.changed)
            while candidates:
                killer = self._first_failure(replacement, candidates)
                if killer is None:
                    return None
                twice = [item for item in candidates if item.nodeid == killer]
                if not twice or self._first_failure(replacement, twice):
                    return killer
                candidates = candidates[candidates.index(twice[0]) + 1 :]  # it failed for another reason
            return None
        finally:
            replacement.close()

    def _candidates(self, mutant: Mutant, changed: frozenset[str]) -> list[pytest.Item]:
        """Return the tests that send a changed script: those that killed others of this file, the likely, the quick."""
        proven = {killer for other, killer in self._killers.items() if other.path == mutant.path}
        likely = "every_script" if mutant.kind == "check" else f"test_{mutant.path.stem}"
        seen = [(item, self._seen[item.nodeid]) for item in self._items if item.nodeid in self._seen]
        of_use = [(item, what.seconds) for item, what in seen if changed & what.scripts]
        of_use.sort(
            key=lambda each: (
                each[0].nodeid not in proven,
                likely not in each[0].nodeid,
                TESTS[0] not in each[0].nodeid,
                each[1],
            )
        )
        spent = list(itertools.accumulate(seconds for _, seconds in of_use))
        return [item for (item, _), seconds in zip(of_use, spent, strict=True) if seconds < self._most_seconds]

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
            found = "(it never ends)"
        self._heal()
        return found

    def _heal(self) -> None:
        """Have a server that answers: a mutant may have kept it busy for ever."""
        with suppress(Exception):
            if self._server.command("PING", timeout_seconds=2) == b"PONG":
                return
        self._server.kill9()
        shutil.rmtree(self._server.data_dir)
        self._server.start()


class Watch:
    """Sees which scripts a server is sent between two marks."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._names = {s.sha.encode(): s.name for s in gc.get_objects() if isinstance(s, Script)}
        self._sent: dict[int, set[str]] = {}
        self._line = socket.create_connection((HOST, server.port))
        self._line.sendall(b"MONITOR\r\n")
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def mark(self, n: int) -> None:
        self._server.command("ECHO", f"mark-{n}")

    def stop(self) -> dict[int, set[str]]:
        """Return the names of the scripts after each mark."""
        self.mark(-1)
        self._thread.join(30)
        self._line.close()
        return self._sent

    def _read(self) -> None:
        now = -1
        for line in self._line.makefile("rb"):
            if _MARK in line:
                now = int(line.partition(_MARK)[2].partition(b'"')[0])
                if now < 0:
                    return
            elif b'"EVALSHA" "' in line:
                name = self._names.get(line.partition(b'"EVALSHA" "')[2].partition(b'"')[0])
                if name:
                    self._sent.setdefault(now, set()).add(name)


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="parts of file names, with commas between them")
    parser.add_argument("--kinds", default="check,return,always,never")
    parser.add_argument("--results", type=Path, help="a file to go on from")
    parser.add_argument("--most", type=float, default=math.inf, metavar="SECONDS", help="of tests with one mutant")
    parser.add_argument("--record", action="store_true", help="write docs/mutants.md and docs/reliability.md")
    parser.add_argument("--no-run", action="store_true", help="try nothing, go by what is in --results")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    wanted = [word for word in arguments.only.split(",") if word]
    mutants = [
        mutant
        for mutant in all_mutants()
        if mutant.kind in arguments.kinds.split(",")
        and (not wanted or any(word in mutant.path.stem for word in wanted))
    ]
    if arguments.list:
        print("\n".join(f"{mutant.path}:{mutant.line} {mutant.kind}: {mutant.before.strip()}" for mutant in mutants))
        print(f"{len(mutants)} mutants")
        return 0
    again = arguments.most == math.inf and not arguments.no_run
    results = Results(mutants, arguments.results, again=again)
    if arguments.no_run:
        results.left.clear()
    product = try_all(results, arguments.results, arguments.most)
    left = survivors(results.killers)
    if arguments.record:
        record_all(mutants, results.killers, product)
    print(f"{len(mutants)} mutants, {len(left)} survive")
    for mutant in left:
        print(f"survives: {mutant.name}")
    return 1 if left else 0


def try_all(results: Results, path: Path | None, most_seconds: float) -> str:
    """Try what is left; return name and version of the server."""
    with tempfile.TemporaryDirectory() as folder, ServerProcess(Path(folder) / "server", extra_config=_PLAIN) as server:
        os.environ["TASKQ_TEST_REDIS_URL"] = server.url
        trials = Trials(results, server, path and path.with_suffix(".seen.json"), most_seconds)
        os.chdir(ROOT)
        if results.left:
            options = ["-q", "-s", "-p", "no:cacheprovider", "-m", "not slow", "--timeout", "30"]
            pytest.main([*options, *TESTS], plugins=[trials])
        told = server.command("INFO", "server").decode()
    product = "Valkey" if "valkey_version:" in told else "Redis"
    return f"{product} {told.partition(f'{product.lower()}_version:')[2].split()[0]}"


if __name__ == "__main__":
    sys.exit(main())

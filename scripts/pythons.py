"""The Pythons that setup.cfg declares, and what is run on those of them that this machine has.

``make test-pythons`` runs what depends least on the speed of a machine, on each that is not the one of ``.venv``.
"""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "pythons"
# what speaks to the server by both clients, what is pure Python, and what users' type checkers see
TESTS = ("tests/model", "tests/protocol", "tests/conformance", "tests/typing", "tests/test_registry.py")
JOBS = "3"


def declared() -> list[str]:
    """Return the versions that setup.cfg declares, such as ``3.11``."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return re.findall(r"Python :: (3\.\d+)$", config["metadata"]["classifiers"], re.MULTILINE)


def pythons(versions: list[str]) -> Iterator[tuple[str, str | None]]:
    """Yield each version of Python, and a program of this machine that is one and can make environments."""
    kept = Path.home() / ".pyenv" / "versions"
    for version in versions:
        names = [f"python{version}", *(str(path / "bin" / "python") for path in sorted(kept.glob(f"{version}.*")))]
        check = f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != {tuple(map(int, version.split('.')))})"
        found = (name for name in names if shutil.which(name) and not subprocess.call([name, "-c", check], stderr=-3))
        yield version, next(found, None)


def run_tests(version: str, program: str) -> str:
    """Run the tests in an environment of their own; return the last line of pytest.

    Raises:
        SystemExit: if a test fails.
    """
    folder = PLACE / version
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    for command in ([program, "-m", "venv", folder], [*pip, "install", "--editable", f"{ROOT}[dev]"]):
        # a package index need not have wheels for every version
        if subprocess.run(command, check=False).returncode:
            return "what the tests need cannot be installed here"
    command = [python, "-m", "pytest", "-n", JOBS, "--dist", "worksteal", "-m", "not slow", *TESTS]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    if done.returncode:
        sys.exit(f"Python {version}: the tests have failed")
    return done.stdout.strip().splitlines()[-1]


def main(arguments: Sequence[str]) -> None:
    """Say of each version whether it was tried, and how it went; with ``--newest``, try the last one that is here."""
    mine = ".".join(map(str, sys.version_info[:2]))
    others = [(version, program) for version, program in pythons(declared()) if version != mine]
    here = [version for version, program in others if program]
    tried = here[-1:] if "--newest" in arguments else here
    told = []
    for version, program in others:
        if program is None:
            told.append(f"Python {version}: not on this machine")
        elif version not in tried:
            told.append(f"Python {version}: left out")
        else:
            told.append(f"Python {version}: {run_tests(version, program)}")
    print("\n".join(told))


if __name__ == "__main__":
    main(sys.argv[1:])

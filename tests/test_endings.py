"""Which signals end a process in order."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

IGNORED = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
PROGRAM = """
import os, sys
from taskq.endings import Interruption
interruption = Interruption()
try:
    os.kill(os.getpid(), int(sys.argv[1]))
except KeyboardInterrupt:
    os.kill(os.getpid(), int(sys.argv[1]))
    print("cleared away")
    sys.exit(interruption.exit_code)
print("went on")
"""


def end(number: int, before: str = "") -> tuple[int, str]:
    words = [sys.executable, "-c", before + PROGRAM, str(int(number))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_is_cleared_away_is_not_broken_off(number: int) -> None:
    assert end(number) == (128 + number, "cleared away")


def test_under_nohup_the_end_of_the_terminal_ends_nothing() -> None:
    assert end(signal.SIGHUP, IGNORED) == (0, "went on")
    assert end(signal.SIGTERM, IGNORED) == (128 + signal.SIGTERM, "cleared away")

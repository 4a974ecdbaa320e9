"""What every process of a worker does at its start and end, whatever its part is."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

# exit codes of a worker process, for its supervisor
EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 69  # the server will not work with us: no fault of the tasks that were running
EXIT_RECYCLE = 75

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Have this process killed when its parent ends, so that no child outlives its supervisor.

    Linux only; elsewhere the end of the link to the parent does it, as soon as the interpreter notices.

    Args:
        parent_pid: of the parent that started this process; if it is gone already, this process ends here.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def is_stopped(pid: int) -> bool:
    """Return whether a process is stopped by SIGSTOP or a debugger; False where nobody can tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in ("T", "t")


def resident_bytes() -> int:
    """Return the memory this process occupies; 0 where nobody can tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

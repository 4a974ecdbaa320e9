"""An environment per peer in the user's cache folder, made once per list of packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.compare.catalogue import Peer

ROOT = Path(__file__).parents[2]
PEERS_FOLDER = Path(__file__).parent / "peers"
INSTALL_SECONDS = 600


class InstallError(Exception):
    """A peer could not be installed; the text is the end of what the installer said."""


def cache_folder() -> Path:
    """Return the folder of all environments."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "taskq-compare"


def folder_of(peer: Peer) -> Path:
    """Return the folder of a peer's environment; peers with the same packages share it."""
    # the Python below all environments: two checkouts of this project share those of the peers
    marked = "\n".join((peer.registry, *peer.packages, sys.version, str(Path(sys.executable).resolve())))
    return cache_folder() / f"{peer.packages[0].split('=')[0].split('@')[0].split('[')[0]}-{_digest(marked)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def ensure(peer: Peer) -> None:
    """Make the environment of a peer unless it is there.

    Raises:
        InstallError: if the registry or the installer refuses.
    """
    if not peer.packages:
        return
    folder = folder_of(peer)
    stamp = folder / ".complete"
    if stamp.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if peer.registry == "npm":
        _run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *peer.packages], folder)
    else:
        _run([sys.executable, "-m", "venv", str(folder)], folder)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        _run([*pip, "install", *peer.packages], folder)
    stamp.touch()


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip() and "WARNING" not in line]
        raise InstallError("; ".join(said[-3:])[-300:] or f"{command[0]} ended with {done.returncode}")


def command_of(peer: Peer, role: str) -> list[str]:
    """Return the command that starts the adapter of a peer as ``client`` or ``worker``."""
    adapter = peer.adapter or peer.name
    if peer.registry == "npm":
        return ["node", str(PEERS_FOLDER / f"{adapter}.cjs"), role]
    python = str(folder_of(peer) / "bin" / "python") if peer.packages else sys.executable
    return [python, "-m", "bench.compare.adapter", role, adapter]


def variables_of(peer: Peer) -> dict[str, str]:
    """Return what the processes of a peer need in their environment, beside that of the driver."""
    found = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    if peer.registry == "npm":
        found["NODE_PATH"] = str(folder_of(peer) / "node_modules")
    return found

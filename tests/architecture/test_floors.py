"""Imports go down only, and one layer alone knows redis: the contracts stand in setup.cfg."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lint(config: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter in a process of its own: it sets up logging anew, which would disable every logger of ours."""
    program = Path(sys.executable).parent / "lint-imports"
    command = [program, "--config", config, "--no-cache"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_contracts_are_kept() -> None:
    done = lint(ROOT / "setup.cfg")
    assert done.returncode == 0, done.stdout


def test_a_broken_floor_is_found(tmp_path: Path) -> None:
    """The same linter on the same code, with two floors the other way round."""
    config = (ROOT / "setup.cfg").read_text()
    swapped = config.replace("    taskq.transport\n    taskq.protocol\n", "    taskq.protocol\n    taskq.transport\n")
    assert swapped != config
    broken = tmp_path / "setup.cfg"
    broken.write_text(swapped)
    done = lint(broken)
    assert done.returncode == 1
    assert "taskq.protocol is not allowed to import taskq.transport" in done.stdout or "BROKEN" in done.stdout


def test_every_module_stands_on_a_floor() -> None:
    """A module that no contract names could import what it likes."""
    config = (ROOT / "setup.cfg").read_text()
    modules = {path.stem for path in (ROOT / "taskq").glob("*.py")} | {
        path.parent.name for path in (ROOT / "taskq").glob("*/__init__.py")
    }
    named = {name for name in modules if f"taskq.{name}\n" in config or f"taskq.{name} |" in config}
    assert modules - named == {"__init__", "__main__"}

"""Imports go down only, and one layer alone knows redis: the contracts stand in setup.cfg."""

from __future__ import annotations

from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_ERROR, EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[2]


def lint(config: Path) -> int:
    return lint_imports(config_filename=str(config), no_cache=True)


def test_the_contracts_are_kept(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint(ROOT / "setup.cfg") == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_a_broken_floor_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same linter on the same code, with two floors the other way round."""
    monkeypatch.chdir(ROOT)
    config = (ROOT / "setup.cfg").read_text()
    swapped = config.replace("    taskq.transport\n    taskq.protocol\n", "    taskq.protocol\n    taskq.transport\n")
    assert swapped != config
    broken = tmp_path / "setup.cfg"
    broken.write_text(swapped)
    assert lint(broken) == EXIT_STATUS_ERROR


def test_every_module_stands_on_a_floor() -> None:
    """A module that no contract names could import what it likes."""
    config = (ROOT / "setup.cfg").read_text()
    modules = {path.stem for path in (ROOT / "taskq").glob("*.py")} | {
        path.parent.name for path in (ROOT / "taskq").glob("*/__init__.py")
    }
    named = {name for name in modules if f"taskq.{name}\n" in config or f"taskq.{name} |" in config}
    assert modules - named == {"__init__", "__main__"}

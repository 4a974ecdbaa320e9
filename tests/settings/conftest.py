"""Settings are read from an environment that says nothing of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from taskq.settings import FIELDS, SERVER_PARTS


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours is set, and the current folder is empty."""
    for name in [name for spec in (*FIELDS, *(part for part, _ in SERVER_PARTS)) for name in spec.env]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Function that sets variables, in the environment or in ``.env``."""

    def give_to(place: str, **variables: str) -> None:
        if place == ".env":
            (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()))
        else:
            for name, value in variables.items():
                monkeypatch.setenv(name, value)

    return give_to

"""Scripts in the place of ours, in this process: everybody who holds one of ours has the other one then."""

from __future__ import annotations

import functools
import gc
import importlib
import shutil
import sys
import tempfile
from pathlib import Path

from guards import SCRIPTS

from taskq.protocol import scripts
from taskq.protocol.scripts import Script

_CLOCKS = ("read_clock", "shifted_clock")


class Replacement:
    """Scripts made of changed files, to be put in the place of ours.

    Args:
        texts: by file, relative to the folder of the scripts.
    """

    def __init__(self, texts: dict[Path, str]) -> None:
        self._loaded = [script for script in gc.get_objects() if isinstance(script, Script)]
        self._lua = Path(tempfile.mkdtemp())
        shutil.copytree(SCRIPTS, self._lua, dirs_exist_ok=True)
        for path, text in texts.items():
            (self._lua / path).write_text(text, encoding="utf-8")
        kinds = {(script.name, script.argv) for script in self._loaded}
        pairs = [(_load(SCRIPTS, *kind, clock), _load(self._lua, *kind, clock)) for kind in kinds for clock in _CLOCKS]
        self._fresh = {old.source: new for old, new in pairs}
        self.changed = frozenset(old.name for old, new in pairs if old.source != new.source)
        self.sources = frozenset(new.source for old, new in pairs if old.source != new.source)

    def apply(self) -> None:
        """Change every script of this process in its place: everybody who holds it has the other one then."""
        derived = [script for script in self._loaded if script.source not in self._fresh]
        for script in self._loaded:
            new = self._fresh.get(script.source, script)
            object.__setattr__(script, "sha", new.sha)
            object.__setattr__(script, "source", new.source)
        scripts.LUA = self._lua
        # a test module that makes scripts of ours into others does so again
        for name, module in list(sys.modules.items()):
            held = list(vars(module).values()) if name.startswith("tests.") else []
            if any(value is script for value in held for script in derived):
                importlib.reload(module)
        scripts.LUA = SCRIPTS

    def close(self) -> None:
        shutil.rmtree(self._lua)


@functools.lru_cache(1000)
def _load_ours(name: str, argv: tuple[str, ...], clock: str) -> Script:
    return scripts.load(name, argv, clock)


def _load(folder: Path, name: str, argv: tuple[str, ...], clock: str) -> Script:
    if folder == SCRIPTS:
        return _load_ours(name, argv, clock)
    before, scripts.LUA = scripts.LUA, folder
    try:
        return scripts.load(name, argv, clock)
    finally:
        scripts.LUA = before

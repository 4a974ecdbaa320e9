"""Scripts in the place of ours, in this process: everybody who holds one of ours has the other one then."""

from __future__ import annotations

import functools
import gc
import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from guards import SCRIPTS

from taskq.protocol import scripts
from taskq.protocol.operations import load_scripts
from taskq.protocol.scripts import Script

_CLOCKS = ("read_clock", "shifted_clock")
for _clock in _CLOCKS:
    dict(load_scripts(_clock))  # before any fork; what is loaded after a replacement would be ours


@dataclass(frozen=True, slots=True)
class _Text:
    """A file that is not there."""

    name: str
    text: str

    def read_text(self, encoding: str) -> str:
        assert encoding == "utf-8"
        return self.text


class _Folder:
    """The folder of the scripts with other texts in some files."""

    def __init__(self, texts: Mapping[Path, str]) -> None:
        self._texts = texts

    def __truediv__(self, place: str) -> Path | _Text:
        path = Path(place)
        return _Text(path.name, self._texts[path]) if path in self._texts else SCRIPTS / path


class Replacement:
    """Scripts made of changed files, to be put in the place of ours.

    Args:
        texts: by file, relative to the folder of the scripts.
    """

    def __init__(self, texts: Mapping[Path, str]) -> None:
        self._loaded = [script for script in gc.get_objects() if isinstance(script, Script)]
        self._folder = _Folder(texts)
        kinds = {(script.name, script.argv) for script in self._loaded}
        self._ours = {_load_ours(*kind, clock).source for kind in kinds for clock in _CLOCKS}
        touched = [kind for kind in kinds if not texts.keys().isdisjoint(_files_of(kind[0]))]
        pairs = [(_load_ours(*kind, clock), self._load(*kind, clock)) for kind in touched for clock in _CLOCKS]
        self._fresh = {old.source: new for old, new in pairs}
        self.sources = frozenset(new.source for old, new in pairs if old.source != new.source)

    def apply(self) -> None:
        """Change every script of this process in its place: everybody who holds it has the other one then."""
        derived = [script for script in self._loaded if script.source not in self._ours]
        for script in self._loaded:
            new = self._fresh.get(script.source, script)
            object.__setattr__(script, "sha", new.sha)
            object.__setattr__(script, "source", new.source)
        before, scripts.LUA = scripts.LUA, self._folder
        # a test module that makes scripts of ours into others does so again
        for name, module in list(sys.modules.items()):
            held = list(vars(module).values()) if name.startswith("tests.") else []
            if any(value is script for value in held for script in derived):
                importlib.reload(module)
        scripts.LUA = before

    def _load(self, name: str, argv: tuple[str, ...], clock: str) -> Script:
        before, scripts.LUA = scripts.LUA, self._folder
        try:
            return scripts.load(name, argv, clock)
        finally:
            scripts.LUA = before


@functools.lru_cache(1000)
def _load_ours(name: str, argv: tuple[str, ...], clock: str) -> Script:
    return scripts.load(name, argv, clock)


@functools.lru_cache(1000)
def _files_of(name: str) -> frozenset[Path]:
    """Return the files that a script is made of."""
    header, _ = scripts._read(f"{name}.lua", name)
    fragments = [*scripts._closure([*header.includes, *header.branches]), *_CLOCKS]
    return frozenset({Path(f"{name}.lua"), *(Path("lib", f"{fragment}.lua") for fragment in fragments)})

"""Which tests meet which guards: scripts that tell the log of their server what each condition was found to be."""

from __future__ import annotations

import re

from guards import SEEN, Mutant, all_mutants, watched
from replaced_scripts import Replacement

from taskq.protocol import scripts
from taskq.testing.faults.server import ServerProcess

# each guard tells each of its values once a call; a function with more than 60 outer variables would be refused
_TELL = (
    f"local {SEEN}; do local told = {{}}; {SEEN} = function(n, value) "
    "local word = n .. (value and ' true' or ' false'); "
    "if not told[word] then told[word] = true; redis.log(redis.LOG_WARNING, 'guard ' .. word) end; return value end end"
)
_LINE = re.compile(rb"guard (\S+#\d+) (true|false)")


class Watch:
    """Scripts that tell, in the place of ours in this process.

    Args:
        server: that the tests use.
    """

    def __init__(self, server: ServerProcess) -> None:
        self._log = server.data_dir / "server.log"
        texts = {path: watched(path) for path in dict.fromkeys(mutant.path for mutant in all_mutants())}
        bindings = scripts._bindings
        scripts._bindings = lambda argv: f"{bindings(argv)}; {_TELL}"
        try:
            self._replacement = Replacement(texts)
            self._replacement.apply()
        finally:
            scripts._bindings = bindings
        self._at = self._log.stat().st_size

    def seen(self) -> list[str]:
        """Return what was told since this was last asked, as ``guard value``."""
        with self._log.open("rb") as log:
            log.seek(self._at)
            told = log.read()
        self._at += len(told)
        return sorted({f"{guard.decode()} {value.decode()}" for guard, value in _LINE.findall(told)})


def misses(mutant: Mutant, seen: frozenset[str]) -> bool:
    """Return whether a test that has seen this can fail without the guard."""
    told = {value for value in ("true", "false") if f"{mutant.place} {value}" in seen}
    return bool(told) if mutant.missed_when == "met" else mutant.missed_when in told

"""Scripts that are broken on purpose, put in the place of ours on the wire: a check that cannot fail proves nothing."""

from __future__ import annotations

import hashlib
import re

from taskq.protocol.operations import SCRIPTS


class BrokenScripts:
    """Changes what clients send, as the ``rewrite`` of a proxy: the server runs a script without one of its guards.

    Args:
        pattern: regular expression of what is taken out of every script that has it.
        instead: what stands there then, as for ``re.sub``.

    Raises:
        ValueError: if no script has it; the check would prove nothing.
    """

    def __init__(self, pattern: str, instead: str = "") -> None:
        self.names: list[str] = []
        self._shas: dict[bytes, bytes] = {}
        self._sources: dict[bytes, bytes] = {}
        for script in SCRIPTS.values():
            broken = re.sub(pattern, instead, script.source)
            if broken == script.source:
                continue
            sha = hashlib.sha1(broken.encode(), usedforsecurity=False).hexdigest()
            self.names.append(script.name)
            self._shas[script.sha.encode()] = sha.encode()
            self._sources[script.source.encode()] = broken.encode()
        if not self.names:
            raise ValueError(f"no script has {pattern!r}, so nothing would be broken")

    def __call__(self, request: list[bytes]) -> list[bytes]:
        """Return the request for the broken script, or the request itself."""
        if len(request) < 2:
            return request
        command, what, *rest = request
        return [command, self._shas.get(what) or self._sources.get(what) or what, *rest]

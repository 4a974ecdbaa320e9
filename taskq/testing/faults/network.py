"""A network of its own for a process, so that its cable can be pulled: connections stay open and nothing arrives.

Linux, as root: a network namespace and a pair of virtual devices. A test can ask ``why_not()`` and skip.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from types import TracebackType
from typing import Self


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=10)  # noqa: S607 - of this machine


def why_not() -> str | None:
    """Return why no network can be made here; None if one can."""
    if not sys.platform.startswith("linux") or shutil.which("ip") is None:
        return "needs Linux and the program `ip`"
    if os.geteuid() != 0:
        return "needs root"
    try:
        with Island():
            return None
    except subprocess.CalledProcessError as error:
        return f"the kernel does not allow it: {error.stderr.strip()}"


class Island:
    """A network namespace with one cable to this machine, as a context manager.

    Attributes:
        host: address of this machine, as seen from the island; a proxy can listen there.
        prefix: words before a command that is to run on the island.
    """

    def __init__(self) -> None:
        number = random.randrange(2**16)  # noqa: S311 - a name, no secret
        net = f"10.{200 + number % 50}.{number // 256}"
        self.host, self._guest = f"{net}.1", f"{net}.2"
        self._name, self._ours, self._theirs = f"tq{number:x}", f"tqh{number:x}", f"tqg{number:x}"
        self.prefix = ("ip", "netns", "exec", self._name)

    def __enter__(self) -> Self:
        _ip("netns", "add", self._name)
        try:
            _ip("link", "add", self._ours, "type", "veth", "peer", "name", self._theirs, "netns", self._name)
            _ip("addr", "add", f"{self.host}/24", "dev", self._ours)
            _ip("link", "set", self._ours, "up")
            _ip("-n", self._name, "addr", "add", f"{self._guest}/24", "dev", self._theirs)
            _ip("-n", self._name, "link", "set", self._theirs, "up")
            _ip("-n", self._name, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ip("netns", "delete", self._name)  # takes the devices with it

    def pull_cable(self) -> None:
        """From now on nothing arrives on either side, and neither side is told."""
        _ip("link", "set", self._ours, "down")

    def plug_in(self) -> None:
        """Connect both sides again."""
        _ip("link", "set", self._ours, "up")

"""What can happen to a command on its way."""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from taskq.protocol.operations import SCRIPTS

WIRE_ACTIONS = ("cut", "lose", "hang", "delay", "answer")
PROCESS_ACTIONS = ("before", "after")


@functools.cache
def _script_names() -> dict[bytes, str]:
    return {script.sha.encode(): name for name, script in SCRIPTS.items()}


def name_of(request: list[bytes]) -> str:
    """Return what a request does: the name of a script of taskq, or the command in capitals."""
    command = request[0].upper().decode("ascii", "replace") if request else ""
    if command in ("EVALSHA", "EVAL") and len(request) > 1:
        sha = (
            request[1] if command == "EVALSHA" else hashlib.sha1(request[1], usedforsecurity=False).hexdigest().encode()
        )
        return _script_names().get(sha, command)
    return command


@dataclass(slots=True)
class Fault:
    """What is to happen to the n-th request that fits.

    Attributes:
        action: ``cut`` (it never reaches the server, the connection breaks), ``lose`` (it reaches the server, the
            connection breaks instead of the reply), ``hang`` (the reply never comes and the connection stays open),
            ``delay`` (the reply comes late), ``answer`` (it never reaches the server, an error comes back),
            ``before`` and ``after`` (``act`` is called before the server sees it, or when it has answered; the
            connection breaks then).
        name: of a command such as ``BLPOP`` or of a script such as ``turn``; empty for any.
        skip: how many that fit go through first.
        needle: what one of the words must contain.
        times: how many are struck.
        seconds: of a delay.
        reply: for ``answer``, the error with its code, such as ``LOADING try later``.
        act: for ``before`` and ``after``, such as a kill; called on the thread of the proxy, so it must be quick.
        struck: set when it has struck; for ``before`` and ``after``, when ``act`` has returned.
        struck_at: when it struck last, in monotonic seconds.
        struck_name: what it has struck.
    """

    action: str
    name: str = ""
    skip: int = 0
    needle: bytes = b""
    times: int = 1
    seconds: float = 0.0
    reply: str = "LOADING an error that the proxy has made up"
    act: Callable[[], object] | None = None
    struck: threading.Event = field(default_factory=threading.Event)
    struck_at: float = 0.0
    struck_name: str = ""

    def __post_init__(self) -> None:
        known = (*WIRE_ACTIONS, *PROCESS_ACTIONS)
        if self.action not in known:
            raise ValueError(f"{self.action!r} is no fault: use one of {', '.join(known)}")
        if self.action in PROCESS_ACTIONS and self.act is None:
            raise ValueError(f"a fault {self.action!r} needs act=, what to do then")

    def strikes(self, request: list[bytes]) -> bool:
        """Return whether this request is struck, and count it."""
        if self.times <= 0 or not self._fits(request):
            return False
        self.skip -= 1
        if self.skip >= 0:
            return False
        self.times -= 1
        self.struck_at, self.struck_name = time.monotonic(), name_of(request)
        if self.act is None:
            self.struck.set()
        return True

    def do(self) -> None:
        """Do what is to be done before or after the command, if anything is."""
        if self.act is not None:
            self.act()
            self.struck.set()

    def _fits(self, request: list[bytes]) -> bool:
        if self.name and self.name not in (name_of(request), request[0].upper().decode("ascii", "replace")):
            return False
        return not self.needle or any(self.needle in word for word in request)

"""A call to the server as a value: what to send and how to read the reply. No I/O here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from taskq.protocol.scripts import Script

T = TypeVar("T")

# what may stand in a command
Argument = str | bytes | int


class Operation(NamedTuple, Generic[T]):
    """One idempotent call of a script.

    Both transports run it; either may send it more than once with the same arguments, which has the same effect as
    sending it once.

    Attributes:
        script: the transition.
        root: the one KEY, the root of the namespace.
        args: ARGV, in the order of the script's header.
        parse: turns the reply of the server into the value the caller wants.
    """

    script: Script
    root: str
    args: tuple[Argument, ...]
    parse: Callable[[Any], T]

    def command(self) -> tuple[Argument, ...]:
        """Return the words of the EVALSHA call."""
        return ("EVALSHA", self.script.sha, 1, self.root, *self.args)

    def full_command(self) -> tuple[Argument, ...]:
        """Return the words of the EVAL call that also teaches the server the script."""
        return ("EVAL", self.script.source, 1, self.root, *self.args)

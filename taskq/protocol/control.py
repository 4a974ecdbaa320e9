"""The calls to the server that steer what runs: pauses, and wishes to workers. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from taskq.model.wish import Wish
from taskq.protocol.operation import Argument, Operation

# as in operations.py, which loads these scripts with the others
ARGUMENTS: dict[str, str] = {
    "pause": "paused lists*",
    "wish": "worker state slots level",
    "card": "worker token fields*",
}


class ControlOperations:
    """The part of ``Protocol`` for whoever steers lists and workers."""

    def _build(self, name: str, args: Iterable[Argument], parse: Callable[[Any], Any] = ...) -> Operation[Any]:
        raise NotImplementedError

    def pause(self, paused: bool, lists: Sequence[str]) -> Operation[int]:
        """Stop or resume claims from lists; return how many changed."""
        return self._build("pause", (int(paused), *lists))

    def wish(self, worker: str, wish: Wish) -> Operation[bool]:
        """Say what a worker is to do; return whether there is one of that id."""
        return self._build("wish", (worker, *wish.words), lambda reply: reply == 1)

    def card(self, worker: str, token: str, fields: Mapping[str, str]) -> Operation[bool]:
        """Write onto the card of a worker; return whether it is registered."""
        words = [word for pair in fields.items() for word in pair]
        return self._build("card", (worker, token, *words), lambda reply: reply == 1)

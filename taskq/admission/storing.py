"""Storing what is set under a name, of which there may be so many, written once for all kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from taskq.errors import InvalidTask
from taskq.flows import Context, Flow
from taskq.partitions import Spread
from taskq.protocol.operation import Operation


@dataclass(frozen=True, slots=True)
class Kind:
    """What is stored.

    Attributes:
        most: how many there may be.
        are: what they are, in words.
        shown_by: the command that lists them; ``removed_by`` the one that removes one.
        hint: what needs no other one.
    """

    most: int
    are: str
    shown_by: str
    removed_by: str
    hint: str = ""


def store(spread: Spread[Any], kind: Kind, name: str, ask: Callable[[Context], Operation[bool]]) -> Flow[None]:
    """Add or replace one, in every partition.

    Raises:
        InvalidTask: if there are as many as there may be.
    """
    for context in spread.contexts:
        stored: bool = yield ask(context)
        if not stored:
            hint = f"{kind.hint}. " if kind.hint else ""
            raise InvalidTask(
                f"{kind.most:,} {kind.are} already, so {name} was not added: {hint}`{kind.shown_by}` shows them, "
                f"`{kind.removed_by}` removes one"
            )

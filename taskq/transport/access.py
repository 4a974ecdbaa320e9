"""What the user of a connection may do, tried without doing it, for ``taskq doctor``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from taskq.protocol.permissions import producer_commands, worker_commands

Ask = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class AccessReading:
    """Who the connection is, and what it may not do.

    Attributes:
        user: its name; empty if the server does not tell.
        tried: whether the commands could be tried (ACL DRYRUN).
        refused: per role, ``submit`` and ``work``, the commands that are refused, with the reason.
        open_to_all: whether the default user needs no password; None if that cannot be seen.
    """

    user: str = ""
    tried: bool = False
    refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    open_to_all: bool | None = None


def read_access(ask: Ask, root: str, durability: str) -> AccessReading:
    """Read what the user of a connection may do.

    Args:
        ask: sends a command and returns its reply, None if it is refused.
        root: of the namespace.
        durability: the level that submits wait for.
    """
    user = (ask("ACL", "WHOAMI") or b"").decode()
    default = ask("ACL", "GETUSER", "default")
    open_to_all = None if default is None else _is_open(default)
    if not user or ask("ACL", "DRYRUN", user, "PING") is None:
        return AccessReading(user, open_to_all=open_to_all)
    wanted = {"submit": producer_commands(root, durability), "work": worker_commands(root)}
    refused = {role: tuple(_refused(ask, user, commands)) for role, commands in wanted.items()}
    return AccessReading(user, True, refused, open_to_all)


def _refused(ask: Ask, user: str, commands: set[tuple[str, ...]]) -> list[str]:
    found: dict[str, None] = {}
    for command in sorted(commands):
        reply = ask("ACL", "DRYRUN", user, *command)
        # a command that the server does not know is no question of rights
        if reply is not None and reply != b"OK":
            keys = [word for word in command[1:2] if reply.find(b"key") >= 0]
            found[" ".join([command[0], *keys])] = None
    return list(found)


def _is_open(default: list[Any]) -> bool:
    fields = dict(zip(default[::2], default[1::2], strict=True))
    flags = fields.get(b"flags", [])
    return b"on" in flags and b"nopass" in flags

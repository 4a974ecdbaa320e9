"""The calls that only sessions of agents make. No I/O here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from taskq.protocol.operation import Operation

if TYPE_CHECKING:
    from taskq.protocol.operations import Protocol

# as in operations.py, which loads these scripts with the others
ARGUMENTS: dict[str, str] = {
    "exchange": "session id fence limit ttl text",
    "exchanges": "session count",
}


class Exchange(NamedTuple):
    """One query of a session and its answer, on their way in.

    Attributes:
        session: name of the session.
        task_id: of the task that has answered.
        fence: of its attempt.
        text: what is kept.
    """

    session: str
    task_id: str
    fence: str
    text: str


class Kept(NamedTuple):
    """One exchange as it is stored."""

    task_id: str
    text: str


def keep(protocol: Protocol, exchange: Exchange, limit: int, ttl_ms: int) -> Operation[int]:
    """Keep an exchange: ``DONE``, ``STALE`` or ``ASKED_TO_STOP`` of ``protocol.workflow``.

    Args:
        protocol: the operations of the namespace.
        exchange: replaces what the same task has said before.
        limit: how many the session keeps.
        ttl_ms: how long the session is kept from now on.
    """
    session, task_id, fence, text = exchange
    return protocol._build("exchange", (session, task_id, fence, limit, ttl_ms, text))


def forget(protocol: Protocol, session: str) -> Operation[int]:
    """Delete all that is kept of a session."""
    return protocol._build("exchange", (session, "", "", 0, 0, ""))


def exchanges(protocol: Protocol, session: str, count: int) -> Operation[list[Kept]]:
    """Return the last exchanges of a session, the oldest first."""
    return protocol._build("exchanges", (session, count), _parse)


def _parse(reply: list[Any]) -> list[Kept]:
    pairs = [word.decode("utf-8", "replace").partition(" ") for word in reply]
    return [Kept(task_id, text) for task_id, _, text in pairs]

"""What was said in a session: kept and read, written once for clients and handlers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taskq.errors import CorruptTask, InvalidTask
from taskq.flows import Context, Flow
from taskq.model.codec import decode, encode
from taskq.model.crypto import hide, reveal
from taskq.model.moment import seconds_to_ms
from taskq.model.names import check_name, in_words
from taskq.protocol import sessions
from taskq.protocol.sessions import Exchange, Kept

EXCHANGES = 20
MOST_EXCHANGES = 200
TTL_SECONDS = 86_400.0
# of a query, and of an answer: what is kept is for the next query, the whole of it is in payload and result
_MOST_CHARS = 16_000


@dataclass(frozen=True, slots=True)
class Memory:
    """How much of a session is kept.

    Attributes:
        exchanges: the last ones that are kept; 0: none.
        ttl_seconds: for how long after the last of them.

    Raises:
        InvalidTask: if one cannot be used.
    """

    exchanges: int = EXCHANGES
    ttl_seconds: float = TTL_SECONDS

    def __post_init__(self) -> None:
        if type(self.exchanges) is not int or not 0 <= self.exchanges <= MOST_EXCHANGES:
            raise InvalidTask(f"exchanges is {self.exchanges!r:.60}: use a whole number from 0 to {MOST_EXCHANGES}")
        if seconds_to_ms(self.ttl_seconds, "session_ttl") < 1:
            raise InvalidTask(f"session_ttl is {in_words(self.ttl_seconds)}: use a number of seconds above 0")


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else encode(value, "exchange of a session")
    if len(text) <= _MOST_CHARS:
        return value
    return f"{text[:_MOST_CHARS]} ... ({len(text) - _MOST_CHARS:,} characters left out)"


def exchange(session_id: str, task_id: str, query: Any, answer: Any) -> Exchange:
    """Return a query and its answer as they are kept, without a fence yet."""
    said = {"query": _short(query), "answer": _short(answer)}
    return Exchange(session_id, task_id, "", encode(said, "exchange of a session"))


def keep(context: Context, said: Exchange, fence: str, memory: Memory) -> Flow[None]:
    """Keep an exchange, as the word of an attempt."""
    text = hide(context.seal, said.text, "session", said.session, said.task_id)
    ttl_ms = seconds_to_ms(memory.ttl_seconds, "session_ttl")
    kept = said._replace(fence=fence, text=text)
    yield sessions.keep(context.protocol, kept, memory.exchanges, ttl_ms)


def read(context: Context, session_id: str, count: int = MOST_EXCHANGES) -> Flow[list[dict[str, Any]]]:
    """Return the last exchanges of a session, the oldest first."""
    name = check_name(session_id, "session id")
    if count == 0:
        return []
    kept: list[Kept] = yield sessions.exchanges(context.protocol, name, count)
    return [_read_one(context, name, one) for one in kept]


def _read_one(context: Context, session_id: str, kept: Kept) -> dict[str, Any]:
    text = reveal(context.seal, kept.text, "session", session_id, kept.task_id)
    said = decode(text, "exchange of a session")
    if not isinstance(said, dict) or said.keys() != {"query", "answer"}:
        raise CorruptTask(
            f"what is kept of session {session_id} cannot be used: something else than taskq has written it; begin "
            "anew with forget_session"
        )
    return {"task_id": kept.task_id, **said}


def forget(context: Context, session_id: str) -> Flow[None]:
    """Delete all that is kept of a session."""
    yield sessions.forget(context.protocol, check_name(session_id, "session id"))

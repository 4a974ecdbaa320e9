"""The server of another queue: its lists are read as data, and what is moved is taken out of them step by step.

A job is first taken aside, out of the reach of the workers of the old queue, and forgotten when it is safe elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from taskq.protocol.operation import Argument
from taskq.settings import Settings
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import Unsure, check, unavailable
from taskq.transport.wire import Wire, pack

# The keys are those of the other queue, so these are no scripts of the protocol. Both do what was not done yet.
_TAKE = b"""
local taken = {}
for i = 2, #ARGV, 2 do
    local member, note, removed = ARGV[i], ARGV[i + 1], 0
    if ARGV[1] == 'time' then
        removed = redis.call('ZREM', KEYS[1], member)
    else
        removed = redis.call('LREM', KEYS[1], ARGV[1] == 'head' and 1 or -1, member)
    end
    if removed == 1 then
        redis.call('HSET', KEYS[2], member, note)
        taken[#taken + 1] = i / 2
    end
end
return taken
"""
_FORGET = b"""
for i = 1, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
return #ARGV
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A list, or a sorted set by time, of the other queue.

    Attributes:
        key: in the server.
        name: for people, and for what is said about it.
        end: where the next job is: ``head`` or ``tail`` of a list; ``time`` for a sorted set.
        aside: the hash for jobs on their way.
    """

    key: str
    name: str
    end: str
    aside: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A job as it stands in a list.

    Attributes:
        member: the bytes.
        due_ms: when it is due, in ms since the epoch; None: now.
        seen_ms: when it was first seen here; kept while it is on its way, so that a second try makes the same task.
    """

    member: bytes
    due_ms: int | None = None
    seen_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)


class OldServer:
    """The server of the other queue.

    No command is repeated: what is not known to have happened is found by the next run.

    Args:
        url: its address.
        settings: for the timeouts.

    Raises:
        SettingsError: if the URL cannot be used.
        ServerUnavailable, AccessDenied: if it cannot be reached.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self._endpoint = Endpoint(url, settings)
        self.shown = self._endpoint.shown
        try:
            self._wire = Wire(self._endpoint, settings.socket_timeout_seconds)
        except Unsure as doubt:
            raise unavailable(self.shown, None, doubt) from None

    def ask(self, *command: Argument) -> Any:
        """Return the reply to a command.

        Raises:
            ServerUnavailable: if there is none.
            TaskqError: if the server refuses.
        """
        return self.ask_all([command])[0]

    def ask_all(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Return the replies to commands that travel together; raises as ``ask``."""
        try:
            self._wire.send(b"".join(pack(command) for command in commands))
            replies = [self._wire.read() for _ in commands]
            for reply in replies:
                check(reply)
        except Unsure as doubt:
            raise unavailable(self.shown, None, doubt) from None
        return replies

    def length(self, source: Source) -> int:
        """Return how many jobs there are."""
        return int(self.ask("ZCARD" if source.end == "time" else "LLEN", source.key))

    def page(self, source: Source, skip: int, number: int) -> list[Entry]:
        """Return jobs in the order in which they would start.

        Args:
            source: the list.
            skip: how many come before them.
            number: how many at most.
        """
        first, last = skip, skip + number - 1
        if source.end == "time":
            reply = self.ask("ZRANGE", source.key, first, last, "WITHSCORES")
            return [Entry(member, int(float(score) * 1000)) for member, score in zip(*[iter(reply)] * 2, strict=True)]
        if source.end == "head":
            return [Entry(member) for member in self.ask("LRANGE", source.key, first, last)]
        return [Entry(member) for member in reversed(self.ask("LRANGE", source.key, -last - 1, -first - 1))]

    def take_aside(self, source: Source, entries: Sequence[Entry]) -> list[int]:
        """Move jobs out of the reach of the old workers; return the places in ``entries`` of those that were there."""
        notes = [f"{entry.seen_ms} {place:06d} {entry.due_ms or ''}" for place, entry in enumerate(entries)]
        arguments = [part for entry, note in zip(entries, notes, strict=True) for part in (entry.member, note)]
        taken = self.ask("EVAL", _TAKE, 2, source.key, source.aside, source.end, *arguments)
        return [int(place) - 1 for place in taken]

    def aside(self, source: Source) -> list[Entry]:
        """Return the jobs that an earlier run has taken aside and not forgotten, in their order."""
        reply = self.ask("HGETALL", source.aside)
        noted = [(note.split(b" "), member) for member, note in zip(*[iter(reply)] * 2, strict=True)]
        return [Entry(member, int(due) if due else None, int(seen)) for (seen, _, due), member in sorted(noted)]

    def forget(self, source: Source, entries: Sequence[Entry], keys: Sequence[str]) -> None:
        """Forget jobs that were taken aside, and what belongs to them."""
        self.ask("EVAL", _FORGET, 1 + len(keys), source.aside, *keys, *(entry.member for entry in entries))

    def close(self) -> None:
        """Close the connection; never raises."""
        self._wire.close()

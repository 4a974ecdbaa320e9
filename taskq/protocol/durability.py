"""What a submit waits for before it returns: the commands that follow it on its connection, and their replies. No I/O.

WAIT and WAITAOF speak of the last write of *their connection*. A submit that finds its task stored already writes
nothing, and a server may then answer at once, although the replicas have not seen the first submit, whose reply was
lost. So each guarantee has a mark, a small write of its own that follows the script: whoever has the mark has the task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from taskq.errors import InvalidTask, NotDurable
from taskq.protocol.keys import Keys
from taskq.protocol.operation import Argument, Operation
from taskq.settings import Settings
from taskq.states import Durability


class Reached(NamedTuple):
    """What a wait has reached.

    Attributes:
        local: how many append-only files of the primary are synced: 0 or 1.
        replicas: how many replicas have the task, or have synced it.
        refusal: what the server said instead; empty if it did wait.
    """

    local: int = 0
    replicas: int = 0
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What is to be true of a task when its submit returns.

    Attributes:
        level: ``replicated`` or ``fsync``.
        replicas: how many must have it.
        timeout_ms: longest wait.
        counters: the key of the mark.
    """

    level: str
    replicas: int
    timeout_ms: int
    counters: str

    @classmethod
    def of(cls, level: str | None, settings: Settings, keys: Keys) -> Guarantee:
        """Return the guarantee of a level other than ``memory``.

        Args:
            level: a ``Durability`` or its word; None: as configured.
            settings: for the level, the number of replicas and the timeout.
            keys: of the namespace.

        Raises:
            InvalidTask: if there is no such level.
        """
        try:
            known = Durability(level or settings.durability)
        except ValueError:
            raise InvalidTask(f"unknown durability {level!r}: use one of {', '.join(Durability)}") from None
        replicas = settings.durable_replicas if known is Durability.REPLICATED else settings.fsync_replicas
        return cls(known.value, replicas, round(settings.durable_timeout_seconds * 1000) or 1, keys.key("counters"))

    @property
    def syncs(self) -> bool:
        """Whether the task must be on disk."""
        return self.level == Durability.FSYNC

    @property
    def commands(self) -> tuple[tuple[Argument, ...], tuple[Argument, ...]]:
        """The mark and the wait, to be sent right behind the script."""
        return ("HINCRBY", self.counters, "durable", 1), self._wait(self.replicas, self.timeout_ms)

    @property
    def probes(self) -> tuple[tuple[Argument, ...], ...]:
        """What to ask a server that has not been asked before: a wait for nothing, its replicas, how it syncs."""
        asks: tuple[tuple[Argument, ...], ...] = (self._wait(0, 1), ("INFO", "replication"))
        return (*asks, ("CONFIG", "GET", "appendfsync")) if self.syncs else asks

    def _wait(self, replicas: int, timeout_ms: int) -> tuple[Argument, ...]:
        return ("WAITAOF", 1, replicas, timeout_ms) if self.syncs else ("WAIT", replicas, timeout_ms)

    def reached(self, reply: int | Sequence[int]) -> Reached:
        """Return what the reply to the wait means."""
        return Reached(0, reply) if isinstance(reply, int) else Reached(reply[0], reply[1])

    def why_not(self, online: int | None, refusal: str, appendfsync: str = "") -> str | None:
        """Return why a server cannot do it, None if nothing speaks against it.

        Args:
            online: replicas that follow the server; None if it does not say.
            refusal: how it has refused to wait for nothing; empty if it has not.
            appendfsync: when it syncs its append-only file; empty if it does not say.
        """
        if "unknown command" in refusal:
            return "the server does not know WAITAOF: it needs Redis 7.2, Valkey 7.2 or newer"
        if "appendonly" in refusal:
            return "the server keeps no append-only file: CONFIG SET appendonly yes, and in its configuration"
        if refusal:
            return f"the server refused to wait ({refusal})"
        if self.syncs and appendfsync != "always":
            # with everysec, WAITAOF of Valkey 9.1 and Redis 7.4 answers before the file is synced
            return (
                f"its appendfsync is {appendfsync or 'not to be seen (allow CONFIG GET)'}, and only with always is a "
                "task on the disk when WAITAOF says so: CONFIG SET appendfsync always, and in its configuration"
            )
        if online is not None and online < self.replicas:
            return (
                f"the server has {_replicas(online)} online: start more of them (REPLICAOF), or lower "
                f"{'TASKQ_FSYNC_REPLICAS' if self.syncs else 'TASKQ_DURABLE_REPLICAS'}"
            )
        return None

    def shortfall(self, reached: Reached, task_ids: tuple[str, ...]) -> NotDurable | None:
        """Return the error for a wait that has not reached what was asked for; None if it has."""
        if not reached.refusal and reached.replicas >= self.replicas and reached.local >= self.syncs:
            return None
        asked = self._words(int(self.syncs), self.replicas)
        got = reached.refusal or self._words(reached.local, reached.replicas)
        shown = ", ".join(task_ids[:3]) + (f" and {len(task_ids) - 3:,} more" if len(task_ids) > 3 else "")
        return NotDurable(
            f"accepted, but not {self.level} within {self.timeout_ms / 1000:g} s ({shown}): asked for: {asked}; "
            f"reached: {got}. The tasks will run unless the server is lost now. Do not make new ones: submit the same "
            "Task values again to wait again, they are stored once; `taskq doctor` shows the state of the replicas",
            task_ids,
            self.level,
            asked,
            got,
        )

    def _words(self, local: int, replicas: int) -> str:
        if not self.syncs:
            return f"in {_replicas(replicas)}"
        own = "synced by the primary" if local else "not synced by the primary"
        return f"{own}, by {_replicas(replicas)}" if self.replicas else own


def _replicas(number: int) -> str:
    return f"{number} replica" if number == 1 else f"{number} replicas"


@dataclass(frozen=True, slots=True)
class Durable:
    """An operation of which the caller must know that it will last; its value is the operation's and what was reached.

    Attributes:
        operation: what to do.
        guarantee: what to wait for.
    """

    operation: Operation[Any]
    guarantee: Guarantee


def online_replicas(info: str) -> int:
    """Return how many replicas follow a server, by its INFO replication."""
    return sum(line.startswith("slave") and "state=online" in line for line in info.splitlines())

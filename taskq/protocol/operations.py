"""Every call that taskq makes to the server, as a function that returns an ``Operation``. No I/O here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from taskq.model.history import MOST_MINUTES, MOST_QUEUES
from taskq.protocol import admission, control, sessions, workflow
from taskq.protocol.checks import Checks
from taskq.protocol.checks import LeaseTimes as LeaseTimes  # noqa: PLC0414 - for those who beat and reap
from taskq.protocol.keys import FAMILIES, Keys, lists_of
from taskq.protocol.operation import Argument, Operation
from taskq.protocol.replies import (
    NOTHING_SEEN,
    BeatReply,
    Inspection,
    Repaired,
    Settlement,
    TurnReply,
    Witness,
    WorkerCard,
    pairs,
    parse_beat,
    parse_cards,
    parse_inspections,
    parse_repair,
    parse_rows,
    parse_turn,
    texts,
)
from taskq.protocol.scripts import Scripts, keep_texts
from taskq.protocol.sizes import Sizes, parse_sizes
from taskq.protocol.submits import Submission, SubmitReply, parse_submit, submit_words
from taskq.protocol.words import settle_words

PROTOCOL_VERSION = 1

# name -> arguments as the builders below pass them; the loader compares them with the header of each file
ARGUMENTS: dict[str, str] = {
    "submit": "max_length reused groups others rest*",
    "turn": "worker token seq want ring_on lists groups others rest*",
    "settle": "groups others rest*",
    "register": "worker token lease period uuid version fields*",
    "beat": "lease period seen_uuid seen_stamp rest*",
    "reap": "lease period limit max_crashes dead_ttl",
    "evict": "worker charge limit max_crashes dead_ttl",
    "repair": "worker token lease period held*",
    "promote": "limit",
    "sweep": "limit",
    "cancel": "id result ttl",
    "replay": "reopen ids*",
    "discard": "ids*",
    "purge": "list limit",
    "purge_waiting": "cursor limit lists*",
    "await": "id reply_list ttl",
    "inspect": "ids*",
    "result": "id",
    "stats": "cursor default_lists*",
    "ids": "source cursor count",
    "rows": "ids*",
    "cards": "cursor",
    "progress": "id fence progress",
    "takeover": "worker token seq idle rest*",
    "lengths": "lists*",
    "schedules": "verb name definition former",
    "fire": "name definition slot id body list",
    "snapshot": "pattern limit",
    "check": "source name cursor count ids*",
    "survey": "cursor pattern count",
    "lineup": "list keys*",
    "indexes": "lease source names*",
    "scales": "source cursor count",
    "mend": "id list ttl holders*",
    "mend_place": "verb name detail lease",
    "mend_expiry": "family name ttl",
    "notice": "nonce number",
    "remember": "most most_queues default_lists*",
    "history": "count",
    **workflow.ARGUMENTS,
    **admission.ARGUMENTS,
    **control.ARGUMENTS,
    **sessions.ARGUMENTS,
}


@functools.cache
def load_scripts(clock: str) -> Scripts:
    """Return all scripts by name; ``clock`` names the fragment that tells them the time."""
    return Scripts(ARGUMENTS, clock)


keep_texts()
SCRIPTS = load_scripts("read_clock")


class CrashLimits(NamedTuple):
    """How many crashes make a task a dead letter, and how long that is kept, in ms."""

    max_crashes: int
    dead_ttl_ms: int


def _identity(reply: Any) -> Any:
    return reply


class Protocol(Checks, workflow.WorkflowOperations, admission.AdmissionOperations, control.ControlOperations):
    """The operations of one namespace.

    Args:
        keys: the names of its keys.
        scripts: other scripts than the ones of this package's release, for tests.
    """

    def __init__(self, keys: Keys, scripts: Scripts | None = None) -> None:
        self.keys = keys
        self._root = keys.root
        self._scripts = scripts or SCRIPTS

    def _build(self, name: str, args: Iterable[Argument], parse: Callable[[Any], Any] = _identity) -> Operation[Any]:
        return Operation(self._scripts[name], self._root, tuple(args), parse)

    # -- producers --

    def submit(self, tasks: Sequence[Submission], max_length: int, *, reused: bool = True) -> Operation[SubmitReply]:
        """Store tasks, all or none. A task that is stored already, body and all, counts as stored by this call.

        ``reused`` says whether an id may have belonged to a task that has ended and expired, or stands here twice.
        """
        groups, others, words, order = submit_words(tasks)
        return self._build(
            "submit", (max_length, int(reused), groups, others, *words), lambda reply: parse_submit(tasks, order, reply)
        )

    def cancel(self, task_id: str, result: str, ttl_ms: int) -> Operation[str]:
        """End a waiting task with ``result``, or ask a running one to stop."""
        return self._build("cancel", (task_id, result, ttl_ms), bytes.decode)

    def await_result(self, task_id: str, reply_list: str, ttl_ms: int) -> Operation[tuple[int, bytes | None]]:
        """Fetch a result (1), or have it sent to a reply list (0); -1: no such task."""
        return self._build(
            "await", (task_id, reply_list, ttl_ms), lambda reply: (reply[0], reply[1] if len(reply) > 1 else None)
        )

    def result(self, task_id: str) -> Operation[tuple[bytes | None, bool]]:
        """Return the result, if there is one, and whether the task is known."""
        return self._build("result", (task_id,), lambda reply: (reply[0], reply[1] == 1))

    def inspect(self, task_ids: Sequence[str]) -> Operation[list[Inspection]]:
        """Return everything that is known of some tasks."""
        return self._build("inspect", task_ids, parse_inspections)

    def stats(self, cursor: str = "0") -> Operation[Sizes]:
        """Return the sizes of everything and a page of the lists; ``walks.all_sizes`` has all of them."""
        return self._build("stats", (cursor, *lists_of(None)), parse_sizes)

    def history(self, count: int) -> Operation[tuple[str, ...]]:
        """Return the lines of the last ``count`` minutes that were kept."""
        return self._build("history", (count,), texts)

    def rows(self, task_ids: Sequence[str]) -> Operation[list[tuple[Inspection, int | None]]]:
        """Return what a list shows of some tasks, and when each is due in ms; results may lack their beginning."""
        return self._build("rows", task_ids, parse_rows)

    def ids(self, source: str, cursor: str, count: int) -> Operation[tuple[str, tuple[str, ...]]]:
        """Return the next cursor ("0": the end) and a page of ids of a source: a status, "dead", ...; see ids.lua."""
        return self._build("ids", (source, cursor, count), lambda reply: (_text(reply[0]), texts(reply[1])))

    def purge(self, list_name: str, limit: int) -> Operation[tuple[int, bool]]:
        """Delete up to ``limit`` waiting tasks of a list; return how many, and whether there are more."""
        return self._build("purge", (list_name, limit), lambda reply: (reply[0], reply[1] == 1))

    def purge_waiting(self, cursor: str, lists: Sequence[str], limit: int) -> Operation[tuple[int, str]]:
        """Delete tasks of lists that wait for room, a turn or a key; return how many, and the next cursor or "0"."""
        return self._build("purge_waiting", (cursor, limit, *lists), lambda reply: (reply[0], _text(reply[1])))

    def replay(self, tasks: Sequence[tuple[str, str]], *, reopen: bool = False) -> Operation[list[int]]:
        """Put ended tasks, given as id and list, back; per task 1 if it was.

        ``reopen`` says whether the families that have counted them wait for them again.
        """
        return self._build("replay", [int(reopen), *(word for task in tasks for word in task)])

    def discard(self, task_ids: Sequence[str]) -> Operation[int]:
        """Forget ended tasks before their time; return how many."""
        return self._build("discard", task_ids)

    # -- workers --

    def register(
        self, worker: str, token: str, times: LeaseTimes, uuid: str, card: dict[str, str]
    ) -> Operation[tuple[bool, str, int]]:
        """Make a worker known; return False if the id is in use, the uuid of the namespace, and server time in ms."""
        fields = [word for pair in card.items() for word in pair]
        return self._build(
            "register",
            (worker, token, times.lease_ms, times.period_ms, uuid, PROTOCOL_VERSION, *fields),
            lambda reply: (reply[0] == 1, reply[1].decode(), reply[2]),
        )

    def turn(
        self,
        worker: str,
        token: str,
        seq: int,
        want: int,
        lists: Sequence[str],
        settles: Sequence[Settlement] = (),
        *,
        ring_on: bool = True,
    ) -> Operation[TurnReply]:
        """Settle what has finished and claim up to ``want`` tasks; the same ``seq`` returns the same claims.

        ``ring_on`` says whether the worker may have taken a hint from a bell since its last turn.
        """
        groups, others, words = settle_words(settles)
        args = (worker, token, seq, want, int(ring_on), len(lists), groups, others, *lists, *words)
        return self._build("turn", args, partial(parse_turn, token, seq))

    def settle(self, settles: Sequence[Settlement]) -> Operation[tuple[str, ...]]:
        """Apply outcomes outside of a turn; return the ids whose fence no longer holds."""
        groups, others, words = settle_words(settles)
        return self._build("settle", (groups, others, *words), texts)

    def beat(
        self, times: LeaseTimes, workers: Sequence[tuple[str, str]], seen: Witness = NOTHING_SEEN
    ) -> Operation[BeatReply]:
        """Renew the leases of workers, given as id and token; ``seen`` is what the last beat has answered."""
        args: list[Argument] = [times.lease_ms, times.period_ms, seen.uuid, seen.stamp_ms]
        for worker, token in workers:
            args += (worker, token, int(worker in seen.workers))
        return self._build("beat", args, parse_beat)

    def reap(self, times: LeaseTimes, limit: int, limits: CrashLimits) -> Operation[tuple[int, int, int, bool]]:
        """Bring back tasks of dead workers: requeued, dead letters, workers gone, and whether there is more to do."""
        return self._build(
            "reap",
            (times.lease_ms, times.period_ms, limit, limits.max_crashes, limits.dead_ttl_ms),
            lambda reply: (reply[0], reply[1], reply[2], reply[3] > 0),
        )

    def evict(self, worker: str, charge: bool, limit: int, limits: CrashLimits) -> Operation[tuple[int, int, bool]]:
        """Take up to ``limit`` tasks from an ended worker: requeued, dead letters, and whether it is gone."""
        return self._build(
            "evict",
            (worker, int(charge), limit, limits.max_crashes, limits.dead_ttl_ms),
            lambda reply: (reply[0], reply[1], reply[2] == 1),
        )

    def repair(self, worker: str, token: str, times: LeaseTimes, held: Sequence[str]) -> Operation[Repaired]:
        """Hand back what stands in a worker's processing list although it does not hold it; say if there is more."""
        return self._build("repair", (worker, token, times.lease_ms, times.period_ms, *held), parse_repair)

    def progress(self, task_id: str, fence: str, progress: str) -> Operation[int]:
        """Note progress: 1 noted, 0 the attempt is stale, -1 noted, and it is asked to stop."""
        return self._build("progress", (task_id, fence, progress))

    def cards(self, cursor: str = "0") -> Operation[tuple[int, list[WorkerCard], str]]:
        """Return server time in ms, a page of the registered workers, and the next cursor; see ``walks.all_cards``."""
        return self._build("cards", (cursor,), parse_cards)

    # -- time --

    def promote(self, limit: int = 100) -> Operation[tuple[int, int]]:
        """Move due tasks to their lists; return how many, and ms until the next (-1: none)."""
        return self._build("promote", (limit,), tuple)

    def sweep(self, limit: int = 500) -> Operation[int]:
        """Forget up to ``limit`` expired ids; return how many were looked at."""
        return self._build("sweep", (limit,))

    def remember(self) -> Operation[int]:
        """Keep the numbers of this minute: 1 done, 0 somebody was first."""
        return self._build("remember", (MOST_MINUTES, MOST_QUEUES, *lists_of(None)))

    def list_schedules(self) -> Operation[tuple[int, dict[str, str], dict[str, int]]]:
        """Return server time in ms, definitions by name, and the last slot fired by name."""
        return self._build(
            "schedules",
            ("list", "", "", ""),
            lambda reply: (
                reply[0],
                pairs(reply[1]),
                {name: int(slot) for name, slot in pairs(reply[2]).items() if slot.isdigit()},
            ),
        )

    def add_schedule(self, name: str, definition: str, former: str = "") -> Operation[int]:
        """Add a recurring definition, or swap it for a ``former`` one: it keeps its last slot; 0: it is another now."""
        return self._build("schedules", ("swap" if former else "add", name, definition, former))

    def remove_schedule(self, name: str) -> Operation[int]:
        """Remove a recurring definition; return 1 if there was one."""
        return self._build("schedules", ("remove", name, "", ""))

    def fire(self, name: str, definition: str, slot_ms: int, task: Submission) -> Operation[int]:
        """Submit the task of a slot: 1 done, 0 another scheduler was first, -1 the definition has changed."""
        return self._build("fire", (name, definition, slot_ms, task.task_id, task.envelope, task.list_name))

    # -- names --

    def bell_keys(self, lists: Iterable[str]) -> list[str]:
        """Return the keys to block on for some lists."""
        return [self._root + FAMILIES["bell"] + name for name in lists]

    def room_key(self, queue: str) -> str:
        """Return the key of the bell that is rung when a queue has room; the default queue is called ``default``."""
        return f"{self._root}{FAMILIES['bell']}@room:{queue}"

    def reply_key(self, reply_list: str) -> str:
        """Return the key of a reply list."""
        return self._root + FAMILIES["reply"] + reply_list

    @property
    def events_channel(self) -> str:
        """The pub/sub channel of the namespace."""
        return self._root + FAMILIES["events"]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value

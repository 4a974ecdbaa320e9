"""The name of every key in Redis, in one place.

Scripts receive the root of the namespace as their only key and build the rest from the families below; the loader
writes a local binding for each family that a script's header names, so no key name is spelled in Lua either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from taskq.errors import SettingsError
from taskq.states import PRIORITIES, TaskPriority

# family -> suffix after the root; one that ends in ":" is followed by an id or a name
FAMILIES: dict[str, str] = {
    "root": "",  # of the namespace itself
    "queue": "queue:",  # list of pending ids, one per queue and priority
    "processing": "processing:",  # list of the ids one worker holds
    "task": "task:",  # string, the envelope as it was submitted
    "state": "state:",  # hash, what a task has been through, unless it is new, runs for the first time or completed
    "running": "running",  # hash, running id -> fence, worker, list, attempt, start and flags in one line
    "checkpoint": "checkpoint:",  # string, what a task wants to know when it goes on
    "signals": "signals:",  # hash, name of a signal -> what was said with it, for as long as its task
    "sagas": "sagas",  # sorted set, task that is a saga -> its beginning ms
    "session": "session:",  # list with TTL, the last exchanges of a session: id of the task and what was said
    "family": "family:",  # hash, a set of children: size, policy, who waits for it, how many have ended and how
    "children": "children:",  # list, the ids of a family in order
    "gathered": "gathered:",  # hash, child -> its result, empty while it is open
    "result": "result:",  # string with TTL, how the task ended
    "status": "status:",  # set of ids, one per status
    "scheduled": "scheduled",  # sorted set, id -> due ms
    "leases": "leases",  # sorted set, worker -> end of lease, ms on the lease clock
    "workers": "workers",  # set of worker ids
    "worker": "worker:",  # hash, the card of one worker
    "bell": "bell:",  # list of wake-up hints, one per priority list
    "retention": "retention",  # sorted set, which lists of ended ids fall due when
    "retained": "retained:",  # list of the ids that ended and expire within the same ten seconds
    "schedules": "schedules",  # hash, name -> recurring definition
    "slots": "slots",  # hash, name -> last slot of a schedule that was fired
    "dead": "dead",  # sorted set, dead letter -> time of death ms
    "events": "events",  # pub/sub channel
    "large": "large",  # string, exists once the namespace was given an envelope of more than a page
    "meta": "meta",  # hash: protocol version, namespace uuid, last fence, lease clock
    "history": "history",  # list with TTL, the numbers of each minute of the last day
    "counters": "counters",  # hash of lifetime counters
    "group": "group:",  # list of pending ids, one per list and group key: those for which an entry stands in the list
    "grouped": "grouped",  # hash, list -> how many of its tasks have no entry of their own; @ once there were groups
    "paused": "paused",  # set of paused priority lists
    "tombstones": "tombstones",  # set of ids that were cancelled while they stood in a list
    "queues": "queues",  # set of the names of queues in use
    "sequence": "sequence:",  # sorted set, live tasks with the same ordering key in order; only the first may start
    "limits": "limits",  # hash, name of a limit -> its definition
    "limited": "limited",  # string, the types that have a limit, * for all of them
    "bounds": "bounds",  # hash, queue -> how many tasks its lists may hold, and what happens to more
    "bytes": "bytes",  # hash, queue -> bytes of the tasks in its lists; exists while any limit of a queue counts bytes
    "weights": "weights",  # hash, id that waits in a list -> its bytes and its queue, as long as ``bytes`` exists
    "crowd": "crowd",  # string with TTL: exists while any submit waits for room in a queue
    "permits": "permits",  # hash, key of a limit -> how many running tasks hold a permit of it; but for ``sole``
    "sole": "sole",  # set, keys of limits that one running task each holds, and does so in no number of permits
    "blocked": "blocked:",  # sorted set, ids of the tasks that wait until a limit has room, in their order
    "jams": "jams",  # sorted set, key of a limit with blocked tasks -> ms at which it is looked at next
    "gates": "gates",  # hash, key -> since when it is paused, !key -> how its circuit is unless it is closed
    "circuits": "circuits",  # hash, name of a circuit -> its rule
    "faults": "faults:",  # list with TTL, ms of the last failures that a circuit counts by one key
    "tallies": "tallies:",  # hash with TTL, tenth of a circuit's time -> attempts with a key, !tenth -> failures
    "woken": "woken",  # hash, key -> the last that went back to its list, if more wait behind it
    "sla": "sla",  # hash, priority list -> how old its oldest task and how late a start may be, in ms
    "breaches": "breaches",  # hash, threshold that is broken -> since when, ms
    "sidings": "sidings",  # hash, key of passed over tasks -> ms of the last pass, and bells of those who can
    "rate": "rate:",  # string with TTL, ms at which the bucket of a key is full again
    "starts": "starts:",  # list with TTL, ms of the last starts of a key with a sliding window
    "unique": "unique:",  # string, unique key -> id of the task that holds it; with a TTL if it is to let go by time
    "successor": "successor:",  # string, unique key -> id of the task that waits until the holder of the key has ended
    "waiters": "waiters:",  # set with TTL, reply lists of the clients that wait for one id
    "awaited": "awaited",  # string with TTL: exists while any client waits for any result
    "reply": "reply:",  # list with TTL, results on their way to one waiting client
}

SCHEDULER_BELL = "@scheduler"
# stands among the paused lists for all of them, as pause.lua and claim.lua know
ALL_LISTS = "*"

_PREFIX = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:\-]{0,127}\Z")


def list_name(queue: str | None, priority: TaskPriority) -> str:
    """Return what follows ``queue:`` in the key of a priority list; the default queue has no name."""
    return f"{queue}:{priority.label}" if queue else priority.label


def split_list_name(name: str) -> tuple[str | None, TaskPriority]:
    """Return queue name and priority of a list; the inverse of ``list_name``."""
    queue, _, label = name.rpartition(":")
    return queue or None, TaskPriority.parse(label)


def lists_of(queue: str | None) -> list[str]:
    """Return the four list names of a queue, urgent first."""
    return [list_name(queue, priority) for priority in PRIORITIES]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one namespace.

    Args:
        prefix: name of the namespace, ``agent_queue`` by default.
        hash_tag: whether the prefix is written as a hash tag, so that a cluster keeps the namespace in one slot.
    """

    prefix: str
    hash_tag: bool = False

    def __post_init__(self) -> None:
        if not _PREFIX.match(self.prefix):
            raise SettingsError(
                f"prefix {self.prefix!r} cannot be used: 1 to 128 letters, digits, '_', '-', '.' or ':' "
                "(braces are added where a cluster needs them)"
            )

    @property
    def root(self) -> str:
        """What every key begins with, the colon included."""
        return f"{{{self.prefix}}}:" if self.hash_tag else f"{self.prefix}:"

    def key(self, family: str, name: str = "") -> str:
        """Return the key of a family, with the id or name that follows it."""
        return f"{self.root}{FAMILIES[family]}{name}"

"""The whole state of a namespace, so that a test can say exactly what a call has changed.

Times are multiples of ten seconds and are shown relative to the beginning of the test (``t+60``), so a slow machine
does not change them; fences lose their number (``#.token.seq``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import redis

from taskq.model.moment import iso_utc
from taskq.protocol.audit import audit
from taskq.protocol.channels import takeover
from taskq.protocol.keys import Keys, list_name, lists_of
from taskq.protocol.operation import Operation
from taskq.protocol.operations import CrashLimits, LeaseTimes, Protocol, load_scripts
from taskq.protocol.replies import Claim, Settlement, TurnReply
from taskq.protocol.submits import Submission
from taskq.protocol.view import KINDS, Entry, read_dump
from taskq.protocol.walks import Walk, follow
from taskq.settings import Settings
from taskq.states import TaskPriority
from taskq.transport.blocking import Transport
from taskq.transport.endpoint import Endpoint
from tests.waiting import eventually

T = TypeVar("T")
State = dict[str, Any]

PERIOD_MS, LEASE_MS = 10_000, 60_000
TIMES = LeaseTimes(LEASE_MS, PERIOD_MS)
TTL_MS, DEAD_TTL_MS = 100_000, 200_000
LIMITS = CrashLimits(3, DEAD_TTL_MS)
LISTS = lists_of(None)
UUID = "namespace-uuid"

_SCRIPTS = load_scripts("shifted_clock")
_UNIT_MS = 10_000
_TIME_FIELDS = frozenset(
    {"started", "ended", "beat", "created", "lease_tick", "rolled_back", "stamp", "due", "wakes", "queued", "@looked"}
)
_TIME_ZSETS = frozenset({"scheduled", "leases", "retention", "dead", "sagas", "jams"})


def task(
    task_id: str,
    priority: str = "normal",
    *,
    queue: str | None = None,
    due: str = "0",
    unique: str = "",
    ordering: str = "",
    limits: str = "",
    group: str = "",
    body: str | None = None,
) -> Submission:
    """Return a task to submit; of its body scripts read no more than the head, and that for limits and groups alone."""
    list_key = list_name(queue, TaskPriority.parse(priority))
    if limits or group:
        body = envelope(task_id, "custom", limits, group)
    return Submission(task_id, body or f"body of {task_id}", list_key, due, unique, ordering, "", group)


def envelope(task_id: str, kind: str, limits: str = "", group: str = "") -> str:
    """Return an envelope by its head."""
    head = f'{{"id":"{task_id}","type":"{kind}","created_at":"2026-01-01T00:00:00.000Z",'
    keys = ",".join(f'"{key}"' for key in limits.split())
    head += f'"limit_keys":[{keys}],' if keys else ""
    return head + (f'"group_key":"{group}",' if group else "") + '"checksum":"x","payload":1}'


def created(bench: Bench, task_id: str, seconds: float, priority: str = "normal", **options: Any) -> Submission:
    """Return a task that was created some seconds from now, in the past if negative."""
    moment = iso_utc(int(bench.now_ms() + seconds * 1000))
    return task(task_id, priority, body=f'{{"id":"{task_id}","type":"x","created_at":"{moment}"}}', **options)


def settle(claim: Claim, outcome: str = "complete", body: str | None = None, number: int = TTL_MS) -> Settlement:
    """Return how the attempt of a claim ended."""
    words = f"result of {claim.task_id}" if body is None else body
    return Settlement(claim.task_id, claim.fence, outcome, words, number)


class Bench:
    """A namespace with a clock that the test moves; each call is followed by an audit."""

    def __init__(self, url: str, prefix: str, client: redis.Redis) -> None:
        settings = Settings(redis_url=url, prefix=prefix, call_timeout_seconds=5.0)
        self.prefix = prefix
        self.client = client
        self.protocol = Protocol(Keys(prefix), _SCRIPTS)
        self.transport = Transport(Endpoint(url, settings), settings)
        self.all_hints_kept = True
        self.audited = True
        self._seqs: dict[str, int] = {}
        # two seconds into a slot of the retention index, so that the slot of an end does not depend on the moment
        real_ms = self._real_ms()
        self._shift_ms = (2_000 - real_ms) % _UNIT_MS
        self._start_ms = real_ms + self._shift_ms
        self._set_shift()

    def close(self) -> None:
        self.transport.close()

    # -- time --

    def _real_ms(self) -> int:
        seconds, microseconds = self.client.time()
        return seconds * 1000 + microseconds // 1000

    def _set_shift(self) -> None:
        self.client.hset(self.key("meta"), "test_clock_shift_ms", self._shift_ms)

    def now_ms(self) -> int:
        """Return the time that the scripts see."""
        return self._real_ms() + self._shift_ms

    def move_clock(self, seconds: float) -> None:
        """Step the server's clock, and with it the end of every key that expires."""
        shift_ms = round(seconds * 1000)
        self._shift_ms += shift_ms
        self._set_shift()
        keys = self.client.keys(f"{self.protocol.keys.root}*")
        with self.client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.pexpiretime(key)
            # by the moment, not by what is left: keys that end together still do
            for key, end_ms in zip(keys, pipeline.execute(), strict=True):
                if end_ms >= 0:
                    pipeline.pexpireat(key, max(1, end_ms - shift_ms))
            pipeline.execute()

    def at(self, seconds: float) -> str:
        """Return a due time, in seconds after the beginning of the test."""
        return str(self._start_ms + round(seconds * 1000))

    def wipe(self) -> None:
        """Delete every key and begin anew."""
        self.client.delete(*self.client.keys(f"{self.protocol.keys.root}*"))
        self._seqs.clear()
        self._set_shift()

    # -- calls --

    def run(self, operation: Operation[T]) -> T:
        """Run an operation and check the invariants."""
        reply = self.transport.run(operation)
        self.check()
        return reply

    def walk(self, walk: Walk[T]) -> T:
        """Run what comes in pages, and return all of it."""
        return follow(self.run, walk)

    def act(self, operation: Operation[T]) -> tuple[T, State]:
        """Run an operation; return its reply and what it has changed."""
        before = self.state()
        reply = self.run(operation)
        return reply, changes(before, self.state())

    def check(self) -> None:
        """Assert that all invariants hold, unless the test has damaged them itself."""
        if not self.audited:
            return
        findings = audit(self.transport.run(self.protocol.snapshot()), LEASE_MS, all_hints_kept=self.all_hints_kept)
        assert not findings, "\n".join(findings)

    def key(self, family: str, name: str = "") -> str:
        return self.protocol.keys.key(family, name)

    def submit(self, *tasks: Submission, max_length: int = 0) -> tuple[str, ...]:
        """Store tasks; short for the operation."""
        return self.run(self.protocol.submit(tasks, max_length)).ids

    def submit_ids(self, *ids: str, priority: str = "normal") -> None:
        """Store tasks by their ids alone."""
        self.submit(*(task(i, priority) for i in ids))

    def submit_unchecked(self, *ids: str) -> None:
        """Store tasks in a namespace that a foreign hand has damaged."""
        self.transport.run(self.protocol.submit([task(i) for i in ids], 0))

    def register(self, *workers: str) -> None:
        """Make workers known, the token of ``w`` is ``tok-w``."""
        for worker in workers:
            registered, _, _ = self.run(self.protocol.register(worker, f"tok-{worker}", TIMES, UUID, {"host": "h"}))
            assert registered

    def expire(self, *ids: str) -> None:
        """Let the keys of ended tasks expire now."""
        for task_id in ids:
            for family in ("task", "state", "result"):
                self.client.pexpire(self.key(family, task_id), 0)
        self.check()

    def turn_op(
        self, worker: str, want: int = 0, settles: Sequence[Settlement] = (), lists: Sequence[str] = LISTS
    ) -> Operation[TurnReply]:
        """Return the next turn of a worker."""
        seq = self._seqs[worker] = self._seqs.get(worker, 0) + 1
        return self.protocol.turn(worker, f"tok-{worker}", seq, want, lists, settles)

    def takeover_op(self, worker: str, idle_ms: int, claims: Sequence[Claim]) -> Operation[TurnReply]:
        """Return the call with which a worker takes over what others have claimed; it has the number of a turn."""
        seq = self._seqs[worker] = self._seqs.get(worker, 0) + 1
        held = [(claim.task_id, claim.fence) for claim in claims]
        return takeover(self.protocol, worker, f"tok-{worker}", seq, idle_ms, held)

    def claim(self, worker: str, want: int = 10, lists: Sequence[str] = LISTS) -> tuple[Claim, ...]:
        """Take a turn that only claims."""
        return self.run(self.turn_op(worker, want, (), lists)).claims

    def end(self, worker: str, *settles: Settlement) -> TurnReply:
        """Take a turn that only settles."""
        return self.run(self.turn_op(worker, 0, settles))

    def claim_one(self, task_id: str, worker: str = "w1") -> Claim:
        """Submit a task, register the worker if need be, and let it claim the task."""
        if worker not in self._seqs:
            self.register(worker)
        self.submit_ids(task_id)
        (claim,) = self.claim(worker, 1)
        assert claim.task_id == task_id
        return claim

    def forget(self, worker: str) -> None:
        """Number the turns of a worker anew: it is gone, and comes again."""
        self._seqs.pop(worker, None)

    def evict(self, worker: str, charge: bool = False) -> tuple[int, int, bool]:
        """Take everything away from a worker."""
        self.forget(worker)
        return self.run(self.protocol.evict(worker, charge, 100, LIMITS))

    def make_suspect(self, *ids: str) -> None:
        """Submit tasks of high priority that are running while two workers die."""
        self.submit_ids(*ids, priority="high")
        for crashes in range(2):
            for n in range(len(ids)):
                worker = f"dying{crashes}-{n}"
                self.register(worker)
                assert len(self.claim(worker, 1, ["high"])) == 1
            for n in reversed(range(len(ids))):
                self.evict(f"dying{crashes}-{n}", charge=True)

    def wait_until_gone(self, *keys: str) -> None:
        """Wait until keys have expired."""
        eventually(lambda: not self.client.exists(*(self.protocol.keys.root + key for key in keys)), what="the expiry")

    # -- the state --

    def entries(self) -> dict[str, Entry]:
        """Return every key as it is."""
        _, dump = self.transport.run(self.protocol.snapshot())
        assert dump is not None
        return read_dump(dump)

    def state(self) -> State:
        """Return the whole state, times and fences made comparable; ``<key> ttl`` says when a key expires."""
        state: State = {}
        for key, entry in self.entries().items():
            family, _, slot = key.partition(":")
            name = f"retained:{self._moment(slot)}" if family == "retained" else key
            state[name] = self._content(name, entry)
            if entry.ttl_ms >= 0:
                state[f"{name} ttl"] = f"{round(entry.ttl_ms / _UNIT_MS) * 10}s"
        return state

    def raw_key(self, name: str) -> str:
        """Return the full name of a key that ``state`` shows; the moment in it is the end of a slot."""
        slot = re.fullmatch(r"retained:t\+(\d+)", name)
        if slot:
            name = f"retained:{self._start_ms + int(slot[1]) * 1000 - 2_000}"
        return self.protocol.keys.root + name

    def _moment(self, ms: str | float) -> str:
        return f"t+{round((float(ms) - self._start_ms) / _UNIT_MS) * 10}"

    def _content(self, name: str, entry: Entry) -> Any:
        content = entry.content
        if name in _TIME_ZSETS and entry.kind == "zset":
            moments = {member: self._moment(score) for member, score in content.items()}
            return {self._moment(m): v for m, v in moments.items()} if name == "retention" else moments
        family = name.partition(":")[0]
        if name == "permits" and entry.kind == "hash":
            # the one that makes looking for the others quick
            return {key: count for key, count in content.items() if key != "@"}
        if KINDS.get(family) == entry.kind and family in (
            "rate",
            "starts",
            "blocked",
            "limits",
            "faults",
            "tallies",
            "gates",
            "sidings",
        ):
            return self._of_limits(family, content)
        if entry.kind == "string":
            return _without_time(content)
        if name == "history":  # the minute, and the age of what waits
            return [re.sub(r"^\d+", "#", item) for item in content]
        if entry.kind == "list":
            return [_without_time(item) for item in content]
        if entry.kind != "hash":
            return content
        if name == "running":
            return {task_id: self._record(record) for task_id, record in content.items()}
        if name.startswith("gathered:"):
            return {task_id: _without_time(result) for task_id, result in content.items()}
        fields = {k: self._field(k, v) for k, v in content.items() if k != "test_clock_shift_ms"}
        if name == "counters":
            fields = {k: int(v) for k, v in fields.items()}
        if name == "meta" and "fence" in fields:
            fields["fence"] = "#"
        return fields

    def _of_limits(self, family: str, content: Any) -> Any:
        """Return starts as moments, the blocked in their order, limits without the time at which they were set."""
        if family == "rate":
            return self._moment(content)
        if family == "gates":
            return {key: re.sub(r"\d{13}", lambda found: self._moment(found[0]), gate) for key, gate in content.items()}
        if family in ("starts", "faults"):
            return [self._moment(start) for start in content]
        if family == "tallies":  # the tenths in their order
            return [(field[:1] == "!", int(count)) for field, count in sorted(content.items())]
        if family == "sidings":  # without the moment of the last pass
            return {siding: text.partition(" ")[2] for siding, text in content.items()}
        if family == "blocked":
            return sorted(content, key=content.get)
        return {limit: text.rpartition(" ")[0] for limit, text in content.items()}

    def _record(self, record: str) -> str:
        fence, worker, task_list, attempt, started, *rest = record.split(" ")
        return " ".join([self._field("fence", fence), worker, task_list, attempt, self._moment(started), *rest])

    def _field(self, field: str, value: str) -> str:
        if field in _TIME_FIELDS:
            return self._moment(value)
        if field.endswith((" age", " start")):
            return self._moment(value)
        if field == "since":
            return "#"
        if field == "lease_credit":
            return f"{round(int(value) / _UNIT_MS) * 10}s"
        return re.sub(r"^\d+(?=\.)", "#", value) if field == "fence" else re.sub(r"^(\d+\|)\d+(?=\|)", r"\1#", value)


def _without_time(text: str) -> str:
    """Hide the time in a result that a script has written; other results are made up by the test."""
    return re.sub(r'"completed_at":"20[^"]{21}Z"', '"completed_at":"..."', text)


def changes(before: State, after: State) -> dict[str, Any]:
    """Return what differs, by key.

    A list and a string are shown as they are afterwards (None: gone), a set as its ``+`` and ``-`` members, a hash or
    a sorted set as the fields that differ (None: gone).
    """
    found: dict[str, Any] = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        sample = new if new is not None else old
        if isinstance(sample, set):
            old, new = old or set(), new or set()
            found[key] = sorted([f"-{i}" for i in old - new] + [f"+{i}" for i in new - old])
        elif isinstance(sample, dict):
            old, new = old or {}, new or {}
            found[key] = {f: new.get(f) for f in old.keys() | new.keys() if old.get(f) != new.get(f)}
        else:
            found[key] = new
    return found

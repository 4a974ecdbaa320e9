"""The operations that check a namespace and mend it; see ``taskq fsck``. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from taskq.protocol.integrity import Facts, Member, as_name, as_sent, parse_facts, parse_members, parse_names
from taskq.protocol.operation import Argument, Operation
from taskq.protocol.replies import texts


class LeaseTimes(NamedTuple):
    """How long a lease lasts, and the time between two beats, in ms."""

    lease_ms: int
    period_ms: int


class ScalesPage(NamedTuple):
    """A page of what is weighed: the bytes by queue, and what is wrong by id."""

    cursor: str
    sums: dict[str, int]
    wrong: dict[str, str]
    looked_at: int


class Checks:
    """The part of ``Protocol`` that looks after the invariants."""

    _root: str

    def _build(self, name: str, args: Iterable[Argument], parse: Callable[[Any], Any]) -> Operation[Any]:
        raise NotImplementedError

    def snapshot(self, limit: int = 100_000) -> Operation[tuple[int, list[Any] | None]]:
        """Return server time in ms and the content of every key, None if there are more than ``limit``."""
        return self._build(
            "snapshot", (self._pattern(), limit), lambda reply: (reply[0], reply[1] if len(reply) > 1 else None)
        )

    def _of_names(self, script: str, args: Iterable[str | int], parse: Callable[[Any], Any]) -> Operation[Any]:
        return self._build(script, (as_sent(arg) if isinstance(arg, str) else arg for arg in args), parse)

    def _pattern(self) -> str:
        return "".join(f"\\{char}" if char in "[]*?^\\" else char for char in self._root) + "*"

    def check(
        self, source: str, name: str = "", cursor: str = "0", count: int = 100, ids: Sequence[str] = ()
    ) -> Operation[tuple[str, list[Facts]]]:
        """Return the next cursor ("0": the end) and what is known of a page of ids; sources: see ``check.lua``."""
        return self._of_names("check", (source, name, cursor, count, *ids), parse_facts)

    def entries(self, list_name: str, cursor: str, count: int) -> Operation[tuple[str, list[Member]]]:
        """Return the next cursor and a page of a priority list, from its tail."""
        return self._of_names("check", ("list", list_name, cursor, count), parse_members)

    def lineup(self, list_name: str, keys: Sequence[str]) -> Operation[tuple[str, list[tuple[str, int]]]]:
        """Return how a list stands, in words, and of each of some groups in it the first id, or "", and the size."""
        return self._of_names(
            "lineup",
            (list_name, *keys),
            lambda reply: (_word(reply[0]), list(zip(*[iter(map(_word, reply[1]))] * 2, strict=True))),
        )

    def strangers(self, ids: Sequence[str]) -> Operation[tuple[str, list[str]]]:
        """Return "0" and those of some ids that no status set has."""
        return self._of_names("check", ("strangers", "", "0", 0, *ids), parse_names)

    def names(
        self, source: str, name: str = "", cursor: str = "0", count: int = 250
    ) -> Operation[tuple[str, list[str]]]:
        """Return the next cursor and a page of names: retained ids, slots of retention, workers, leases, slots."""
        return self._of_names("check", (source, name, cursor, count), parse_names)

    def told(self, family: str, ids: Sequence[str], most_bytes: int) -> Operation[tuple[str, list[str]]]:
        """Return "0" and for some children what their family was told: see ``check.lua`` on ``gathered``."""
        return self._of_names("check", ("gathered", family, "0", most_bytes, *ids), parse_names)

    def survey(self, cursor: str, count: int = 100) -> Operation[tuple[str, list[tuple[str, str, int]]]]:
        """Return the next cursor and some keys: name without the root, type, and ms to live or -1."""
        return self._build(
            "survey",
            (cursor, self._pattern(), count),
            lambda reply: (_word(reply[0]), list(zip(*[iter(map(_word, reply[1]))] * 3, strict=True))),
        )

    def indexes(self, times: LeaseTimes, source: str, names: Sequence[str]) -> Operation[tuple[str, ...]]:
        """Return for each worker, unique key, ... what is wrong with it; empty: nothing."""
        return self._of_names("indexes", (times.lease_ms, source, *names), texts)

    def miscounts(self, keys: Sequence[str]) -> Operation[tuple[str, list[str]]]:
        """Return "0" and for each key of a limit what is wrong with the number of its permits; empty: nothing."""
        return self._of_names("check", ("miscounts", "", "0", 0, *keys), parse_names)

    def scales(self, source: str, cursor: str, count: int = 100) -> Operation[ScalesPage]:
        """Return a page of what is weighed, of what waits, or of what is said of each queue; see ``scales.lua``."""
        return self._of_names("scales", (source, cursor, count), _parse_scales)

    def mend(
        self, task_id: str, list_name: str, ttl_ms: int, holders: Sequence[str] = ()
    ) -> Operation[tuple[str, ...]]:
        """Put a task right; return what was done."""
        return self._of_names("mend", (task_id, list_name, ttl_ms, *holders), texts)

    def mend_place(self, verb: str, name: str, detail: str, lease_ms: int) -> Operation[tuple[str, ...]]:
        """Put right what stands beside the tasks, or in how many places one stands; return what was done."""
        return self._of_names("mend_place", (verb, name, detail, lease_ms), texts)

    def mend_expiry(self, family: str, name: str, ttl_ms: int) -> Operation[tuple[str, ...]]:
        """Make a key expire that must, or not expire that must not; return what was done."""
        return self._of_names("mend_expiry", (family, name, ttl_ms), texts)

    def notice(self, nonce: str, number: int) -> Operation[int]:
        """Count violations that were found in passing, once per nonce."""
        return self._build("notice", (nonce, number), int)


def _parse_scales(reply: list[Any]) -> ScalesPage:
    cursor, sums, wrong, looked_at = reply
    by_queue = {as_name(queue): number for queue, number in zip(sums[::2], sums[1::2], strict=True)}
    return ScalesPage(cursor.decode(), by_queue, dict(zip(*[iter(map(as_name, wrong))] * 2, strict=True)), looked_at)


def _word(value: Any) -> Any:
    return as_name(value) if isinstance(value, bytes) else value

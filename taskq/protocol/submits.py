"""What a submit sends and is answered. No I/O here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from taskq.errors import ProtocolError
from taskq.protocol.operation import Argument

# due time and keys of a task that may start now
_PLAIN = ("0", "", "", "", "")


class Submission(NamedTuple):
    """One task on its way in; due is ms since the epoch as text, "+500": 500 ms from now, "0": now. No key is empty.

    ``rules`` is what else is said of the unique key, see ``taskq.model.uniqueness``.
    """

    task_id: str
    envelope: str
    list_name: str
    due: str
    unique_key: str
    ordering_key: str = ""
    rules: str = ""
    group_key: str = ""


def without_keys(task_id: str, envelope: str, list_name: str, due: str) -> Submission:
    """Return the submission of a task without keys, for half the price of ``Submission(...)``."""
    return tuple.__new__(Submission, (task_id, envelope, list_name, due, "", "", "", ""))


def may_start(tasks: Sequence[Submission]) -> bool:
    """Return whether all of some tasks may start now."""
    _, _, _, *others = zip(*tasks, strict=True)
    return _nothing(*others)


def _nothing(
    dues: Sequence[str],
    unique_keys: Sequence[str],
    ordering_keys: Sequence[str],
    _: Sequence[str],
    groups: Sequence[str],
) -> bool:
    """Return whether there is no due time, and no key; where there is none there are no rules."""
    return not any(unique_keys) and not any(ordering_keys) and not any(groups) and set(dues) == {"0"}


DENIED = "denied"


class Bounded(NamedTuple):
    """The limit of a queue that is reached.

    Attributes:
        queue: its name.
        held: how much its lists hold.
        most: how much they may hold.
        on_full: what to do; ``DENIED``: the caller may not shed.
        wait_ms: how long ``block`` waits.
        unit: what is counted, ``tasks`` or ``bytes``.
        comes: how much more was to come.
    """

    queue: str
    held: int
    most: int
    on_full: str
    wait_ms: int
    unit: str
    comes: int

    @property
    def never_fits(self) -> bool:
        """Whether it is more than an empty queue may hold."""
        return self.comes > self.most


class SubmitReply(NamedTuple):
    """The answer to a submit.

    Attributes:
        ids: per task the id under which it is stored, which is another one's if that one holds the unique key.
        conflicts: positions of tasks whose id holds another body; nothing was stored.
        full: the list that is full and its length; nothing was stored.
        crowded: the ordering key of which there are as many tasks as there may be, and how many; nothing was stored.
        bounded: the limit of a queue that is reached; nothing was stored.
        duplicate: position of a task whose unique key must not be held, and the id of who holds it; nothing was stored.
        buried: an id whose tombstone stands somewhere else; nothing was stored.
    """

    ids: tuple[str, ...]
    conflicts: tuple[int, ...] = ()
    full: tuple[str, int] | None = None
    crowded: tuple[str, int] | None = None
    duplicate: tuple[int, str] | None = None
    bounded: Bounded | None = None
    buried: str | None = None


def submit_words(tasks: Sequence[Submission]) -> tuple[int, int, list[Argument], Sequence[int]]:
    """Return the number of groups, of other tasks, the words for them, and where each stands in ``tasks``.

    Groups come before others, so tasks that differ travel as others, all of them: they keep their order in each list.
    """
    if not tasks:
        return 0, 0, [], []
    if len(tasks) == 1 and tasks[0][3:] == _PLAIN:  # for half the price
        return 1, 0, [tasks[0][2], 1, *tasks[0][:2]], [0]
    ids, envelopes, lists, *others = zip(*tasks, strict=True)
    if not _nothing(*others):
        return 0, len(tasks), [word for task in tasks for word in task], range(len(tasks))
    if len(set(lists)) == 1:  # nearly always
        words: list[Argument] = [lists[0], len(tasks), *ids, *envelopes]
        words[2::2], words[3::2] = ids, envelopes
        return 1, 0, words, range(len(tasks))
    groups: dict[str, list[Argument]] = {}
    orders: dict[str, list[int]] = {}
    for index, (task_id, envelope, list_name, *_) in enumerate(tasks):
        if list_name not in groups:
            groups[list_name], orders[list_name] = [], []
        groups[list_name] += (task_id, envelope)
        orders[list_name].append(index)
    words = []
    for list_name, members in groups.items():
        words += (list_name, len(members) // 2, *members)
    return len(groups), 0, words, [index for order in orders.values() for index in order]


def parse_submit(tasks: Sequence[Submission], order: Sequence[int], reply: list[Any]) -> SubmitReply:
    """Return what a submit answered; ``order`` is where each of the tasks that were sent stands in ``tasks``."""
    code, detail = reply
    if code == 1 and not detail:
        return SubmitReply(tuple([task[0] for task in tasks]))
    if code == -1:
        return SubmitReply((), conflicts=tuple(sorted(order[index - 1] for index in detail)))
    if code == -2:
        return SubmitReply((), full=(detail[0].decode(), detail[1]))
    if code == -3:
        return SubmitReply((), crowded=(detail[0].decode(), detail[1]))
    if code == -4:
        return SubmitReply((), duplicate=(order[detail[0] - 1], detail[1].decode()))
    if code == -5:
        queue, held, most, on_full, wait_ms, unit, comes = detail
        return SubmitReply(
            (), bounded=Bounded(queue.decode(), held, most, on_full.decode(), wait_ms, unit.decode(), comes)
        )
    if code == -6:
        return SubmitReply((), buried=detail.decode())
    if code != 1:
        raise ProtocolError(f"submit answered {reply!r}")
    ids = [task.task_id for task in tasks]
    for index, item in zip(order, detail, strict=False):
        if not isinstance(item, int):
            ids[index] = item.decode()
    return SubmitReply(tuple(ids))

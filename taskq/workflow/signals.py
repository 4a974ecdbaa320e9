"""Signals: what a task is told while it waits, or before; written once for both clients and for handlers."""

from __future__ import annotations

from typing import Any, NamedTuple

from taskq.errors import InvalidTask, PayloadTooLarge, TaskNotFound
from taskq.flows import Context, Flow
from taskq.model.codec import decode, encode
from taskq.model.crypto import hide, reveal
from taskq.model.names import check_name
from taskq.protocol.workflow import Hearing

MOST_SIGNALS = 64
MAX_SIGNAL_BYTES = 65_536
# for whoever waits for any signal; users cannot make up such a name
ABORT = "@abort"


class Heard(NamedTuple):
    """What has become of a wait.

    Attributes:
        told: whether the signal was sent.
        data: what was said with it.
        late: the numbers of the waits of the task that ran out of time.
    """

    told: bool
    data: Any
    late: frozenset[str]


def send(context: Context, task_id: str, name: str, data: Any) -> Flow[str]:
    """Tell a task something; return what became of it."""
    check_name(name, "signal name")
    return (yield from tell(context, check_name(task_id, "task id"), name, data))


def tell(context: Context, task_id: str, name: str, data: Any = None) -> Flow[str]:
    """Tell a task something under any name."""
    text = encode(data, "data of a signal")
    if len(text.encode()) > MAX_SIGNAL_BYTES:
        raise PayloadTooLarge(
            f"the data of the signal is {len(text.encode()):,} bytes, more than the {MAX_SIGNAL_BYTES:,} allowed: "
            "store it elsewhere and send a reference"
        )
    found: str = yield context.protocol.signal(
        task_id, name, hide(context.seal, text, "signal", task_id, name), MOST_SIGNALS
    )
    if found == "missing":
        raise TaskNotFound(
            f"there is no task {task_id}: it never existed under this prefix, or it ended and its retention is over "
            "(TASKQ_RESULT_TTL)"
        )
    if found == "full":
        raise InvalidTask(
            f"task {task_id} has been sent {MOST_SIGNALS} signals of other names and keeps no more: say more with "
            "fewer, or make a task of each"
        )
    return found


def hear(context: Context, task_id: str, name: str) -> Flow[Heard]:
    """Return what a task was told under a name.

    Raises:
        CannotDecrypt, CorruptTask: if it cannot be read.
    """
    heard: Hearing = yield context.protocol.hear(task_id, name)
    if heard.data is None:
        return Heard(False, None, heard.late)
    text = reveal(context.seal, heard.data.decode("utf-8", "replace"), "signal", task_id, name)
    return Heard(True, decode(text, "data of a signal"), heard.late)

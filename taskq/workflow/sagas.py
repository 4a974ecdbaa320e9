"""Sagas: how far one has come, as it is noted with its task, and what an operator sees and does of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from taskq import dead, flows
from taskq.errors import CorruptTask, InvalidTask, NameNotFound
from taskq.flows import MOST_LOOKED_AT, MOST_ON_A_PAGE, PAGE, Context, Flow
from taskq.model.checkpoint import Checkpoint
from taskq.model.envelope import outline
from taskq.model.names import check_name
from taskq.model.views import status_dict
from taskq.partitions import Spread
from taskq.protocol.replies import Inspection
from taskq.protocol.workflow import Hearing
from taskq.states import TaskStatus
from taskq.workflow import checkpoints, signals
from taskq.workflow.signals import ABORT

ABORTED = "aborted by an operator"


class SagaState(StrEnum):
    """Where a saga is: going forward, going back, at one of its ends, or in need of an operator."""

    RUNNING = "running"
    COMPENSATING = "compensating"
    COMPLETED = "completed"
    COMPENSATED = "compensated"
    STUCK = "stuck"


@dataclass(slots=True)
class Record:
    """What a saga knows when it goes on: the truth about it, replaced as a whole by each step.

    Attributes:
        steps: names of all steps, in order.
        state: forward, back, or over.
        done: names of the steps that have been done, in order.
        results: what each of them has returned.
        left: going back, how many of them are still to be undone, the last one first.
        tries: how often the current step, or its compensation, has failed.
        trouble: how it has failed last.
        error: why the saga has turned round.
        fanouts, waits: how many calls of ``ctx.fanout`` and ``ctx.wait_for`` belong to what is done.
    """

    steps: list[str]
    state: SagaState = SagaState.RUNNING
    done: list[str] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    left: int = 0
    tries: int = 0
    trouble: str = ""
    error: str = ""
    fanouts: int = 0
    waits: int = 0

    @property
    def step(self) -> str:
        """The step that is done or undone now; empty: none is."""
        if self.state is SagaState.RUNNING:
            return self.steps[len(self.done)] if len(self.done) < len(self.steps) else ""
        return self.done[self.left - 1] if self.left else ""

    @property
    def words(self) -> str:
        """What the state of the task says of it."""
        return f"{self.state} {self.step}".rstrip()

    def turn_round(self, why: str) -> None:
        """Go back from here."""
        self.left, self.error, self.tries, self.trouble = len(self.done), why, 0, ""
        self.state = SagaState.COMPENSATING if self.done else SagaState.COMPENSATED

    def undone(self) -> None:
        """Take note that the current step is compensated, or need not be."""
        self.left -= 1
        self.tries, self.trouble = 0, ""
        self.state = SagaState.COMPENSATING if self.left > 0 else SagaState.COMPENSATED

    def unstick(self, skip: bool = False) -> None:
        """Try what it is stuck at anew, or take it for undone."""
        self.tries = 0
        if self.state is SagaState.STUCK:
            self.state = SagaState.COMPENSATING
        if skip:
            self.undone()

    def checkpoint(self) -> Checkpoint:
        """Return it as it is noted with the task; what the step itself has noted is over with the step."""
        return Checkpoint(saga=asdict(self))


def read_record(checkpoint: Checkpoint, task_id: str) -> Record | None:
    """Return the record of a saga, None if the task has none.

    Raises:
        CorruptTask: if it is none of ours.
    """
    if checkpoint.saga is None:
        return None
    try:
        record = Record(**checkpoint.saga)
        record.state = SagaState(record.state)
        if not 0 <= record.left <= len(record.done) or not record.steps:
            raise ValueError("its steps do not fit together")
    except (TypeError, ValueError) as error:
        raise CorruptTask(
            f"the stored record of the saga {task_id} cannot be used ({error!s:.100}): something else than taskq has "
            "written it"
        ) from None
    return record


@dataclass(frozen=True, slots=True)
class SagaInfo:
    """One saga.

    Attributes:
        task_id: of its task.
        name: of the saga, which is the type of its task.
        state: ``running``, ``compensating``, ``completed``, ``compensated`` or ``stuck``.
        step: the step that is done or undone now, or at which it is stuck; empty: none is.
        status: of its task.
        created_at: when it was submitted, ISO 8601, UTC.
        error: why it has turned round, or is stuck.
        steps: per step its name and ``done``, ``undone``, ``open`` or ``stuck``; empty in a list of sagas.
        results: what the steps have returned; empty in a list of sagas.
        tries: how often the current step, or its compensation, has failed.
    """

    task_id: str
    name: str
    state: str
    step: str
    status: str
    created_at: str
    error: str = ""
    steps: tuple[tuple[str, str], ...] = ()
    results: dict[str, Any] = field(default_factory=dict)
    tries: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the saga as a dict that JSON can say."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SagaPage:
    """A page of sagas.

    Attributes:
        sagas: those that began last first; of one partition after the other.
        cursor: for the next page; empty: this was the last one.
        looked_at: how many sagas were read for it.
    """

    sagas: tuple[SagaInfo, ...]
    cursor: str
    looked_at: int

    def to_dict(self) -> dict[str, Any]:
        """Return the page as a dict that JSON can say."""
        return asdict(self)


_CURSOR = re.compile(r"(\d{1,6})~(\d{1,15})\Z")


def find_sagas(spread: Spread[Any], state: str | None, cursor: str, limit: int) -> Flow[SagaPage]:
    """Return a page of sagas, after a look at ``MOST_LOOKED_AT`` of them or a few more."""
    _check_state(state)
    at = _CURSOR.match(cursor)
    if cursor and not at:
        raise InvalidTask(f"{cursor!r:.80} is no cursor: use the one that came with the page before, or none")
    partition, inner = (int(at[1]), at[2]) if at else (spread.indices.start, "0")
    most = max(1, min(limit, MOST_ON_A_PAGE))
    found: list[SagaInfo] = []
    looked_at = 0
    for index in range(max(partition, spread.indices.start), spread.indices.stop):
        context, more = spread.context(index), True
        while more:
            if len(found) >= most or looked_at >= MOST_LOOKED_AT:
                return SagaPage(tuple(found), f"{index}~{inner}", looked_at)
            inner, ids = yield context.protocol.ids("sagas", inner, min(PAGE, most - len(found)))
            looked_at += len(ids)
            page = yield from _page(context, ids)
            found += [info for info in page if state in (None, info.state)]
            more = inner != "0"
    return SagaPage(tuple(found), "", looked_at)


def _check_state(state: str | None) -> None:
    if state is not None and state not in list(SagaState):
        raise InvalidTask(f"unknown state {state!r:.60} of a saga: use one of {', '.join(SagaState)}")


def list_sagas(contexts: Sequence[Context], limit: int, state: str | None = None) -> Flow[list[SagaInfo]]:
    """Return the sagas that have begun last, in a state if one is given."""
    _check_state(state)
    found: list[SagaInfo] = []
    for context in contexts:
        part: list[SagaInfo] = []
        cursor = "0"
        while len(part) < limit:
            cursor, ids = yield context.protocol.ids("sagas", cursor, PAGE)
            page = yield from _page(context, ids)
            part += [info for info in page if state in (None, info.state)][: limit - len(part)]
            if cursor == "0":
                break
        found += part
    found.sort(key=lambda info: info.created_at, reverse=True)
    return found[:limit]


def _page(context: Context, ids: Sequence[str]) -> Flow[list[SagaInfo]]:
    found: list[Inspection] = (yield context.protocol.inspect(ids)) if ids else []
    page = []
    for task_id, item in zip(ids, found, strict=True):
        if item.envelope is not None:
            words = item.state.get("saga", "")
            if not words and "status" in item.state:  # it was put back into its list, and has said nothing since
                record = read_record((yield from checkpoints.read(context, task_id)), task_id)
                words = record.words if record is not None else ""
            page.append(_info(context, task_id, item, words))
    return page


def _info(context: Context, task_id: str, item: Inspection, words: str) -> SagaInfo:
    task = outline(item.envelope or b"", task_id)
    shown = status_dict(task, item.state, item.result, context.seal)
    noted, _, step = words.partition(" ")
    state = _state(TaskStatus(shown["status"]), noted)
    step = "" if state in (SagaState.COMPLETED, SagaState.COMPENSATED) else step
    error = str(shown["error"] or "")
    return SagaInfo(task_id, task.task_type, state, step, shown["status"], task.created_at, error)


def _state(status: TaskStatus, noted: str) -> SagaState:
    """Return where a saga is, by its task and what it has noted: one that ended on its way needs an operator."""
    if status is TaskStatus.COMPLETED:
        return SagaState.COMPLETED
    if noted == SagaState.COMPENSATED:
        return SagaState.COMPENSATED
    if status.terminal or noted == SagaState.STUCK:
        return SagaState.STUCK
    return SagaState(noted or SagaState.RUNNING)


def get_saga(context: Context, task_id: str) -> Flow[SagaInfo]:
    """Return a saga with all that is known of it."""
    info, _ = yield from _look(context, task_id)
    return info


def _look(context: Context, task_id: str) -> Flow[tuple[SagaInfo, Record | None]]:
    found: list[Inspection] = yield context.protocol.inspect([check_name(task_id, "task id")])
    if found[0].envelope is None:
        raise flows.not_found(task_id)
    heard: Hearing = yield context.protocol.hear(task_id, ABORT)
    record = read_record((yield from checkpoints.read(context, task_id)), task_id)
    if not heard.is_saga:
        raise NameNotFound(f"task {task_id} is no saga, or has not begun yet: `taskq saga ls` lists them")
    info = _info(context, task_id, found[0], record.words if record is not None else "")
    if record is None:  # it has completed, and with that its record is over
        result: dict[str, Any] | None = yield from flows.get_result(context, task_id)
        results = (result or {}).get("result") or {}
        return _with(info, steps=tuple((name, "done") for name in results), results=results), None
    error = record.error or record.trouble or info.error
    if record.trouble and record.error:
        error = f"{record.error}\n{record.trouble}"
    steps = tuple((name, _word(record, info.state, place)) for place, name in enumerate(record.steps))
    return _with(info, error=error, steps=steps, results=record.results, tries=record.tries), record


def _with(info: SagaInfo, **fields: Any) -> SagaInfo:
    return SagaInfo(**{name: getattr(info, name) for name in info.__slots__} | fields)


def _word(record: Record, state: str, place: int) -> str:
    name = record.steps[place]
    if state == SagaState.STUCK and name == record.step:
        return "stuck"
    if name not in record.done:
        return "open"
    backwards = record.state is not SagaState.RUNNING
    return "undone" if backwards and record.done.index(name) >= record.left else "done"


def resume_saga(context: Context, task_id: str, skip: bool) -> Flow[SagaInfo]:
    """Let a stuck saga go on where it is; return it as it is then."""
    info, record = yield from _look(context, task_id)
    if info.state != SagaState.STUCK or record is None:
        raise InvalidTask(f"the saga {task_id} is {info.state}: only a stuck one can be resumed")
    if skip and record.state is SagaState.RUNNING:
        raise InvalidTask(f"the saga {task_id} goes forward: only a compensation can be skipped")
    record.unstick(skip)
    yield from _note(context, task_id, record)
    return (yield from _go_on(context, task_id))


def abort_saga(context: Context, task_id: str) -> Flow[SagaInfo]:
    """Let a saga that goes forward turn round; return it as it is then."""
    info, record = yield from _look(context, task_id)
    if record is None or info.state == SagaState.COMPENSATED:
        raise InvalidTask(f"the saga {task_id} has {info.state}: it cannot be aborted any more")
    if record.state is not SagaState.RUNNING:
        if info.state == SagaState.STUCK:
            raise InvalidTask(
                f"the saga {task_id} is stuck on its way back: resume it, or mend by hand what "
                f"{record.step!r} left behind and resume it with skip"
            )
        return info
    if not TaskStatus(info.status).terminal:
        found = yield from signals.tell(context, task_id, ABORT)
        if found == "told":
            return (yield from get_saga(context, task_id))
        return (yield from abort_saga(context, task_id))  # it has ended since
    record.turn_round(ABORTED)
    yield from _note(context, task_id, record)
    return (yield from _go_on(context, task_id))


def _note(context: Context, task_id: str, record: Record) -> Flow[None]:
    """Replace the record of a saga whose task has ended: nobody runs it."""
    yield from checkpoints.save(context, task_id, record.checkpoint(), None)


def _go_on(context: Context, task_id: str) -> Flow[SagaInfo]:
    yield from dead.replay(context, [task_id])
    return (yield from get_saga(context, task_id))

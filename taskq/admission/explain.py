"""Why a task does what it does: one question, one answer, written once for both clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from taskq.admission.keeping import keeping
from taskq.errors import CorruptTask
from taskq.flows import Context, Flow, ttl_ms
from taskq.model.envelope import from_envelope, outline
from taskq.model.limit import Limit
from taskq.model.moment import iso_utc
from taskq.model.result import headline
from taskq.model.task import Task
from taskq.model.uniqueness import UniquePolicy
from taskq.model.views import out_of, status_dict, whole
from taskq.protocol.keys import list_name, split_list_name
from taskq.protocol.replies import Circumstances, Inspection, WorkerCard
from taskq.protocol.walks import all_cards
from taskq.states import TaskStatus


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a task is where it is.

    Attributes:
        task_id: of the task.
        status: its status; empty if it is not known.
        reason: one word: ``queued``, ``paused``, ``no_worker``, ``unknown_type``, ``corrupt``, ``scheduled``,
            ``parked``, ``retry``, ``limit``, ``circuit``, ``passed``, ``unique``, ``order``, ``children``,
            ``dependencies``, ``signal``, ``waiting``, ``running``, ``dead``, ``completed``, ``cancelled``
            or ``unknown``.
        message: the whole reason, for people.
        details: the numbers and names in it.
    """

    task_id: str
    status: str
    reason: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that JSON can say."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Case:
    """All that is known of a task."""

    task: Task
    status: dict[str, Any]
    state: dict[str, str]
    found: Circumstances
    workers: Sequence[WorkerCard]
    damage: str
    holder: tuple[Task, dict[str, Any]] | None = None

    def because(self, reason: str, message: str, **details: Any) -> Explanation:
        return Explanation(self.task.task_id, self.status["status"], reason, message, details)


def explain(context: Context, task_id: str) -> Flow[Explanation]:
    """Return why a task is where it is."""
    inspected: list[Inspection] = yield context.protocol.inspect([task_id])
    item = inspected[0]
    if item.envelope is None:
        hint = "it never existed under this prefix, or it ended and its retention is over (TASKQ_RESULT_TTL)"
        return Explanation(task_id, "", "unknown", f"there is no task {task_id}: {hint}")
    task = outline(item.envelope, task_id)
    found: Circumstances = yield context.protocol.explain(task, ttl_ms(context))
    _, workers = yield from all_cards(context.protocol)
    damage = ""
    try:
        from_envelope(item.envelope, seal=context.seal)
    except CorruptTask as error:
        damage = str(error)
    status = status_dict(task, item.state, item.result, context.seal)
    behind = item.state.get("behind")
    holder = (yield from _seen(context, behind)) if behind else None
    case = _Case(task, status, item.state, found, workers, damage, holder)
    return _with_key(case, _with_expiry(case, _BY_STATUS[TaskStatus(status["status"])](case)))


def _seen(context: Context, task_id: str) -> Flow[tuple[Task, dict[str, Any]] | None]:
    """Return another task and its status."""
    inspected: list[Inspection] = yield context.protocol.inspect([task_id])
    item = inspected[0]
    if item.envelope is None:
        return None
    task = outline(item.envelope, task_id)
    return task, status_dict(task, item.state, item.result, context.seal)


def _with_key(case: _Case, found: Explanation) -> Explanation:
    """Return an explanation that also says until when the task keeps its unique key from others."""
    held = case.found.held
    kept = keeping(case.task, case.status, held, case.found.now_ms) if held else None
    if held is None or kept is None:
        return found
    message = f"{found.message}; it keeps the unique key {case.task.unique_key} {kept.words}"
    return replace(
        found, message=message, details={**found.details, "key": case.task.unique_key, "key_until": kept.until}
    )


def _with_expiry(case: _Case, found: Explanation) -> Explanation:
    """Return an explanation that also says until when it is worth a start."""
    deadline = case.task.deadline_ms
    if deadline is None or found.status not in _TO_START or case.state.get("begun"):
        return found
    at = iso_utc(deadline)
    if deadline > case.found.now_ms:
        message = f"{found.message}; it expires at {at} if it has not started by then"
    else:
        message = f"{found.message}; it has expired at {at}: the next worker that could start it cancels it"
    return replace(found, message=message, details={**found.details, "expires": at})


def _pending(case: _Case) -> Explanation:
    name = case.state.get("list") or list_name(case.task.queue, case.task.priority)
    if case.damage:
        return case.because("corrupt", f"its next attempt ends as a dead letter: {case.damage}")
    if case.found.all_paused:
        return case.because("paused", "everything is paused: `taskq queue resume --all` lets workers claim again")
    if case.found.paused:
        return case.because(
            "paused", f"the list {name} is paused: `{_resume(name)}` lets workers claim again", list=name
        )
    if gated := _gated(case):
        return gated
    registered = [card for card in case.workers if name in card.card.get("lists", name).split()]
    serving = [card for card in registered if not card.card.get("state")]
    if registered and not serving:
        ids = [card.worker_id for card in registered[:10]]
        return case.because(
            "no_worker",
            f"all workers that serve the list {name} drain or stop: {', '.join(ids)}; `taskq worker resume` lets one "
            "claim again",
            list=name,
            workers=ids,
        )
    if not serving:
        return case.because("no_worker", f"no live worker serves the list {name}: start one", list=name)
    if all("knows" in card.card and not _knows(card, case.task) for card in serving):
        version = f" in version {case.task.version}" if case.task.version != 1 else ""
        return case.because(
            "unknown_type",
            f"none of {len(serving)} live workers of the list {name} knows the type {case.task.task_type}{version}",
            type=case.task.task_type,
            workers=[card.worker_id for card in serving[:10]],
        )
    return _queued(case, name)


def _resume(name: str) -> str:
    queue, priority = split_list_name(name)
    return f"taskq queue resume {queue + ' ' if queue else ''}--priority {priority.label}"


def _gated(case: _Case) -> Explanation | None:
    """Return why no task of its type or its keys may start, None if they may."""
    if case.found.type_paused:
        kind = case.task.task_type
        message = f"the type {kind} is paused: `taskq queue resume --type {kind}` lets it start"
        return case.because("paused", message, type=kind)
    for key, circuit in case.found.circuits.items():
        until = iso_utc(circuit.until_ms) if circuit.until_ms else None
        if until:
            why = "too many of its tasks have failed, or somebody has opened it"
            message = f"the circuit of {key} is open until {until}: {why}"
        else:
            message = (
                f"the circuit of {key} is half-open: it waits for what becomes of {circuit.probe or 'the next task'}"
            )
        return case.because("circuit", message, key=key, state=circuit.state, until=until, probe=circuit.probe)
    return None


def _queued(case: _Case, name: str) -> Explanation:
    place, length, before, of_group, entries = case.found.place
    if place < 0:
        return case.because(
            "queued", f"it is behind more than 10,000 others in the list {name}", list=name, length=length
        )
    # of a round each entry of the list has one start, and so has its group
    ahead = min(place + of_group * entries, length - 1) + before if of_group > 0 else place + before
    details: dict[str, Any] = {"list": name, "position": place + 1, "ahead": ahead}
    message = f"it is number {place + 1} of {length} in the list {name}"
    if of_group >= 0:
        details |= {"group": case.task.group_key, "ahead_in_group": of_group}
    if of_group > 0:
        message = (
            f"it waits behind {of_group} of its group {case.task.group_key}, the next of which is number {place + 1} "
            f"of {entries} in the list {name}"
        )
    if before:
        message += f", and {before} more urgent tasks go first"
    if case.found.ends:
        rate = case.found.ends * 1000 / case.found.span_ms
        seconds = round(ahead / rate, 1)
        details["expected_seconds"] = seconds
        message += f"; at {rate:.1f} ends a second it starts in about {seconds:g} s"
    if (limit := case.found.queue) is not None:
        details["queue_limit"] = limit.to_dict()
        message += f"; its queue {limit.queue} holds {limit.held()}"
    return case.because("queued", message, **details)


def _later(case: _Case) -> Explanation:
    due = iso_utc(int(float(case.found.due))) if case.found.due else "an unknown time"
    reason = case.status["reason"]
    if case.status["status"] == TaskStatus.RETRY:
        retries, most = whole(case.state.get("retries")), case.task.max_retries
        error = _named(str(case.status["error"] or "its handler raised"))
        message = f"retry {out_of(retries, most)} starts at {due}, because: {error}"
        return case.because("retry", message, due=due, retry=retries, of=most, error=error)
    if reason:
        return case.because("parked", f"it starts at {due}, because: {reason}", due=due, why=reason)
    return case.because("scheduled", f"it is delayed and starts at {due}{_put_off(case.task)}", due=due)


def _put_off(task: Task) -> str:
    if task.unique_policy != UniquePolicy.DEBOUNCE:
        return ""
    window = f"{task.unique_window:g} s"
    return f"; another one with the unique key {task.unique_key} takes its place, and starts {window} later"


def _waiting(case: _Case) -> Explanation:
    state, found = case.state, case.found
    waits = state.get("waits", "")
    if waits == "@sequence":
        rank, first = found.order
        message = f"{rank} with the ordering key {state.get('sequence')} go before it, the first of them is {first}"
        return case.because("order", message, key=state.get("sequence"), ahead=rank, first=first)
    if waits == "@unique":
        key, holder = state.get("succeeds"), state.get("behind")
        message = f"it waits until {holder} has ended, which held the unique key {key} when it was submitted"
        doing, until = _of_holder(case)
        return case.because("unique", message + doing + _put_off(case.task), key=key, holder=holder, until=until)
    if found.limit is not None and found.limit.key.startswith("@"):
        return _passed(case, found.limit.ahead)
    if waits == "@limit" and (gated := _gated(case)):
        return gated
    if found.limit is not None and waits == "@limit":
        limit = Limit.parse(found.limit.key, found.limit.definition)
        words = [f"{limit.concurrency} at a time" if limit.concurrency else "", limit.rate or ""]
        message = f"the limit {found.limit.key} ({' and '.join(word for word in words if word) or 'removed'}) is full"
        if found.limit.holders:
            runs = "runs" if len(found.limit.holders) == 1 else "run"
            message += f": {', '.join(found.limit.holders)} {runs} with it"
        ahead = found.limit.ahead
        message += f"; {ahead or 'none'} {'waits' if ahead == 1 else 'wait'} before it"
        if limit.rate and found.limit.look_ms > 0:
            message += f", the next start is looked for in {found.limit.look_ms / 1000:.1f} s"
        holders = list(found.limit.holders)
        return case.because("limit", message, key=found.limit.key, ahead=found.limit.ahead, holders=holders)
    if found.family is not None:
        total, ended, open_ones = found.family.total, found.family.ended, list(found.family.open)
        what = "dependencies" if waits.endswith("/0") else "children"
        message = f"{total - ended} of {total} {what} have not ended yet: {', '.join(open_ones)}"
        return case.because(what, message, total=total, ended=ended, open=open_ones)
    _, space, signal = waits.partition(" ")
    if space:
        until = f", until {iso_utc(int(float(found.due)))}" if found.due else ""
        return case.because("signal", f"it waits for the signal {signal}{until}", signal=signal)
    return case.because("waiting", f"it waits for {waits or 'nothing that is known: run `taskq fsck`'}", waits=waits)


def _of_holder(case: _Case) -> tuple[str, str | None]:
    """Return what the task does whose end is awaited, and until when it keeps the key, if that is known."""
    if case.holder is None:
        return "", None
    task, status = case.holder
    doing = f"is {status['status']}"
    if status["status"] == TaskStatus.RUNNING:
        doing = f"runs since {status['started_at']}"
    kept = keeping(task, status, case.found.held, case.found.now_ms) if case.found.held else None
    if kept is None:
        return f"; {task.task_id} {doing}", None
    return f"; {task.task_id} {doing}, and keeps the key {kept.words}", kept.until


def _knows(card: WorkerCard, task: Task) -> bool:
    """Return whether a worker can run a task, as lua/lib/sidings.lua decides it."""
    for word in card.card.get("knows", "").split():
        name, _, span = word.rpartition("@")
        lowest, _, highest = span.partition("-")
        if name == task.task_type:
            return int(lowest) <= task.version <= int(highest)
    return False


def _passed(case: _Case, ahead: int) -> Explanation:
    task, name = case.task, case.state.get("list", "")
    what = task.task_type + (f" in version {task.version}" if task.version != 1 else "")
    able = [
        card.worker_id for card in case.workers if _knows(card, task) and name in card.card.get("lists", "").split()
    ]
    details = {"type": task.task_type, "version": task.version, "ahead": ahead, "workers": able[:10]}
    if not able:
        message = f"no live worker of the list {name} knows the type {what}: start one that does"
        return case.because("unknown_type", message, **details)
    message = (
        f"a worker that does not know the type {what} has passed it over; {len(able)} do, and {ahead} go before it"
    )
    return case.because("passed", message, **details)


def _running(case: _Case) -> Explanation:
    worker, since = case.status["worker_id"], case.status["started_at"]
    card = next((card for card in case.workers if card.worker_id == worker), None)
    if card is None:
        lease = "which is not registered any more; `taskq fsck` tells more"
    elif card.lease_ms < 0:
        lease = "whose lease has run out: it is about to be taken back"
    else:
        lease = f"whose lease lasts {card.lease_ms / 1000:.0f} s more"
    asked = ", and it has been asked to stop" if case.state.get("cancel") else ""
    message = f"it runs on {worker} since {since}, {lease}{asked}"
    return case.because("running", message, worker=worker, since=since, attempt=whole(case.state.get("attempts")))


def _ended(case: _Case) -> Explanation:
    status, error = case.status["status"], str(case.status["error"] or "").strip()
    why = ": ".join(word for word in (case.status["reason"], _named(error)) if word)
    at = case.status["completed_at"]
    if status == TaskStatus.FAILED:
        return case.because(
            "dead", f"it is a dead letter since {at}, because: {why}; `taskq dlq replay` runs it again", at=at, why=why
        )
    return case.because(
        status, f"it has {'completed' if not why else 'ended'} at {at}{': ' + why if why else ''}", at=at
    )


def _named(error: str) -> str:
    """Return the line of an error that names it, and the note behind it that says why it is not tried again."""
    line, last = headline(error), (error.strip().splitlines() or [""])[-1]
    return f"{line} {last}" if last != line and last.startswith("(") else line


_TO_START = (TaskStatus.PENDING, TaskStatus.SCHEDULED, TaskStatus.RETRY, TaskStatus.WAITING)
_BY_STATUS = {
    TaskStatus.PENDING: _pending,
    TaskStatus.SCHEDULED: _later,
    TaskStatus.RETRY: _later,
    TaskStatus.WAITING: _waiting,
    TaskStatus.RUNNING: _running,
    TaskStatus.COMPLETED: _ended,
    TaskStatus.FAILED: _ended,
    TaskStatus.CANCELLED: _ended,
}

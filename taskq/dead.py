"""Dead letters and other ended tasks: what is shown of them, and how they run again or are forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from taskq.errors import InvalidTask
from taskq.flows import PAGE, Context, Flow, not_found
from taskq.model.crypto import Seal
from taskq.model.envelope import outline
from taskq.model.result import result_outline
from taskq.model.task import DEFAULT_QUEUE
from taskq.model.views import DeadLetter, status_dict, whole
from taskq.protocol.keys import list_name
from taskq.protocol.replies import Inspection
from taskq.protocol.walks import every_page
from taskq.states import TaskStatus


def _dead_page(context: Context, cursor: str, count: int) -> Flow[tuple[str, list[DeadLetter]]]:
    cursor, ids = yield context.protocol.ids("dead", cursor, count)
    found: list[Inspection] = (yield context.protocol.inspect(ids)) if ids else []
    letters = zip(ids, found, strict=True) if ids else ()
    return cursor, [dead_letter(task_id, item, context.seal) for task_id, item in letters if item.envelope is not None]


def dead_letter(task_id: str, item: Inspection, seal: Seal | None) -> DeadLetter:
    """Return what to show of a dead letter, whatever is left of it."""
    task = outline(item.envelope or b"", task_id)
    result = result_outline(item.result, seal) if item.result is not None else {}
    return DeadLetter(
        task_id=task.task_id,
        task_type=task.task_type,
        queue=task.queue or DEFAULT_QUEUE,
        priority=task.priority.label,
        error=str(result.get("error") or ""),
        reason=item.state.get("reason") or str(result.get("reason") or ""),
        attempts=whole(result.get("attempts")),
        died_at=str(result.get("completed_at") or ""),
    )


def list_dead(context: Context, limit: int) -> Flow[list[DeadLetter]]:
    """Return the latest dead letters."""
    letters: list[DeadLetter] = []
    cursor = "0"
    while len(letters) < limit:
        cursor, page = yield from _dead_page(context, cursor, min(PAGE, limit - len(letters)))
        letters += page
        if cursor == "0":
            break
    return letters


def replay(context: Context, task_ids: Iterable[str] | None, *, reopen: bool = False) -> Flow[int]:
    """Put dead letters back into their lists; return how many.

    ``reopen`` says whether the families that have counted them wait for them again.
    """
    ids = yield from _ids_of_dead(context, task_ids)
    # those that died first go first: of one ordering key, each goes to the end
    return (yield from _replay_ids(context, ids if task_ids is not None else ids[::-1], reopen))


def _ids_of_dead(context: Context, task_ids: Iterable[str] | None) -> Flow[list[str]]:
    """Return the ids that were given, or all that are dead now: a task that dies meanwhile is not met twice."""
    if task_ids is not None:
        return list(task_ids)
    pages = yield from every_page(partial(context.protocol.ids, "dead", count=PAGE))
    return list(dict.fromkeys(task_id for _, ids in pages for task_id in ids))


def _replay_ids(context: Context, task_ids: list[str], reopen: bool) -> Flow[int]:
    replayed = 0
    for start in range(0, len(task_ids), PAGE):
        page = task_ids[start : start + PAGE]
        found: list[Inspection] = yield context.protocol.inspect(page)
        known = [(i, item) for i, item in zip(page, found, strict=True) if item.envelope is not None]
        tasks = [outline(item.envelope or b"", task_id) for task_id, item in known]
        if tasks:
            places = [(task.task_id, list_name(task.queue, task.priority)) for task in tasks]
            codes: list[int] = yield context.protocol.replay(places, reopen=reopen)
            replayed += sum(codes)
    return replayed


def retry_task(context: Context, task_id: str) -> Flow[None]:
    """Run a failed or cancelled task again."""
    found: list[Inspection] = yield context.protocol.inspect([task_id])
    item = found[0]
    if item.envelope is None:
        raise not_found(task_id)
    task = outline(item.envelope, task_id)
    status = TaskStatus(status_dict(task, item.state, item.result)["status"])
    if status not in (TaskStatus.FAILED, TaskStatus.CANCELLED):
        hint = "only failed and cancelled tasks can be run again" if status.terminal else "it has not ended yet"
        raise InvalidTask(f"task {task_id} is {status}: {hint}")
    # whatever this answers: if nothing was replayed, an attempt of this call whose reply was lost has done it before
    yield context.protocol.replay([(task_id, list_name(task.queue, task.priority))])


def purge_dead(context: Context, task_ids: Iterable[str] | None) -> Flow[int]:
    """Forget dead letters; return how many."""
    ids = yield from _ids_of_dead(context, task_ids)
    purged = 0
    for start in range(0, len(ids), PAGE):
        count: int = yield context.protocol.discard(ids[start : start + PAGE])
        purged += count
    return purged

"""What a task may depend on. Pure values, no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from taskq.errors import InvalidTask
from taskq.model.names import check_name

MAX_DEPENDENCIES = 1000
RUN_WHEN = ("completed", "failed", "ended")


def check_depends_on(task_id: str, depends_on: Sequence[str], run_when: str) -> tuple[str, ...]:
    """Return the ids that a task depends on, each once.

    Raises:
        InvalidTask: if it cannot depend on that.
    """
    if isinstance(depends_on, str):
        raise InvalidTask(f"depends_on is {depends_on!r:.80}: use a list of ids")
    found = tuple(dict.fromkeys(check_name(i, "task id in depends_on") for i in depends_on))
    if len(found) > MAX_DEPENDENCIES:
        raise InvalidTask(
            f"depends_on has {len(found):,} ids, more than {MAX_DEPENDENCIES:,}: use ctx.fanout, which has room for "
            "more, or let tasks in between collect"
        )
    if run_when not in RUN_WHEN:
        raise InvalidTask(f"run_when is {run_when!r:.60}: use one of {', '.join(RUN_WHEN)}")
    if task_id in found:
        raise InvalidTask(f"task {task_id} depends on itself")
    return found

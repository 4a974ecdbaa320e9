"""How much of a batch one atomic call carries: the server serves nobody else while it works on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from taskq.protocol.submits import Submission, may_start

# Within 5 ms also while the server moves the tables that it has doubled, when a task costs it twice as much.
MOST_TASKS = 250
# Tasks with a due time or a key cost twice as much.
MOST_OTHERS = 125
MOST_CHARS = 2**21


def portions(tasks: Sequence[Submission]) -> Iterator[Sequence[Submission]]:
    """Cut a batch into what one call carries each; nearly always that is all of it."""
    if len(tasks) == 1:
        yield tasks
        return
    most = MOST_TASKS if len(tasks) > MOST_OTHERS and may_start(tasks) else MOST_OTHERS
    if len(tasks) <= most and sum([len(task[1]) for task in tasks]) <= MOST_CHARS:
        yield tasks
        return
    begin = chars = 0
    for at, task in enumerate(tasks):
        chars += len(task.envelope)
        if at > begin and (at - begin == most or chars > MOST_CHARS):
            yield tasks[begin:at]
            begin, chars = at, len(task.envelope)
    yield tasks[begin:]

"""Which partition of a queue a task belongs to, and how its id says so.

An id that is made up carries the number of its partition at its end (``....p3``), so that it stays right when
partitions are added. Any other id belongs to the partition that its hash tells.
"""

from __future__ import annotations

import re
from zlib import crc32

MOST_PARTITIONS = 4096

_MARK = re.compile(r"\.p(0|[1-9][0-9]{0,3})\Z")


def home_of(task_id: str, count: int) -> int:
    """Return the partition of a task.

    Args:
        task_id: which task.
        count: how many partitions there are.
    """
    if count == 1:
        return 0
    mark = _MARK.search(task_id)
    if mark and int(mark[1]) < count:
        return int(mark[1])
    return home_of_key(task_id, count)


def home_of_key(key: str, count: int) -> int:
    """Return the partition of all tasks with a key: the same in every process, as long as the count is the same."""
    return crc32(key.encode()) % count


def at_home(task_id: str, partition: int, count: int) -> str:
    """Return an id that belongs to a partition: the given one if it does, else the same with a mark."""
    return task_id if home_of(task_id, count) == partition else f"{task_id}.p{partition}"


def marked(task_id: str, partition: int) -> str:
    """Return a new id that says to which partition it belongs."""
    return f"{task_id}.p{partition}"


def partition_prefix(prefix: str, partition: int, count: int) -> str:
    """Return the prefix of the keys of a partition; a queue of one partition has its own."""
    return prefix if count == 1 else f"{prefix}:{partition}"

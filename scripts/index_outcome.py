"""What came out of the main job, and the checks that decide about its exit code."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

from index_kill import Kill
from index_plan import SourceFile

from taskq import DeadLetter, QueueStats, TaskQueue


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that is known when the job is done.

    Attributes:
        files: by the id of their task.
        results: result dicts of those tasks, by id.
        recheck: status dict of the delayed task, with what it returned as ``result``.
        dead: the dead letters.
        stats: of the namespace, which was empty at the start.
        seconds: from the submit to the end of the last task.
        kills: the workers that were killed.
    """

    files: dict[str, SourceFile]
    results: dict[str, dict[str, Any]]
    recheck: dict[str, Any]
    dead: list[DeadLetter]
    stats: QueueStats
    seconds: float
    kills: list[Kill]

    @property
    def indexed(self) -> dict[SourceFile, dict[str, Any]]:
        """What the workers found out, by file."""
        return {
            self.files[task_id]: result["result"]
            for task_id, result in self.results.items()
            if result["status"] == "completed"
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One statement about the totals, and whether it is true."""

    holds: bool
    text: str


def collect(
    queue: TaskQueue, files: dict[str, SourceFile], recheck_id: str, seconds: float, kills: list[Kill]
) -> Outcome:
    """Read the results of all tasks."""
    results = {task_id: result for task_id in files if (result := queue.get_task_result(task_id)) is not None}
    recheck = queue.get_task_status(recheck_id)
    recheck["result"] = (queue.get_task_result(recheck_id) or {}).get("result")
    dead = queue.list_dead(limit=len(files))
    return Outcome(files, results, recheck, dead, queue.get_queue_stats(), seconds, kills)


def live_tasks(stats: QueueStats) -> int:
    """Return how many tasks have not ended."""
    return stats.pending_tasks + stats.running_tasks + stats.scheduled_tasks + stats.retry_tasks + stats.waiting_tasks


def checks(outcome: Outcome) -> list[Check]:
    """Return every statement that must be true for the totals to be exact."""
    stats = outcome.stats
    counters = stats.counters
    submitted, completed, failed = (counters.get(name, 0) for name in ("submitted", "completed", "failed"))
    indexed = outcome.indexed
    counted = {file: file.count_lines() for file in indexed}
    names = Counter(measured["name"] for measured in indexed.values())
    dead = {outcome.files[letter.task_id] for letter in outcome.dead if letter.task_id in outcome.files}
    rechecked = outcome.recheck["result"] or {}
    by_name = {file.name: file for file in outcome.files.values()}
    moved = sum(len(kill.moved) for kill in outcome.kills)
    lines = sum(measured["lines"] for measured in indexed.values())
    return [
        Check(
            submitted == completed + failed == len(outcome.files) + 1,
            f"{submitted:,} submitted = {completed:,} completed + {failed:,} failed",
        ),
        Check(
            len(indexed) + len(dead) == len(outcome.files) and names == Counter(file.name for file in indexed),
            f"{len(outcome.files):,} files = {len(indexed):,} indexed once + {len(dead):,} in the dead letters",
        ),
        Check(live_tasks(stats) == 0, f"{live_tasks(stats):,} tasks are waiting or running"),
        Check(
            all(measured["lines"] == counted[file] for file, measured in indexed.items()),
            f"{lines:,} lines found by the workers, {sum(counted.values()):,} counted again here, file by file",
        ),
        Check(
            bool(rechecked) and all(by_name[name].count_lines() == count for name, count in rechecked.items()),
            f"the delayed task counted the same lines in {len(rechecked):,} files",
        ),
        Check(
            all(not _parses(file) for file in dead)
            and {file for file in outcome.files.values() if file.is_bad} <= dead,
            f"{len(dead):,} dead letters, none of which parses here either",
        ),
        Check(
            0 < moved <= counters.get("recovered", 0) and all(kill.is_over for kill in outcome.kills),
            f"{counters.get('recovered', 0):,} tasks were in the hands of the killed worker and ran on others",
        ),
    ]


def _parses(file: SourceFile) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(file.path.read_bytes())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True

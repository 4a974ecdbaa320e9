"""What the main job indexes: the standard library of this Python, and a few planted files; one task per file."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path

from taskq import Task, TaskPriority

DELAY_SECONDS = 2.0
_RECHECKED = 100
_NOT_STDLIB = frozenset({"site-packages", "dist-packages", "__pycache__"})
_TESTS = frozenset({"test", "tests", "idle_test"})

# None of them parses, whatever the Python; the workers must say so, and go on.
_BAD = {
    "bad_bracket.py": b"totals = [1, 2, 3\n",
    "bad_encoding.py": b"name = 'caf\xe9'\n",
    "bad_indent.py": b"def first():\nreturn 1\n",
    "bad_zero.py": b"zero = '\x00'\n",
}
_LATE = {f"late_{number}.py": b"def arrived():\n    return True\n" for number in range(1, 5)}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to index.

    Attributes:
        name: relative to the library, for people.
        path: of the file.
        priority: on which list its task waits.
        is_late: whether it comes into being only after its first try has failed.
        is_bad: whether it was made so that it does not parse.
    """

    name: str
    path: Path
    priority: TaskPriority
    is_late: bool = False
    is_bad: bool = False

    def task(self) -> Task:
        """Return the task that indexes it."""
        return Task(
            task_type="index_file",
            payload={"name": self.name, "path": str(self.path)},
            priority=self.priority,
            retry_delay=1.0 if self.is_late else 5.0,
            max_retries=5,
            timeout=60.0,
        )

    def count_lines(self) -> int:
        """Return its number of lines, counted otherwise than the workers do."""
        with self.path.open("rb") as lines:
            return sum(1 for _ in lines)


def library_files(limit: int | None = None) -> list[SourceFile]:
    """Return the source files of the standard library, without installed packages.

    Args:
        limit: about how many, spread evenly over all of them; None: all.
    """
    root = Path(sysconfig.get_path("stdlib"))
    paths = sorted(path for path in root.rglob("*.py") if _NOT_STDLIB.isdisjoint(path.relative_to(root).parts))
    if limit is not None and limit < len(paths):
        paths = [paths[index * len(paths) // limit] for index in range(limit)]
    return [SourceFile(path.relative_to(root).as_posix(), path, _priority(path.relative_to(root))) for path in paths]


def _priority(path: Path) -> TaskPriority:
    """What people import first is indexed first: packages, then top-level modules, then their insides, then tests."""
    if not _TESTS.isdisjoint(path.parts[:-1]):
        return TaskPriority.LOW
    if path.name == "__init__.py":
        return TaskPriority.URGENT
    return TaskPriority.HIGH if len(path.parts) == 1 else TaskPriority.NORMAL


def plant(folder: Path) -> list[SourceFile]:
    """Write files that do not parse, and announce some that are to come late.

    Args:
        folder: for the files; the late ones of an earlier run are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in _BAD.items():
        (folder / name).write_bytes(source)
    for name in _LATE:
        (folder / name).unlink(missing_ok=True)
    bad = [SourceFile(f"planted/{name}", folder / name, TaskPriority.NORMAL, is_bad=True) for name in _BAD]
    late = [SourceFile(f"planted/{name}", folder / name, TaskPriority.URGENT, is_late=True) for name in _LATE]
    return bad + late


def let_arrive(files: list[SourceFile]) -> None:
    """Write the late files, so that their next try succeeds."""
    for file in files:
        if file.is_late:
            file.path.write_bytes(_LATE[file.path.name])


def recheck_task(files: list[SourceFile]) -> Task:
    """Return the task that counts the lines of some library files again, a while after the submit."""
    chosen = [file for file in files if not file.is_late and not file.is_bad]
    chosen = chosen[:: max(1, len(chosen) // _RECHECKED)]
    return Task(
        task_type="recheck",
        payload={"files": {file.name: str(file.path) for file in chosen}},
        priority=TaskPriority.URGENT,
    )

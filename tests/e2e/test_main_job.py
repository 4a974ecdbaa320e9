"""The main job, as ``make run`` runs it, on a part of the standard library."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskq import Task, TaskQueue
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
JOB = [sys.executable, "scripts/run_index.py"]
LIMIT = 150
FILES = LIMIT + 8  # the planted ones
TASKS = FILES + 1  # the delayed one
MARK = "MAIN_JOB_TEST"

needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes by /proc")
pytestmark = pytest.mark.slow


@pytest.fixture
def environment(redis_url: str, tmp_path: Path) -> dict[str, str]:
    """What the job inherits; the mark is in the environment of every process that it starts."""
    return {**os.environ, "REDIS_URL": redis_url, "TASKQ_DATA_DIR": str(tmp_path / "data"), MARK: uuid.uuid4().hex}


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as queue:
        yield queue


@pytest.fixture
def start_job(prefix: str, environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    jobs: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        job = subprocess.Popen(
            [*JOB, "--prefix", prefix, "--limit", str(LIMIT)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        jobs.append(job)
        return job

    yield start
    for job in jobs:
        if job.poll() is None:
            job.kill()
            job.wait()


def processes_of(environment: dict[str, str]) -> list[str]:
    """Return the command lines of all living processes that have the mark of a job."""
    mark = f"{MARK}={environment[MARK]}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def live_tasks(queue: TaskQueue) -> int:
    stats = queue.get_queue_stats()
    return stats.pending_tasks + stats.running_tasks + stats.scheduled_tasks + stats.retry_tasks + stats.waiting_tasks


def completed(queue: TaskQueue) -> int:
    return queue.get_queue_stats().counters.get("completed", 0)


@needs_proc
def test_totals_are_exact_though_a_worker_is_killed(
    start_job: Callable[..., subprocess.Popen[str]], environment: dict[str, str], queue: TaskQueue
) -> None:
    leftover = queue.submit_task(Task(task_type="left_over_by_an_earlier_run"))

    job = start_job()
    output, _ = job.communicate(timeout=100)

    assert job.returncode == 0, output
    assert output.endswith("redis-cli SCARD " + queue.settings.prefix + ":status:completed\n")
    assert "All totals are exact." in output
    checks = output.partition("Are the totals exact?\n")[2].partition("\n\n")[0].splitlines()
    assert len(checks) == 7
    assert all(line.startswith("  yes  ") for line in checks), output

    stats = queue.get_queue_stats()
    dead = queue.list_dead()
    assert stats.counters["submitted"] == TASKS, f"{leftover} was not cleared away"
    assert stats.completed_tasks == stats.counters["completed"] == TASKS - len(dead)
    assert live_tasks(queue) == 0

    killed = re.search(r"killed +(\S+) \(process \d+\) by SIGKILL, with ([1-9]\d*) tasks in its hands", output)
    assert killed, output
    assert stats.counters["recovered"] >= int(killed[2])
    assert re.search(rf"^  {killed[1]} +\d+ +\d+%  killed$", output, re.MULTILINE), output

    assert stats.counters["retried"] >= 4
    assert "4 of 4 files that came late were indexed at a later try" in output
    assert re.search(r"a recheck, due 2 s after its submit, started after \d+\.\d\d s", output)
    assert re.search(r"^  indexing  100% ", output, re.MULTILINE), "no progress was shown"
    for name in ("indexer-1  Worker stopped", "indexer-2  Worker stopped", "scheduler  Scheduler scheduler-"):
        assert f"\n  {name}" in output
    assert processes_of(environment) == []


def test_dead_letters_say_what_is_wrong(start_job: Callable[..., subprocess.Popen[str]], queue: TaskQueue) -> None:
    output, _ = start_job().communicate(timeout=100)
    reasons = output.partition("Dead letters: ")[2].partition("\n\n")[0].splitlines()[1:]
    letters = queue.list_dead()
    assert len(reasons) == len(letters) >= 4
    assert "  planted/bad_bracket.py, line 1: '[' was never closed" in reasons
    assert all(re.match(r"  \S+\.py(, line \d+)?: \S", reason) for reason in reasons), reasons
    # tried once, but where the killed worker had it in its hands: then another one began it again
    held = re.search(r"by SIGKILL, with (\d+) tasks in its hands", output)
    assert held, output
    assert max(letter.attempts for letter in letters) <= 2
    assert sum(letter.attempts - 1 for letter in letters) <= int(held[1])
    assert all("SyntaxError: " in letter.error for letter in letters)


def test_exit_code_tells_that_the_totals_are_not_exact(
    start_job: Callable[..., subprocess.Popen[str]], queue: TaskQueue
) -> None:
    job = start_job()
    eventually(lambda: completed(queue) > 0, 30, "a completed task")
    queue.submit_task(Task(task_type="echo", payload="one task too many"))
    output, _ = job.communicate(timeout=100)
    assert job.returncode == 1, output
    assert re.search(rf"^  NO   {TASKS + 1} submitted", output, re.MULTILINE), output
    assert "The totals are NOT exact." in output


@needs_proc
@pytest.mark.parametrize("moment", ["processes start", "tasks run"])
def test_ctrl_c_leaves_nothing_behind(
    moment: str, environment: dict[str, str], queue: TaskQueue, prefix: str, tmp_path: Path
) -> None:
    """On a terminal, as a user has it: there it shows a bar."""
    ours, theirs = pty.openpty()
    job = subprocess.Popen(
        [*JOB, "--prefix", prefix],
        cwd=ROOT,
        env={**environment, "COLUMNS": "120"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lambda: os.login_tty(theirs),  # noqa: PLW1509 - only this way does Ctrl+C reach it as a signal
    )
    os.close(theirs)
    if moment == "processes start":
        eventually(lambda: len(processes_of(environment)) > 1, 30, "a process of the job")
    else:
        eventually(lambda: completed(queue) > 20, 30, "20 completed tasks")
    os.write(ours, b"\x03")
    output = read_all(ours)

    assert job.wait(30) == 128 + signal.SIGINT, output
    assert "Traceback" not in output
    assert processes_of(environment) == []
    assert live_tasks(queue) == 0
    if moment == "processes start":
        assert "Interrupted: nothing was submitted. Workers and scheduler have ended." in output
    else:
        said = re.search(r"Interrupted: ([\d,]+) of [\d,]+ tasks completed", output)
        assert said, output
        assert int(said[1].replace(",", "")) == completed(queue)
        assert re.search(r"\r.*indexing  \[", output), "no bar was shown"


def read_all(terminal: int) -> str:
    """Return what is written to a terminal until its last writer has gone."""
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:  # how Linux tells the end
            chunk = b""
        if not chunk:
            os.close(terminal)
            return b"".join(chunks).decode()
        chunks.append(chunk)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of the death of its parent")
def test_kill_9_of_the_job_leaves_no_process_behind(
    start_job: Callable[..., subprocess.Popen[str]], environment: dict[str, str], queue: TaskQueue
) -> None:
    job = start_job()
    eventually(lambda: completed(queue) > 0, 30, "a completed task")
    job.kill()
    eventually(lambda: processes_of(environment) == [], 30, "the end of all processes")


@needs_proc
def test_it_keeps_its_hands_off_a_namespace_with_living_workers(
    start_job: Callable[..., subprocess.Popen[str]], environment: dict[str, str], queue: TaskQueue, prefix: str
) -> None:
    task_id = queue.submit_task(Task(task_type="somebody_elses"))
    worker = subprocess.Popen(
        [sys.executable, "queue_worker.py", "--prefix", prefix, "--priorities", "low"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(queue.list_workers, 30, "a registered worker")
        job = start_job()
        output, _ = job.communicate(timeout=100)
        assert job.returncode == 1
        assert f"workers serve the prefix '{prefix}' already: worker-" in output
        assert queue.get_task_status(task_id)["status"] == "pending"
    finally:
        worker.terminate()
        worker.wait(30)
    assert processes_of(environment) == []

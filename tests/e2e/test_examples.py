"""Every example runs as its reader would run it, says what it promises, and leaves nothing that still waits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq import TaskQueue
from tests.servers import ServerProcess
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))

# What the output must have, in this order; in between, there may be more.
PROMISES = {
    "01_submit_and_wait.py": [r"status: +\w+\n", r"status: +completed\n", r"result: .*Hello, Ada!"],
    "02_priorities_and_batch.py": [
        r"6 submitted, 6 pending",
        r"delivered:\n  urgent  password reset\n  high    reminder\n  normal  invoice 1\n  normal  invoice 2\n"
        r"  normal  invoice 3\n  low     newsletter",
    ],
    "03_decorated_tasks.py": [r"called here: +5\n", r"from a worker: +42 42 2\n", r"status: +completed", r"it failed:"],
    "04_retries_and_dead_letters.py": [
        r"attempt 1\n.*attempt 2\n.*attempt 3\nfetch: fetched",
        r"ask_later: answered",
        r"dead letters:\n",
        r"order, attempts: 2, RuntimeError: the shop is closed",
        r"replayed: ordered",
        r"forgotten: 2",
    ],
    "05_schedules.py": [
        r"now: scheduled",
        r"in half a second",
        r"at a moment",
        r"beat\n.*beat",
        r"schedule: heartbeat next at 2",
        r"schedule: morning-report next at 2",
    ],
    "06_async_client.py": [r"pending: 5", r"Oslo +4 letters", r"Quito +5 letters"],
    "07_progress_and_cancel.py": [
        r"50% page 5",
        r"ended as: completed",
        r"cancel: requested",
        r"ended as: cancelled because it was cancelled while it ran",
    ],
    "08_events.py": [r"task\.submitted", r"running", r"task\.(completed|failed)"],
    "10_channel_pipeline.py": [
        r"published: 10000, waiting: 0\n",
        r"stored: (\d+) of \1, cents: (\d+) of \2\n",
        r"dead letters: 7 damaged, 5 with an unknown currency\n",
        r"one of them: XXX from shop-1\n",
        r"after the replay: 9993 stored, 7 dead\n",
        r"forgotten: 7\n",
    ],
    "11_saga.py": [
        r"completed: reserve done, charge done, ship done\n",
        r"compensated: reserve undone, charge undone, ship open\n",
        r"step 'ship' failed: discarded: nobody delivers to the moon\n",
        r"lamps left: 8\ncharged: \[\('Ada', 3000\)\]\nshipped to: \['Oslo'\]\nworkers killed: 7\n",
    ],
    "12_batch_csv.py": [
        r"the first worker has done about half of it\n",
        r"rows: 1000 in 4 tasks, written: 1000, with a price: 988\n",
        r"  7 x KeyError: 'XX'\n  5 x ValueError: ",
        r"gross: 5799905 cents\n",
        r"done more than once: \d{1,2} rows\n",
    ],
    "13_agent_service.py": [
        r"asked: 202 result: there is no answer yet\n",
        r"seen on the way: \['You ",
        r"status: completed\n",
        r"answer: You said: hello there",
        r"unknown: 404\n",
        r"bad priority: 422\n",
    ],
    "14_tournament.py": [
        r"brief     27 points\n  friendly  25 points\n  exact     14 points\n",
        r"winner: brief: a tent: stays dry inside\.\n",
        r"concepts: 1, variants: 3, tests: 10 with one that was repeated\n",
        r"attempts of the tournament: 1, runs of its code: 3\n",
    ],
}


@pytest.fixture
def environment(server: ServerProcess, tmp_path: Path) -> dict[str, str]:
    """A private server, because the examples have a prefix of their own, which may be in use on a shared one."""
    return {**os.environ, "REDIS_URL": server.url, "TASKQ_DATA_DIR": str(tmp_path / "data")}


@pytest.fixture
def queue(server: ServerProcess) -> Iterator[TaskQueue]:
    with TaskQueue(server.url, prefix="examples") as queue:
        yield queue


def run_example(name: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"examples/{name}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_promises(name: str, output: str) -> None:
    at = 0
    for promise in PROMISES[name]:
        found = re.compile(promise).search(output, at)
        assert found, f"{promise!r} is not in the rest of:\n{output}"
        at = found.end()


# what a worker logs of handlers that raise, as some of the examples do on purpose
_RAISED = (
    r"task \S+ \(\S+\) (raised \w+: .*: retry \d of \d in [\d.]+ s|has failed, it is among the dead letters: \w+: .*)$"
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs_by_itself(name: str, environment: dict[str, str], queue: TaskQueue) -> None:
    done = run_example(name, environment)
    unasked = [line for line in done.stderr.splitlines() if not re.match(_RAISED, line)]
    assert (done.returncode, unasked) == (0, [])
    assert_promises(name, done.stdout)
    stats = queue.get_queue_stats()
    assert stats.counters["submitted"] > 0
    live = (stats.pending_tasks, stats.running_tasks, stats.scheduled_tasks, stats.retry_tasks, stats.waiting_tasks)
    assert live == (0, 0, 0, 0, 0)
    assert (stats.dead_letters, stats.active_workers) == (0, 0)


@pytest.mark.parametrize("name", ["01_submit_and_wait.py", "03_decorated_tasks.py"])
def test_example_shares_its_tasks_with_a_worker_in_another_terminal(
    name: str, environment: dict[str, str], queue: TaskQueue
) -> None:
    command = [sys.executable, "queue_worker.py", "--prefix", "examples", "--handlers", f"examples/{name}"]
    worker = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(queue.list_workers, 30, "a registered worker")
        done = run_example(name, environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert_promises(name, done.stdout)
    finally:
        worker.terminate()
        worker.wait(30)


def test_every_example_is_listed_in_the_readme_and_has_a_promise() -> None:
    readme = (ROOT / "examples" / "README.md").read_text()
    assert re.findall(r"^\| \[(\w+\.py)\]\(\1\) \|", readme, re.MULTILINE) == EXAMPLES
    assert sorted(PROMISES) == EXAMPLES

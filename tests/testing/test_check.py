"""The checker of the ledger: each thing that cannot be true is found, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq import Task, TaskQueue, TaskWorker
from taskq.testing.check import Limits, Verdict, check, check_order
from taskq.testing.ledger import END, START, SUBMIT, Ledger, Note, append


class Play:
    """A small history, told truly; a test then changes the story."""

    def __init__(self, queue: TaskQueue, ledger: Ledger) -> None:
        self.queue = queue
        self.ledger = ledger
        worker = TaskWorker(queue, concurrency=1)
        worker.register_handler("work", self.work)
        worker.register_handler("broken", lambda task: 1 / 0)
        self.ids = ledger.submit(queue, [Task(task_type="work"), Task(task_type="broken", max_retries=0)])
        worker.run_until_empty()
        self.ids += ledger.submit(queue, [Task(task_type="work")])

    def work(self, task: Task, ctx: object) -> int:
        fence: int = ctx.fence  # type: ignore[attr-defined]
        self.ledger.note(START, task.task_id, fence)
        self.ledger.note(END, task.task_id, fence)
        return fence

    def check(self, limits: Limits | None = None) -> Verdict:
        return check(self.ledger, self.queue, limits)

    def forget(self, what: str, task_id: str) -> None:
        lines = self.ledger.path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not (f'"{what}"' in line and task_id in line)]
        assert len(kept) == len(lines) - 1
        self.ledger.path.write_text("".join(kept))


@pytest.fixture
def play(redis_url: str, prefix: str, tmp_path: Path) -> Iterator[Play]:
    with TaskQueue(redis_url, prefix=prefix) as queue:
        yield Play(queue, Ledger(tmp_path / "ledger"))


def test_a_true_story(play: Play) -> None:
    found = play.check(Limits(second_runs=0))
    assert found == Verdict(3, completed=1, dead=1, cancelled=0, live=1, lost=0, double=0, second_runs=0, violations=())


def test_a_task_that_is_nowhere(play: Play) -> None:
    play.ledger.note(SUBMIT, "ghost")
    found = play.check()
    assert found.lost == 1
    assert "ghost was accepted, and the queue does not know it" in found.violations
    assert "4 tasks were submitted, the counter says 3" in found.violations


def test_a_task_that_was_sent_and_not_accepted_may_be_nowhere(play: Play) -> None:
    play.ledger.note("sent", "ghost")
    assert play.check(Limits(unsure=True)).violations == ()


def test_a_task_that_nobody_has_submitted(play: Play) -> None:
    play.queue.submit_task(Task())
    assert play.check().violations == ("3 tasks were submitted, the counter says 4",)


def test_a_task_that_should_have_ended(play: Play) -> None:
    found = play.check(Limits(all_ended=True))
    assert found.lost == 1
    assert f"{play.ids[2]} should have ended, and is pending" in found.violations


def test_a_result_that_no_attempt_has_given(play: Play) -> None:
    play.forget(END, play.ids[0])
    assert play.check().violations == (f"{play.ids[0]} has completed, but the attempt of its result has never ended",)


def test_an_attempt_that_ended_twice(play: Play) -> None:
    (end,) = play.ledger.of(play.ids[0], END)
    play.ledger.note(END, end.task_id, end.fence)
    assert play.check().violations == (f"{end.task_id}: attempt {end.fence} ended 2 times",)


def test_two_accepted_completions(play: Play) -> None:
    for _ in range(2):
        play.ledger.note("accepted", play.ids[0])
    found = play.check()
    assert (found.double, found.violations) == (1, (f"2 completions of {play.ids[0]} were accepted",))


def test_a_fence_that_does_not_grow(play: Play) -> None:
    play.ledger.note(START, play.ids[0], 1)
    assert play.check().violations == (
        f"{play.ids[0]} was started with a fence that is not larger than the one before",
    )
    assert play.check(Limits(frozen=True)).violations == ()
    play.ledger.note(START, play.ids[0], 1)
    assert play.check(Limits(frozen=True)).violations == (f"{play.ids[0]} was started twice with the same fence",)


def test_a_start_of_something_unknown(play: Play) -> None:
    play.ledger.note(START, "ghost", 1)
    assert play.check().violations == ("ghost was started and never submitted",)


def test_a_second_run_that_nothing_explains(play: Play) -> None:
    play.ledger.note(START, play.ids[0], 2**62)
    assert play.check().violations == ()
    found = play.check(Limits(second_runs=0))
    assert found.second_runs == 1
    assert found.violations == ("1 attempts were started that nobody had asked for, 0 are explained",)
    assert play.check(Limits(second_runs=1)).violations == ()


def test_a_task_that_has_been_forgotten_has_at_least_been_started(play: Play) -> None:
    play.queue.purge_dead()
    play.queue.purge()
    found = play.check(Limits(forgotten=True))
    assert found.violations == tuple(
        f"{task_id} was accepted, and the queue does not know it" for task_id in sorted(play.ids[1:])
    )


def test_the_order_of_first_attempts(tmp_path: Path) -> None:
    def start(task_id: str, fence: int, attempt: int = 1) -> Note:
        return Note(START, task_id, fence, 1, 0.0, attempt)

    assert check_order([start("a", 1), start("b", 2), start("c", 3)], ["a", "b", "c"]) == []
    assert check_order([start("b", 1), start("a", 2)], ["a", "b"]) == ["b was submitted after a and claimed before it"]
    assert check_order([start("b", 1), start("a", 2, attempt=2)], ["a", "b"]) == []
    assert check_order([start("b", 1), start("x", 2)], ["a", "b"]) == []


def test_several_processes_may_write(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    append(ledger.path, "start", "a", 7, attempt=2)
    (note,) = ledger.notes()
    assert (note.what, note.task_id, note.fence, note.attempt) == ("start", "a", 7, 2)
    assert (ledger.count("start"), ledger.count("end"), ledger.of("b")) == (1, 0, [])


def test_a_line_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.note("start", "a")
    with ledger.path.open("a") as file:
        file.write('{"what": "start", "task_id": "b", "fen')
    assert [note.task_id for note in ledger.notes()] == ["a"]

"""The log of a process: the task that runs stands in each line that is logged meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from taskq import Task, TaskQueue, TaskWorker
from taskq.logs import TaskFields, here, set_up_logging
from taskq.settings import Settings

FIELDS = ("task_id", "type", "attempt", "worker")


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as opened:
        yield opened


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What loggers of the user say, after the filter."""
    kept: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.addFilter(TaskFields())
    handler.emit = kept.append  # type: ignore[method-assign]  # the shortest handler there is
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield kept
    logger.removeHandler(handler)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}


def say(task: Task) -> None:
    logging.getLogger("shop").info("sold %s", task.payload)


async def say_async(task: Task) -> None:
    await asyncio.sleep(0.001)
    say(task)
    await asyncio.gather(asyncio.to_thread(say, task))


@pytest.mark.parametrize("timeout", [None, 60.0])
@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("handler", [say, say_async])
def test_each_line_names_the_task_that_runs(
    queue: TaskQueue, records: list[logging.LogRecord], handler: Any, concurrency: int, timeout: float | None
) -> None:
    worker = TaskWorker(queue, concurrency=concurrency, name="shopkeeper")
    worker.register_handler("sell", handler)
    ids = queue.submit_batch([Task(task_type="sell", payload=n, timeout=timeout) for n in range(6)])
    worker.run_until_empty()
    assert len(records) == (12 if handler is say_async else 6)
    for record in records:
        shown = fields(record)
        assert shown.pop("worker").startswith("shopkeeper-")
        assert shown == {"task_id": ids[record.args[0]], "type": "sell", "attempt": 1}  # type: ignore[index]


def test_outside_of_a_task_there_are_no_fields(queue: TaskQueue, records: list[logging.LogRecord]) -> None:
    worker = TaskWorker(queue, concurrency=1)
    worker.register_handler("sell", say)
    queue.submit_task(Task(task_type="sell"))
    worker.run_until_empty()
    logging.getLogger("shop").info("closed")
    other = threading.Thread(target=lambda: logging.getLogger("shop").info("from elsewhere"))
    other.start()
    other.join()
    assert [bool(fields(record)) for record in records] == [True, False, False]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_thread_that_has_run_a_task_does_not_name_it_any_more(queue: TaskQueue, concurrency: int) -> None:
    places: list[Any] = []

    def note(task: Task) -> None:
        places.append((here.get(), here.get().log_fields()["task_id"]))  # type: ignore[union-attr]

    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("note", note)
    task_id = queue.submit_task(Task(task_type="note"))
    worker.run_until_empty()
    ((place, seen),) = places
    assert seen == task_id
    assert place.log_fields() == {}


@pytest.fixture
def root_logger() -> Iterator[None]:
    """The root logger is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def log_of_a_run(queue: TaskQueue, log_format: str) -> str:
    set_up_logging(Settings(log_format=log_format))

    def handler(task: Task) -> None:
        logging.getLogger("shop").warning("sold\nout", extra={"order": 7})

    worker = TaskWorker(queue, concurrency=1)
    worker.register_handler("sell", handler)
    task_id = queue.submit_task(Task(task_type="sell"))
    worker.run_until_empty()
    return task_id


def test_json_lines_have_the_fields_and_what_was_given_as_extra(
    queue: TaskQueue, root_logger: None, capsys: pytest.CaptureFixture[str]
) -> None:
    task_id = log_of_a_run(queue, "json")
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "sold" in line]
    assert {name: line[name] for name in ("task_id", "type", "attempt", "order", "message", "logger", "level")} == {
        "task_id": task_id,
        "type": "sell",
        "attempt": 1,
        "order": 7,
        "message": "sold\nout",
        "logger": "shop",
        "level": "warning",
    }
    assert line["worker"].startswith("worker-")


def test_console_lines_end_with_the_task(
    queue: TaskQueue, root_logger: None, capsys: pytest.CaptureFixture[str]
) -> None:
    task_id = log_of_a_run(queue, "console")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "sold" in line]
    assert rf"WARNING sold\nout  [sell {task_id}, attempt 1 on worker-" in line

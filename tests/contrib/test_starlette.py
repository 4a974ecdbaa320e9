"""taskq in Starlette and FastAPI."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Annotated, Any

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install 'taskq[fastapi]'")

from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.testclient import TestClient

from taskq import AsyncTaskQueue, Task, TaskContext, TaskQueue, TaskWorker
from taskq.contrib.starlette import get_queue, task_app, taskq_lifespan
from tests.waiting import eventually


def mine_only(request: Request, task_id: str) -> bool:
    return request.headers.get("X-User") != "stranger"


def application(redis_url: str, prefix: str) -> FastAPI:
    app = FastAPI(lifespan=taskq_lifespan(AsyncTaskQueue(redis_url, prefix=prefix)))
    app.mount("/tasks", task_app(allow=mine_only))

    @app.post("/reports", status_code=202)
    async def report(pages: int, queue: Annotated[AsyncTaskQueue, Depends(get_queue)]) -> dict[str, str]:
        return {"task_id": await queue.submit_task(Task(task_type="report", payload=pages))}

    return app


@pytest.fixture
def client(redis_url: str, prefix: str) -> Iterator[TestClient]:
    with TestClient(application(redis_url, prefix)) as client:
        yield client


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as queue:
        yield queue


def test_status_and_result_of_a_task(client: TestClient, queue: TaskQueue) -> None:
    answer = client.post("/reports", params={"pages": 3})
    assert answer.status_code == 202
    task_id = answer.json()["task_id"]

    assert client.get(f"/tasks/{task_id}").json()["status"] == "pending"
    waiting = client.get(f"/tasks/{task_id}/result")
    assert (waiting.status_code, waiting.json()["status"]) == (202, "pending")

    worker = TaskWorker(queue)
    worker.register_handler("report", lambda task: {"pages": task.payload})
    worker.run_until_empty()
    ended = client.get(f"/tasks/{task_id}/result")
    assert (ended.status_code, ended.json()["result"]) == (200, {"pages": 3})


@pytest.mark.parametrize("path", ["/tasks/none", "/tasks/none/result", "/tasks/none/events", "/tasks/%7Bx%7D"])
def test_a_task_that_is_not_there(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "error" in answer.json()


@pytest.mark.parametrize("path", ["", "/result", "/events"])
def test_who_may_not_see_a_task_learns_nothing_of_it(client: TestClient, queue: TaskQueue, path: str) -> None:
    task_id = queue.submit_task(Task(task_type="report"))
    answers = [
        client.get(f"/tasks/{wanted}{path}", headers={"X-User": "stranger"}) for wanted in (task_id, "never-seen")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace(task_id, "never-seen") == answers[1].text


def test_events_follow_a_task_to_its_end(client: TestClient, queue: TaskQueue) -> None:
    task_id = queue.submit_task(Task(task_type="report", payload=2))
    may_start, seen_half = threading.Event(), threading.Event()

    def report(task: Task, ctx: TaskContext) -> str:
        ctx.progress(0.5)
        assert seen_half.wait(20)
        return "done"

    def work() -> None:
        worker = TaskWorker(queue)
        worker.register_handler("report", report)
        assert may_start.wait(20)
        worker.run_until_empty()

    thread = threading.Thread(target=work)
    thread.start()
    seen: list[tuple[str, Any]] = []
    try:
        with client.stream("GET", f"/tasks/{task_id}/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            name = ""
            for line in stream.iter_lines():
                kind, _, value = line.partition(": ")
                if kind == "event":
                    name = value
                elif kind == "data":
                    data = json.loads(value)
                    seen.append((name, data.get("progress") if data["status"] == "running" else data["status"]))
                    may_start.set()
                    if data.get("progress") == 0.5:
                        seen_half.set()
    finally:
        may_start.set()
        seen_half.set()
        thread.join(20)
    assert seen[0] == ("status", "pending")
    assert ("status", 0.5) in seen
    assert seen[-2:] == [("status", "completed"), ("result", "completed")]


def test_nobody_listens_when_all_have_gone(client: TestClient, queue: TaskQueue, redis_client: Any) -> None:
    task_id = queue.submit_task(Task(task_type="report"))
    TaskWorker(queue).queue.cancel_task(task_id)
    with client.stream("GET", f"/tasks/{task_id}/events") as stream:
        list(stream.iter_lines())
    channel = queue.namespace.protocol.events_channel
    eventually(lambda: dict(redis_client.pubsub_numsub(channel))[channel] == 0, what="the end of the subscription")


def test_without_a_queue_it_says_what_to_do() -> None:
    app = FastAPI()
    app.mount("/tasks", task_app())
    with pytest.raises(RuntimeError, match="lifespan=taskq_lifespan"):
        TestClient(app).get("/tasks/x")


def test_a_server_that_is_away_is_a_503(prefix: str) -> None:
    from taskq import Settings

    settings = Settings(redis_url="redis://127.0.0.1:1/0", prefix=prefix, call_timeout_seconds=0.2)
    app = FastAPI(lifespan=taskq_lifespan(AsyncTaskQueue(settings=settings)))
    app.mount("/tasks", task_app())
    with TestClient(app) as client:
        assert client.get("/tasks/x").status_code == 503

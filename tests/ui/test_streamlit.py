"""The components on a page, as Streamlit itself runs it. Skipped where it is not installed: `make test-streamlit`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from taskq import AgentContext, AgentExecutor, Task, TaskQueue
from tests.waiting import eventually

testing = pytest.importorskip("streamlit.testing.v1", reason="streamlit is an extra: make test-streamlit")

PAGE = """
import streamlit as st
from taskq import AgentExecutor, TaskQueue
from taskq.ui.streamlit import render_task_monitor, render_task_queue_dashboard
queue = TaskQueue({url!r}, prefix={prefix!r})
with st.sidebar:
    render_task_queue_dashboard(queue)
render_task_monitor(AgentExecutor(None, queue))
"""
XSS = "<script>alert(1)</script> ![x](http://127.0.0.1:1/x.png) **bold**"


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as queue:
        yield queue


@pytest.fixture
def agent(queue: TaskQueue) -> AgentExecutor:
    def answer(query: str) -> str:
        if query == "fail":
            raise ValueError(XSS)
        return query.upper()

    return AgentExecutor(answer, queue)


@pytest.fixture
def page(redis_url: str, prefix: str) -> Any:
    """The page, rendered once."""
    return testing.AppTest.from_string(PAGE.format(url=redis_url, prefix=prefix), default_timeout=20).run()


def numbers(page: Any) -> dict[str, str]:
    assert not page.exception
    return {metric.label: metric.value for metric in page.sidebar.metric}


def texts(page: Any) -> list[str]:
    assert not page.exception
    return [text.value for text in page.text]


def test_an_empty_queue(page: Any) -> None:
    assert numbers(page) == {
        "Pending": "0",
        "Running": "0",
        "Completed": "0",
        "Failed": "0",
        "Workers": "0",
        "Success rate": "–",
    }
    assert [info.value for info in page.info] == ["No query fits the filters."]


def test_ask_and_read_the_answer(page: Any, agent: AgentExecutor) -> None:
    page.text_area(key="taskq_query").input("hello")
    page.selectbox[0].select("urgent")
    page.text_input(key="taskq_session").input("ada")
    page.button[0].click().run()
    (task,) = agent.queue.list_tasks("pending")
    assert (task["priority"], agent.queue.get_task(task["task_id"]).payload) == (
        "urgent",
        {"query": "hello", "session_id": "ada"},
    )
    assert numbers(page)["Pending"] == "1"
    assert texts(page) == ["hello"]
    assert page.dataframe[0].value["status"].tolist() == ["pending"]
    agent.worker().run_until_empty()
    page.run()
    assert texts(page) == ["hello", "HELLO"]
    shown = numbers(page)
    assert (shown["Pending"], shown["Completed"], shown["Success rate"]) == ("0", "1", "100.0%")


@pytest.mark.parametrize(("query", "session"), [("  ", ""), ("hello", "a b")])
def test_what_cannot_be_asked_is_said(page: Any, queue: TaskQueue, query: str, session: str) -> None:
    page.text_area(key="taskq_query").input(query)
    page.text_input(key="taskq_session").input(session)
    page.button[0].click().run()
    assert len(page.warning) == 1
    assert queue.get_queue_stats().counters.get("submitted", 0) == 0


def test_a_failure_is_shown_as_text(page: Any, agent: AgentExecutor) -> None:
    agent.execute_async("fail", max_retries=0)
    agent.worker().run_until_empty()
    page.run()
    assert [warning.value for warning in page.warning] == ["There is no answer."]
    assert XSS in texts(page)[1]
    assert not any(XSS in markdown.value for markdown in page.markdown)
    assert numbers(page)["Failed"] == "1"


def test_filters(page: Any, agent: AgentExecutor) -> None:
    ids = [agent.execute_async(f"q {priority}", priority=priority) for priority in ("low", "high")]
    agent.queue.submit_task(Task(task_type="other"))
    agent.cancel_task(ids[0])
    page.run()
    assert sorted(page.dataframe[0].value["task"]) == sorted(ids), "other types are none of its business"
    page.multiselect(key="taskq_statuses").select("cancelled").run()
    assert page.dataframe[0].value["task"].tolist() == ids[:1]
    page.multiselect(key="taskq_statuses").unselect("cancelled").run()
    page.selectbox(key="taskq_priority").select("high").run()
    assert page.dataframe[0].value["task"].tolist() == ids[1:]
    page.selectbox(key="taskq_priority").select("urgent").run()
    assert [info.value for info in page.info] == ["No query fits the filters."]


def test_pages(page: Any, agent: AgentExecutor, queue: TaskQueue) -> None:
    ids = [agent.execute_async(f"question {number}") for number in range(53)]
    queue.cancel_task(ids[0])
    queue.submit_batch([Task(task_type="mail.send") for _ in range(1200)])
    asked = agent.execute_async("behind many others")
    found: list[str] = []
    page.run()
    while True:
        if page.dataframe:
            found += page.dataframe[0].value["task"].tolist()
        following = page.button(key="taskq_next")
        if following.disabled:
            break
        assert not page.exception
        following.click().run()
    assert sorted(found) == sorted([*ids, asked]), "each once, whatever else waits between them"
    page.button(key="taskq_previous").click().run()
    assert page.dataframe
    page.multiselect(key="taskq_statuses").select("cancelled").run()
    assert page.dataframe[0].value["task"].tolist() == ids[:1], "another choice begins at its first page"
    assert not [button for button in page.button if button.key == "taskq_next"]


def test_a_running_query_shows_its_text_and_can_be_cancelled(page: Any, queue: TaskQueue) -> None:
    seen: list[Any] = []

    def answer(query: str, ctx: AgentContext) -> Iterator[str]:
        yield "the beginning"
        page.run()
        seen.extend(texts(page))
        page.button[1].click().run()
        eventually(lambda: ctx.progress("asked to stop?") and ctx.cancelled, what="the request to stop")
        yield "never"

    agent = AgentExecutor(answer, queue)
    task_id = agent.execute_async("hello")
    agent.worker(concurrency=1).run_until_empty()
    assert seen == ["hello", "the beginning …"]
    assert agent.wait_for_result(task_id, 10)["status"] == "cancelled"


def test_a_batch_shows_how_far_it_is(page: Any, queue: TaskQueue) -> None:
    seen: list[Any] = []

    def answer(query: str) -> str:
        if query == "b":
            page.run()
            seen.extend(texts(page))
        return query

    agent = AgentExecutor(answer, queue, batch_concurrency=1)
    agent.execute_batch(["a", "b"])
    agent.worker(concurrency=1).run_until_empty()
    assert seen == ["2 queries, the first: ['a']", "1/2"]


def test_a_server_that_is_away_is_a_line_on_the_page() -> None:
    away = """TaskQueue(
    settings=Settings(redis_url="redis://127.0.0.1:1/0", call_timeout_seconds=0.2, embedded=False)
)"""
    script = PAGE.replace("TaskQueue({url!r}, prefix={prefix!r})", away)
    script = script.replace("AgentExecutor, TaskQueue", "AgentExecutor, Settings, TaskQueue")
    page = testing.AppTest.from_string(script, default_timeout=30).run()
    assert not page.exception
    assert len(page.warning) == 2
    assert "127.0.0.1:1" in page.text[0].value

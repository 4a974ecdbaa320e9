"""Components for a Streamlit page: the numbers of a queue, and an agent to ask. Needs the extra ``streamlit``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from taskq.current import get_task_queue
from taskq.errors import TaskNotFound, TaskqError
from taskq.flows import MOST_LOOKED_AT
from taskq.observe.pages import TaskFilter
from taskq.states import PRIORITIES, TaskPriority, TaskStatus, TaskType

try:
    import streamlit as st
except ImportError:
    raise ImportError("taskq.ui.streamlit needs streamlit: pip install 'taskq[streamlit]'") from None

if TYPE_CHECKING:
    from taskq.agent import AgentExecutor
    from taskq.queue import TaskQueue

REFRESH_SECONDS = 2.0
_MOST_SHOWN = 50
_MOST_QUERY_CHARS = 60
# what happens now comes first
_NOW = (TaskStatus.RUNNING.value, TaskStatus.PENDING.value)
_ORDER = [*_NOW, *(status.value for status in TaskStatus if status.value not in _NOW)]
_TYPES = (TaskType.AGENT_QUERY.value, TaskType.BATCH_QUERY.value)
_SELECTED = "taskq_selected"
# the choice that the pages belong to, and where each page that was turned to begins
_FILTERS, _PAGES = "taskq_filters", "taskq_pages"


def render_task_queue_dashboard(queue: TaskQueue | None = None, *, refresh_seconds: float = REFRESH_SECONDS) -> None:
    """Show what waits, runs, has completed and failed, the workers and the rate of success. For a sidebar.

    Args:
        queue: whose numbers; None: the ``TaskQueue`` of this process.
        refresh_seconds: how often it looks again.
    """
    _live(refresh_seconds, lambda: _numbers(queue or get_task_queue()))


def render_task_monitor(agent_executor: AgentExecutor, *, refresh_seconds: float = REFRESH_SECONDS) -> None:
    """Show an agent at work: ask it, list what it was asked, follow one query and read its answer.

    Args:
        agent_executor: whom to ask; it needs no handler.
        refresh_seconds: how often it looks again.
    """
    _ask(agent_executor)
    _live(refresh_seconds, lambda: _monitor(agent_executor))


def _live(refresh_seconds: float, render: Callable[[], None]) -> None:
    """Render now and again; a server that is away is a line on the page, not the end of it."""

    def part() -> None:
        try:
            render()
        except TaskqError as error:
            st.warning("The queue cannot be read at the moment.")
            st.text(str(error))

    st.fragment(part, run_every=refresh_seconds)()


def _numbers(queue: TaskQueue) -> None:
    stats = queue.get_queue_stats()
    st.subheader("Task queue")
    rate = "–" if stats.success_rate is None else f"{stats.success_rate:.1%}"
    shown: list[tuple[str, Any]] = [
        ("Pending", stats.pending_tasks),
        ("Running", stats.running_tasks),
        ("Completed", stats.completed_tasks),
        ("Failed", stats.failed_tasks),
        ("Workers", stats.active_workers),
        ("Success rate", rate),
    ]
    columns = st.columns(2)
    for number, (label, value) in enumerate(shown):
        columns[number % 2].metric(label, value)
    later = stats.scheduled_tasks + stats.retry_tasks + stats.waiting_tasks
    st.caption(f"{later} more are scheduled, wait for a retry or for other tasks.")


def _ask(executor: AgentExecutor) -> None:
    with st.form("taskq_ask", clear_on_submit=True):
        query = st.text_area("Query", key="taskq_query")
        left, right = st.columns(2)
        labels = [priority.label for priority in PRIORITIES]
        priority = left.selectbox("Priority", labels, index=labels.index(TaskPriority.NORMAL.label))
        session = right.text_input("Session (optional)", key="taskq_session")
        if not st.form_submit_button("Ask"):
            return
        if not query.strip():
            st.warning("There is nothing to ask: write a query.")
            return
        try:
            st.session_state[_SELECTED] = executor.execute_async(query, session.strip() or None, priority)
        except TaskqError as error:
            st.warning("The query was not accepted.")
            st.text(str(error))
            return
    st.rerun()  # what stands above on the page shows the query, too


def _monitor(executor: AgentExecutor) -> None:
    left, right = st.columns(2)
    wanted = left.multiselect("Status", [status.value for status in TaskStatus], key="taskq_statuses")
    label = right.selectbox("Priority", ["any", *(priority.label for priority in PRIORITIES)], key="taskq_priority")
    rows, more = _page(executor.queue, [word for word in _ORDER if word in wanted] or _ORDER, label)
    if not rows:
        st.info("No query fits the filters." if not more else "No query here fits the filters.")
    else:
        st.dataframe([_row(task) for task in rows], hide_index=True)
    _turn_pages(more)
    selected = st.session_state.get(_SELECTED)
    ids = list(dict.fromkeys([*(task["task_id"] for task in rows), *([selected] if selected else [])]))
    if ids:
        index = ids.index(selected) if selected else 0
        key = f"taskq_task_{selected}"  # what was asked last is chosen anew
        # no status here: a browser keeps the words of what is chosen
        _detail(executor, st.selectbox("Task", ids, index, key=key, format_func=lambda task_id: task_id[:8]))


def _page(queue: TaskQueue, statuses: list[str], label: str) -> tuple[list[dict[str, Any]], str]:
    """Return the queries of the page that was turned to, the latest first, and where the next page begins."""
    place = json.dumps([statuses, label])
    if st.session_state.get(_FILTERS) != place:  # another choice begins at its first page
        st.session_state[_FILTERS], st.session_state[_PAGES] = place, []
    at = st.session_state[_PAGES][-1] if st.session_state[_PAGES] else "0 "
    number, _, cursor = at.partition(" ")
    rows: list[dict[str, Any]] = []
    looked_at = 0
    for index in range(int(number), len(statuses)):
        wanted = TaskFilter(statuses[index], None, None, None if label == "any" else label)
        while len(rows) < _MOST_SHOWN:
            page = queue.find_tasks(wanted, cursor=cursor, limit=_MOST_SHOWN - len(rows))
            rows += [task for task in page.tasks if task["type"] in _TYPES]
            cursor, looked_at = page.cursor, looked_at + page.looked_at
            if not cursor:
                break
            if looked_at >= MOST_LOOKED_AT:  # tasks of other types for a long way: the next page goes on from there
                return _latest_first(rows), f"{index} {cursor}"
        if cursor or (len(rows) >= _MOST_SHOWN and index + 1 < len(statuses)):
            return _latest_first(rows), f"{index} {cursor}" if cursor else f"{index + 1} "
    return _latest_first(rows), ""


def _latest_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda task: str(task["created_at"]), reverse=True)


def _turn_pages(more: str) -> None:
    """Show the buttons that lead to the other pages, where there are any."""
    pages: list[str] = st.session_state[_PAGES]
    if not pages and not more:
        return
    left, right = st.columns(2)
    left.button("Previous page", disabled=not pages, key="taskq_previous", on_click=_back, args=(pages,))
    right.button("Next page", disabled=not more, key="taskq_next", on_click=pages.append, args=(more,))


def _back(pages: list[str]) -> None:
    pages.pop()


def _row(task: dict[str, Any]) -> dict[str, Any]:
    return {
        "task": task["task_id"],
        "status": task["status"],
        "priority": task["priority"],
        "created": task["created_at"],
        "worker": task["worker_id"] or "",
    }


def _detail(executor: AgentExecutor, task_id: str) -> None:
    try:
        status = executor.get_task_status(task_id)
        task = executor.queue.get_task(task_id)
        result = executor.get_task_result(task_id)
    except TaskNotFound:
        st.info("This task is no longer kept.")
        return
    # what others have written is shown as text, never as Markdown: it could load pictures from anywhere
    st.text(_asked(task.payload))
    st.caption(f"{status['status']}, priority {status['priority']}")
    if result is None:
        _progress(status["progress"])
        if st.button("Cancel", key=f"taskq_cancel_{task_id}"):
            executor.cancel_task(task_id)
        return
    if result["status"] == TaskStatus.COMPLETED:
        st.text(str(result["answer"]) if result["answer"] is not None else str(result["result"]))
    else:
        st.warning("There is no answer.")
        st.text(str(result["error"] or ""))
    if result["duration"] is not None:
        st.caption(f"It took {result['duration']:.2f} s, attempts: {result['attempts']}.")


def _asked(payload: Any) -> str:
    if isinstance(payload, dict) and "query" in payload:
        return str(payload["query"])
    if isinstance(payload, dict) and isinstance(payload.get("queries"), list):
        first = str(payload["queries"][:1])[:_MOST_QUERY_CHARS]
        return f"{len(payload['queries'])} queries, the first: {first}"
    return str(payload)[:_MOST_QUERY_CHARS]


def _progress(progress: Any) -> None:
    if isinstance(progress, dict) and isinstance(progress.get("text"), str):
        st.text(f"{progress['text']} …")
    elif isinstance(progress, dict) and isinstance(progress.get("value"), int | float):
        st.progress(min(1.0, max(0.0, float(progress["value"]))))
        st.text(str(progress.get("message", "")))
    elif progress is not None:
        st.text(str(progress))

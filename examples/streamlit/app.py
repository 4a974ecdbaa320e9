"""A page with the numbers of a queue in the sidebar and an agent to ask.

Run it with `pip install 'taskq[streamlit]'` and `streamlit run examples/streamlit/app.py`. It has a worker of its own,
so that one terminal is enough.
"""

import threading
import time
from collections.abc import Iterator

import streamlit as st

from taskq import AgentContext, AgentExecutor, TaskQueue
from taskq.ui.streamlit import render_task_monitor, render_task_queue_dashboard


def answer(query: str, ctx: AgentContext) -> Iterator[str]:
    """Stands for a model: it speaks word by word."""
    yield f"After {len(ctx.exchanges)} exchanges: "
    for word in query.split():
        time.sleep(0.3)
        yield f"{word[::-1]} "


@st.cache_resource
def start() -> AgentExecutor:
    """Once for all visitors: the executor, and a worker on a thread; usually `taskq worker --handlers ...`."""
    agent = AgentExecutor(answer, TaskQueue(prefix="examples"))
    threading.Thread(target=agent.worker(concurrency=4).start, daemon=True).start()
    return agent


agent = start()
st.set_page_config(page_title="Agent", page_icon="🛠")
st.title("Ask an agent")
with st.sidebar:
    render_task_queue_dashboard(agent.queue)
render_task_monitor(agent)

"""A web service that answers in the background: POST a query, GET its status, its result, its progress as it comes.

Run it with `python examples/13_agent_service.py`: it serves, asks itself over HTTP, and ends. With `--serve` it
goes on, at http://127.0.0.1:8000/docs. It needs `pip install fastapi uvicorn httpx`.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import AsyncIterator

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from taskq import AsyncAgentExecutor, AsyncTaskQueue, InvalidTask, TaskNotFound


async def answer(query: str) -> AsyncIterator[str]:
    """Stands for a model: it thinks, and speaks word by word. `ChatModel()` in its place asks a real one."""
    for word in f"You said: {query}".split(" "):
        await asyncio.sleep(0.2)
        yield f"{word} "


agent = AsyncAgentExecutor(answer, AsyncTaskQueue(prefix="examples"))
app = FastAPI(title="Agent")


class Query(BaseModel):
    query: str
    session_id: str | None = None
    priority: str = "normal"


@app.exception_handler(TaskNotFound)
async def unknown(_: Request, error: TaskNotFound) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 404)


@app.exception_handler(InvalidTask)
async def refused(_: Request, error: InvalidTask) -> JSONResponse:
    """A priority that does not exist, a session id with a blank in it, ..."""
    return JSONResponse({"detail": str(error)}, 422)


@app.post("/queries", status_code=202)
async def ask(query: Query) -> dict:
    return {"task_id": await agent.execute_async(query.query, query.session_id, query.priority, timeout=60)}


@app.get("/queries/{task_id}")
async def status(task_id: str) -> dict:
    return await agent.get_task_status(task_id)


@app.get("/queries/{task_id}/result")
async def result(task_id: str) -> dict:
    found = await agent.get_task_result(task_id)
    if found is None:
        raise HTTPException(409, "there is no answer yet")
    return found


@app.get("/queries/{task_id}/events")
async def events(task_id: str) -> StreamingResponse:
    """Server-sent events: a status each time that something has changed, until the query has ended."""
    await agent.get_task_status(task_id)  # an unknown one is a 404, which is no longer possible once the stream begins

    async def stream() -> AsyncIterator[str]:
        async for status in agent.follow(task_id):
            yield f"data: {json.dumps(status)}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


def serve(port: int) -> uvicorn.Server:
    """Start the service on a thread and return it once it listens."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return server


def try_it(url: str) -> None:
    """What a browser or another service would do."""
    with httpx.Client(base_url=url, timeout=30) as client:
        asked = client.post("/queries", json={"query": "hello there", "priority": "high"})
        path = f"/queries/{asked.json()['task_id']}"
        print("asked:", asked.status_code, "result:", client.get(f"{path}/result").json()["detail"])
        texts = []
        with client.stream("GET", f"{path}/events") as response:
            for line in response.iter_lines():
                if line.startswith("data: "):
                    seen = json.loads(line.removeprefix("data: "))
                    texts.append((seen["progress"] or {}).get("text"))
        print("seen on the way:", [text for text in dict.fromkeys(texts) if text])
        print("status:", client.get(path).json()["status"])
        print("answer:", client.get(f"{path}/result").json()["answer"])
        print("unknown:", client.get("/queries/missing").status_code)
        print("bad priority:", client.post("/queries", json={"query": "x", "priority": "soon"}).status_code)


def main(stay: bool) -> None:
    worker = agent.worker(concurrency=10)  # usually processes of its own: taskq worker --handlers ...
    working = threading.Thread(target=worker.start)
    working.start()
    server = serve(8000 if stay else 0)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        if stay:
            print(f"http://127.0.0.1:{port}/docs, Ctrl+C to stop")
            threading.Event().wait()
        try_it(f"http://127.0.0.1:{port}")
    except KeyboardInterrupt:
        pass
    finally:
        server.should_exit = True
        worker.stop()
        working.join()


if __name__ == "__main__":
    main("--serve" in sys.argv)

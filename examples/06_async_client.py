"""The same queue from asyncio: every verb is awaited, and none of them holds up the event loop.

Run it with `python examples/06_async_client.py`.
"""

import asyncio
from typing import Any

from taskq import AsyncTaskQueue, Task, TaskQueue, TaskWorker


async def look_up(task: Task) -> dict[str, Any]:
    """Handlers may be async too: one worker process runs many of them at a time on its event loop."""
    await asyncio.sleep(0.1)  # such as a call of a web service
    return {"city": task.payload["city"], "letters": len(task.payload["city"])}


def register(worker: TaskWorker) -> None:
    worker.register_handler("look_up", look_up)


def work() -> None:
    """A worker for this example; usually another process."""
    with TaskQueue(prefix="examples") as queue:
        worker = TaskWorker(queue, concurrency=10)
        register(worker)
        worker.run_until_empty()


async def main() -> None:
    async with AsyncTaskQueue(prefix="examples") as queue:
        cities = ["Oslo", "Lima", "Nairobi", "Hanoi", "Quito"]
        ids = await queue.submit_batch([Task(task_type="look_up", payload={"city": city}) for city in cities])
        print("pending:", (await queue.get_queue_stats()).pending_tasks)

        working = asyncio.create_task(asyncio.to_thread(work))

        # All results at once; each wait ends when its result arrives.
        results = await asyncio.gather(*(queue.wait_for_result(task_id, timeout=30) for task_id in ids))
        for result in results:
            print(f"  {result['result']['city']:<8} {result['result']['letters']} letters, {result['duration']:.2f} s")
        await working


if __name__ == "__main__":
    asyncio.run(main())

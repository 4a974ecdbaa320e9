"""Be told what happens instead of asking for it.

Run it with `python examples/08_events.py`; `redis-cli subscribe examples:events` shows the same messages. Events are
hints: who was not listening has missed them, so what must not be missed is read from the task itself.
"""

import json
import threading
from typing import Any

from taskq import Discard, Task, TaskQueue, TaskWorker


def bake(task: Task) -> str:
    if task.payload == "stone":
        raise Discard("stones do not bake")
    return f"baked {task.payload}"


def register(worker: TaskWorker) -> None:
    worker.register_handler("bake", bake)


def main() -> None:
    queue = TaskQueue(prefix="examples")
    all_ended = threading.Semaphore(0)

    def show(message: dict[str, Any]) -> None:
        """Called on a thread of the subscription, for every event of the namespace."""
        event = json.loads(message["data"])
        data = event["data"]
        print(
            f"  {event['type']:<20} {data.get('task_id', data.get('worker_id', ''))[:13]:<14} {data.get('status', '')}"
        )
        if event["type"] in ("task.completed", "task.failed"):
            all_ended.release()

    subscription = queue.subscribe_to_events(show)  # returns at once; block=True stays here
    ids = [queue.submit_task(Task(task_type="bake", payload=what)) for what in ("bread", "stone")]

    worker = TaskWorker(queue)
    register(worker)
    worker.run_until_empty()

    for _ in ids:
        all_ended.acquire(timeout=30)
    subscription.stop()
    queue.purge_dead(ids)
    queue.close()


if __name__ == "__main__":
    main()

"""Follow a long task, and stop one that nobody wants any more.

Run it with `python examples/07_progress_and_cancel.py`.
"""

import threading
import time

from taskq import Task, TaskContext, TaskQueue, TaskWorker


def render(task: Task, ctx: TaskContext) -> str:
    pages = task.payload["pages"]
    for page in range(1, pages + 1):
        ctx.raise_if_cancelled()  # ends here if somebody has asked for it; `ctx.cancelled` only tells
        time.sleep(0.1)
        ctx.progress(page / pages, f"page {page}")
    return f"{pages} pages"


def register(worker: TaskWorker) -> None:
    worker.register_handler("render", render)


def follow(queue: TaskQueue, task_id: str) -> None:
    """Print the progress until the task has ended, as a web page would show it."""
    shown = None
    while (status := queue.get_task_status(task_id))["status"] in ("pending", "running"):
        if status["progress"] != shown:
            shown = status["progress"]
            print(f"  {shown['value']:.0%} {shown['message']}")
        time.sleep(0.05)


def main() -> None:
    queue = TaskQueue(prefix="examples")
    worker = TaskWorker(queue)
    register(worker)
    thread = threading.Thread(target=worker.start)
    thread.start()

    try:
        task_id = queue.submit_task(Task(task_type="render", payload={"pages": 10}))
        follow(queue, task_id)
        print("ended as:", queue.wait_for_result(task_id, timeout=30)["status"])

        # A task that waits is cancelled at once; one that runs is asked to stop, and its handler decides when.
        task_id = queue.submit_task(Task(task_type="render", payload={"pages": 600}))
        while queue.get_task_status(task_id)["status"] != "running":
            time.sleep(0.01)
        print("cancel:", queue.cancel_task(task_id))
        result = queue.wait_for_result(task_id, timeout=30)
        print("ended as:", result["status"], "because it was", result["error"])
    finally:
        worker.stop()
        thread.join()
        queue.close()


if __name__ == "__main__":
    main()

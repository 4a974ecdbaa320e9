"""Submit a task, have it run, read its result: the smallest complete program.

Run it with `python examples/01_submit_and_wait.py`. It runs its task itself; usually that is done by a worker, which is
a process of its own in another terminal or on another machine:

    python queue_worker.py --prefix examples --handlers examples/01_submit_and_wait.py
"""

from typing import Any

from taskq import Task, TaskQueue, TaskWorker


def greet(task: Task) -> dict[str, Any]:
    """A handler takes the task and returns the result: anything that JSON can say."""
    return {"greeting": f"Hello, {task.payload['name']}!"}


def register(worker: TaskWorker) -> None:
    """Which function runs which type of task; `--handlers` of the command above looks for this function."""
    worker.register_handler("greet", greet)


def main() -> None:
    # Without an address it uses REDIS_URL, or the server on this machine, and starts one if there is none.
    queue = TaskQueue(prefix="examples")

    task_id = queue.submit_task(Task(task_type="greet", payload={"name": "Ada"}))
    print("submitted:", task_id)
    print("status:   ", queue.get_task_status(task_id)["status"])

    # So that the example needs no second terminal: run what waits, here and now.
    worker = TaskWorker(queue)
    register(worker)
    worker.run_until_empty()

    # Returns as soon as the result is there; the server sends it, nothing polls.
    result = queue.wait_for_result(task_id, timeout=30)
    print("status:   ", result["status"])
    print("result:   ", result["result"])
    queue.close()


if __name__ == "__main__":
    main()

"""What happens when a handler fails: it is tried again, and kept as a dead letter when that does not help.

Run it with `python examples/04_retries_and_dead_letters.py`.
"""

import tempfile
import threading
from pathlib import Path

from taskq import Discard, Retry, RetryPolicy, Task, TaskContext, TaskQueue, TaskWorker

SHOP = Path(tempfile.gettempdir()) / "taskq-example-shop-is-open"  # open while this file exists


def fetch(task: Task, ctx: TaskContext) -> str:
    """Works at the third try. `ctx` is what a handler may ask about its attempt."""
    print(f"  fetch: attempt {ctx.attempt}")
    if ctx.attempt < 3:
        raise ConnectionError("the other side hung up")  # any exception: tried again, later each time
    return "fetched"


def ask_later(task: Task, ctx: TaskContext) -> str:
    """A handler may say itself when to try again."""
    if ctx.attempt == 1:
        raise Retry(after=0.2, reason="the other side asked for a pause")
    return "answered"


def parse(task: Task) -> None:
    """Trying again is pointless: the handler says so, or the policy below does."""
    if not task.payload:
        raise Discard("the payload is empty")
    int(task.payload["number"])


def order(task: Task) -> str:
    if not SHOP.exists():
        raise RuntimeError("the shop is closed")
    return "ordered"


def register(worker: TaskWorker) -> None:
    worker.register_handler("fetch", fetch)
    worker.register_handler("ask_later", ask_later)
    worker.register_handler("parse", parse, RetryPolicy(discard_on=(ValueError,)))
    worker.register_handler("order", order)


def main() -> None:
    SHOP.unlink(missing_ok=True)
    queue = TaskQueue(prefix="examples")
    worker = TaskWorker(queue)
    register(worker)
    thread = threading.Thread(target=worker.start)  # serves until worker.stop(), also what falls due later
    thread.start()

    try:
        for name in ("fetch", "ask_later"):
            # by default there are 3 retries, the first after 60 s
            task_id = queue.submit_task(Task(task_type=name, max_retries=3, retry_delay=0.2))
            print(f"{name}: {queue.wait_for_result(task_id, timeout=30)['result']}")

        failing = [
            Task(task_type="parse"),
            Task(task_type="parse", payload={"number": "seven"}),
            Task(task_type="order", max_retries=1, retry_delay=0.2),
        ]
        ids = queue.submit_batch(failing)
        for task_id in ids:
            queue.wait_for_result(task_id, timeout=30)

        print("dead letters:")
        for letter in queue.list_dead():
            print(f"  {letter.task_type}, attempts: {letter.attempts}, {' '.join(letter.error.splitlines()[-2:])}")

        # The cause is gone: run one of them again, with all its attempts before it.
        SHOP.touch()
        queue.replay_dead([ids[2]])
        print("replayed:", queue.wait_for_result(ids[2], timeout=30)["result"])
        print("forgotten:", queue.purge_dead(ids[:2]))
    finally:
        SHOP.unlink(missing_ok=True)
        worker.stop()
        thread.join()
        queue.close()


if __name__ == "__main__":
    main()

"""Many tasks in one call, and the order in which they run.

Run it with `python examples/02_priorities_and_batch.py`.
"""

from taskq import Task, TaskPriority, TaskQueue, TaskWorker


def deliver(task: Task) -> None:
    print(f"  {task.priority.label:<6}  {task.payload['letter']}")


def register(worker: TaskWorker) -> None:
    worker.register_handler("deliver", deliver)


def main() -> None:
    queue = TaskQueue(prefix="examples")

    # A priority is a TaskPriority or its name. Whatever the order of the submit: urgent tasks run before high ones,
    # those before normal and low; and within one priority, who came first runs first.
    letters = [
        ("newsletter", TaskPriority.LOW),
        ("invoice 1", "normal"),
        ("invoice 2", "normal"),
        ("reminder", TaskPriority.HIGH),
        ("password reset", "urgent"),
        ("invoice 3", "normal"),
    ]

    # One call, one round trip, all of them or none: after an error nothing is stored.
    ids = queue.submit_batch(
        [Task(task_type="deliver", payload={"letter": text}, priority=priority) for text, priority in letters]
    )
    stats = queue.get_queue_stats()
    print(f"{len(ids)} submitted, {stats.pending_tasks} pending:")
    for waiting in stats.lists:
        print(f"  {waiting.priority:<6}  {waiting.depth}")

    print("delivered:")
    worker = TaskWorker(queue, concurrency=1)  # one at a time, so that the order can be seen
    register(worker)
    worker.run_until_empty()

    for task_id in ids:
        queue.wait_for_result(task_id, timeout=30)
    queue.close()


if __name__ == "__main__":
    main()

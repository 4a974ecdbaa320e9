"""Tasks for later, and tasks that come back.

Run it with `python examples/05_schedules.py`. Delays are kept by any running worker. Recurring tasks need a scheduler,
and as many may run as you like:

    python schedule_worker.py --prefix examples
"""

import threading
import time
from datetime import UTC, datetime, timedelta

from taskq import Task, TaskQueue, TaskWorker
from taskq.scheduler import TaskScheduler


def note(task: Task) -> str:
    print(" ", datetime.now().isoformat(timespec="milliseconds"), task.payload["text"])
    return "noted"


def register(worker: TaskWorker) -> None:
    worker.register_handler("note", note)


def main() -> None:
    queue = TaskQueue(prefix="examples")
    worker, scheduler = TaskWorker(queue), TaskScheduler(queue)
    register(worker)
    # Usually two terminals: python queue_worker.py, python schedule_worker.py
    threads = [threading.Thread(target=worker.start), threading.Thread(target=scheduler.run_scheduler_loop)]
    for thread in threads:
        thread.start()

    try:
        # Once: after a delay, or at a moment. A datetime without a time zone is the local time of this machine.
        soon = scheduler.schedule_task_in(Task(task_type="note", payload={"text": "in half a second"}), 0.5)
        moment = datetime.now(UTC) + timedelta(seconds=1)
        later = scheduler.schedule_task(Task(task_type="note", payload={"text": "at a moment"}), moment)
        print("now:", queue.get_task_status(soon)["status"])
        queue.wait_for_result(soon, timeout=30)
        queue.wait_for_result(later, timeout=30)

        # Again and again: the name is its identity, so a program may add it at each start.
        scheduler.schedule_every("heartbeat", 0.3, Task(task_type="note", payload={"text": "beat"}))
        scheduler.schedule_cron(
            "morning-report", "0 9 * * mon-fri", Task(task_type="note", payload={"text": "report"}), tz="Europe/Berlin"
        )
        time.sleep(1)
        for schedule in scheduler.list_schedules():
            print("schedule:", schedule.name, "next at", schedule.next_run)
        for schedule in scheduler.list_schedules():
            scheduler.remove_schedule(schedule.name)
    finally:
        worker.stop()
        scheduler.stop()
        for thread in threads:
            thread.join()
        queue.close()


if __name__ == "__main__":
    main()

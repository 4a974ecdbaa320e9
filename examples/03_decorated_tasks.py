"""Functions as tasks: call them here and now, or later in a worker.

Run it with `python examples/03_decorated_tasks.py`. A worker in another terminal finds the decorated functions of the
module by itself:

    python queue_worker.py --prefix examples --handlers examples/03_decorated_tasks.py
"""

import asyncio

from taskq import TaskFailed, TaskQueue, TaskWorker

app = TaskQueue(prefix="examples")  # connects when first used, so it may stand here


# The name is what producers and workers agree on. Without it, it is made of the module and the function; give one where
# the file is also run as a program, because its module is called __main__ then.
@app.task(name="add")
def add(a: int, b: int) -> int:
    return a + b


@app.task(name="slow_double", priority="high", timeout=10)
async def slow_double(number: int, pause: float = 0.1) -> int:
    await asyncio.sleep(pause)  # async functions share one event loop of the worker
    return number * 2


@app.task(name="divide", max_retries=0)
def divide(a: int, b: int) -> float:
    return a / b


def main() -> None:
    print("called here:    ", add(2, 3))

    # The same arguments as for a call; what comes back is a handle.
    total = add.delay(20, 22)
    doubled = slow_double.delay(21, pause=0.05)
    broken = divide.delay(1, 0)
    rushed = add.options(priority="urgent").delay(1, 1)  # other options for this call only

    TaskWorker(app).run_until_empty()  # knows the functions of its queue

    print("from a worker:  ", total.result(timeout=30), doubled.result(timeout=30), rushed.result(timeout=30))
    print("status:         ", total.status())
    try:
        broken.result(timeout=30)
    except TaskFailed as error:
        print("it failed:      ", error)
    app.purge_dead([broken.id])
    app.close()


if __name__ == "__main__":
    main()

"""Two orders go through a saga into SQLite, and the worker is killed at each of their steps.

One order comes to its end; the other one cannot be shipped, and all that it has done is undone. Nothing is charged,
taken or given back twice. Run it with `python examples/11_saga.py`.
"""

import logging
import multiprocessing
import os
import signal
import sqlite3
import tempfile
from pathlib import Path

from taskq import Discard, Saga, TaskContext, TaskQueue, TaskWorker
from taskq.settings import Settings

SHOP = Path(os.environ.get("SHOP", tempfile.mkdtemp())) / "shop.sqlite"
TABLES = """
CREATE TABLE stock (item TEXT PRIMARY KEY, count INTEGER);
CREATE TABLE reserved (task TEXT PRIMARY KEY, item TEXT, count INTEGER);
CREATE TABLE charged (task TEXT PRIMARY KEY, customer TEXT, cents INTEGER);
CREATE TABLE shipped (task TEXT PRIMARY KEY, address TEXT);
CREATE TABLE deaths (task TEXT, at TEXT, PRIMARY KEY (task, at));
INSERT INTO stock VALUES ('lamp', 10);
"""


def once(ctx: TaskContext, at: str, table: str, row: tuple, also: tuple = ()) -> None:
    """Write a row that has the task as its key, and what belongs to it: the same step again changes nothing.

    Then die, the first time: the worst moment, for the effect is there and the saga does not know of it yet.
    """
    with sqlite3.connect(SHOP, timeout=30) as shop:
        marks = ", ".join("?" * (len(row) + 1))
        new = shop.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", (ctx.task_id, *row)).rowcount
        if new and also:
            shop.execute(*also)
    die_once(ctx, at)


def undo(ctx: TaskContext, at: str, table: str, also: tuple = ()) -> None:
    """Delete the row of the task, and take back what belongs to it."""
    with sqlite3.connect(SHOP, timeout=30) as shop:
        gone = shop.execute(f"DELETE FROM {table} WHERE task = ?", (ctx.task_id,)).rowcount
        if gone and also:
            shop.execute(*also)
    die_once(ctx, at)


def die_once(ctx: TaskContext, at: str) -> None:
    with sqlite3.connect(SHOP, timeout=30) as shop:
        new = shop.execute("INSERT OR IGNORE INTO deaths VALUES (?, ?)", (ctx.task_id, at)).rowcount
    if new:
        os.kill(os.getpid(), signal.SIGKILL)


def reserve(ctx: TaskContext, data: dict) -> int:
    order = data["payload"]
    taken = ("UPDATE stock SET count = count - ? WHERE item = ?", (order["count"], order["item"]))
    once(ctx, "reserve", "reserved", (order["item"], order["count"]), taken)
    return order["count"]


def release(ctx: TaskContext, data: dict) -> None:
    back = ("UPDATE stock SET count = count + ? WHERE item = ?", (data["reserve"], data["payload"]["item"]))
    undo(ctx, "release", "reserved", back)


def charge(ctx: TaskContext, data: dict) -> dict:
    cents = data["reserve"] * 1500
    once(ctx, "charge", "charged", (data["payload"]["customer"], cents))
    return {"cents": cents}


def refund(ctx: TaskContext, data: dict) -> None:
    undo(ctx, "refund", "charged")


def ship(ctx: TaskContext, data: dict) -> str:
    address = data["payload"]["address"]
    if address == "the moon":
        raise Discard("nobody delivers to the moon")  # trying again is pointless
    once(ctx, "ship", "shipped", (address,))
    return address


ORDER = Saga("order")
ORDER.step("reserve", reserve, undo=release)
ORDER.step("charge", charge, undo=refund)
ORDER.step("ship", ship)


def new_queue() -> TaskQueue:
    """Return the queue, with what suits workers that die all the time.

    By default one that is silent for 30 s counts as dead, and a task that has killed three is a dead letter.
    """
    mortal = {"lease_seconds": 1.0, "heartbeat_interval_seconds": 0.1, "max_crashes": 100, "log_level": "ERROR"}
    return TaskQueue(settings=Settings.load(prefix="examples", **mortal))


def work() -> None:
    """What `taskq worker` does; in a process of its own, because it is going to die."""
    logging.getLogger("taskq").setLevel("ERROR")  # deaths are no news here
    worker = TaskWorker(new_queue(), concurrency=1)
    ORDER.register(worker)
    worker.start()


def ended(queue: TaskQueue, ids: list[str]) -> bool:
    return all(queue.get_task_result(task_id) is not None for task_id in ids)


def main() -> None:
    with sqlite3.connect(SHOP) as shop:
        shop.executescript(TABLES)
    queue = new_queue()
    orders = [
        {"item": "lamp", "count": 2, "customer": "Ada", "address": "Oslo"},
        {"item": "lamp", "count": 3, "customer": "Bob", "address": "the moon"},
    ]
    ids = queue.group(*(ORDER.task(order) for order in orders))
    while not ended(queue, ids):
        worker = multiprocessing.Process(target=work)
        worker.start()
        while worker.is_alive() and not ended(queue, ids):
            worker.join(0.05)
        worker.terminate()
        worker.join()
    for task_id in ids:
        saga = queue.get_saga(task_id)
        print(f"{saga.state}: {', '.join(f'{name} {word}' for name, word in saga.steps)}")
        print(f"  {saga.results if saga.state == 'completed' else saga.error.splitlines()[-1]}")
    with sqlite3.connect(SHOP) as shop:
        (lamps,) = shop.execute("SELECT count FROM stock").fetchone()
        print(f"lamps left: {lamps}")
        print(f"charged: {shop.execute('SELECT customer, cents FROM charged').fetchall()}")
        print(f"shipped to: {[address for (address,) in shop.execute('SELECT address FROM shipped')]}")
        print(f"workers killed: {shop.execute('SELECT count(*) FROM deaths').fetchone()[0]}")
    queue.close()


if __name__ == "__main__":
    main()

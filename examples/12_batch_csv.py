"""A CSV file in, a CSV file out: 1,000 orders as batches, some rows wrong, and a worker that is stopped in the middle.

Run it with `python examples/12_batch_csv.py`, or with a file to read and one to write behind it. With pandas installed,
the files are read and written by it; nothing else changes.
"""

import csv
import random
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

from taskq import Task, TaskQueue, TaskType, TaskWorker, batch_handler

try:
    import pandas
except ImportError:
    pandas = None

PER_TASK = 250
TAX = {"DE": 19, "NO": 25, "CH": 8}  # percent
calls: Counter[str] = Counter()
half_way = threading.Event()


def price(row: dict) -> dict:
    """The handler of one row: what it raises stands in the row, and the others go on."""
    calls[row["order"]] += 1
    if calls.total() == 450:
        half_way.set()
    net = int(row["cents"])
    return {"gross": net + round(net * TAX[row["country"]] / 100)}


def register(worker: TaskWorker) -> None:
    worker.register_handler(TaskType.BATCH_QUERY, batch_handler(price, concurrency=2))


def read_rows(path: Path) -> list[dict]:
    if pandas is not None:
        return pandas.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[dict]) -> None:
    if pandas is not None:
        pandas.DataFrame(rows).to_csv(path, index=False)
        return
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def make_orders(path: Path) -> None:
    """Write a file of 1,000 orders; seven are from a country without a tax, five have no number."""
    chance = random.Random(11)
    rows = [
        {"order": f"o{n}", "country": chance.choice(list(TAX)), "cents": chance.randrange(1, 9999)} for n in range(1000)
    ]
    wrong = chance.sample(rows, 12)
    for row in wrong[:7]:
        row["country"] = "XX"
    for row in wrong[7:]:
        row["cents"] = "much"
    write_rows(path, rows)


def work(queue: TaskQueue) -> None:
    """Two workers, one after the other: the first is stopped in the middle, the second does what is not done."""
    first = TaskWorker(queue, concurrency=1)
    register(first)
    threading.Thread(target=lambda: half_way.wait(60) and first.stop(0.0), daemon=True).start()
    first.run_until_empty()
    print(f"the first worker has done {'about half' if sum(calls.values()) < 1000 else 'all'} of it")
    second = TaskWorker(queue)  # usually it runs on another machine already
    register(second)
    second.run_until_empty()


def main(source: Path, target: Path) -> None:
    rows = read_rows(source)
    with TaskQueue(prefix="examples") as queue:
        parts = [rows[start : start + PER_TASK] for start in range(0, len(rows), PER_TASK)]
        tasks = [Task(task_type=TaskType.BATCH_QUERY, payload={"queries": part}) for part in parts]
        ids = queue.submit_batch(tasks)  # all of them or none
        work(queue)
        outcomes = [one for i in ids for one in queue.wait_for_result(i, timeout=60)["result"]["results"]]
    write_rows(
        target,
        [
            {**row, "gross": one.get("result", {}).get("gross", ""), "error": one.get("error", "")}
            for row, one in zip(rows, outcomes, strict=True)
        ],
    )
    written = read_rows(target)
    errors = Counter(row["error"] for row in written if row["error"])
    print(
        f"rows: {len(rows)} in {len(ids)} tasks, written: {len(written)}, with a price: {len(written) - errors.total()}"
    )
    for error, count in sorted(errors.items()):
        print(f"  {count} x {error}")
    print(f"gross: {sum(int(row['gross']) for row in written if row['gross'])} cents")
    print(f"done more than once: {sum(count > 1 for count in calls.values())} rows")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            orders = Path(folder) / "orders.csv"
            make_orders(orders)
            main(orders, Path(folder) / "priced.csv")

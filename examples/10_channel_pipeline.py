"""10,000 sales go through a channel into SQLite; damaged ones end as dead letters, and every total is exact.

Run it with `python examples/10_channel_pipeline.py`, or with another number of records behind it.
"""

import random
import sqlite3
import sys
import tempfile
from pathlib import Path

import redis

from taskq import Channel, ChannelWorker, Discard, Message, PartialFailure, Publisher, TaskQueue

SALES = Channel("sales", max_length=2_000, max_retries=2, retry_delay=1)  # publishers wait when 2,000 are unread
RATES = {"EUR": 100, "NOK": 9, "USD": 92}  # cents of a euro
UNKNOWN, DAMAGED = 5, 7


class Store:
    """A table of sales. A message may come twice, a row is written once: its id is the key."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite3.connect(path)
        self.database.execute("CREATE TABLE sales (id TEXT PRIMARY KEY, shop TEXT, cents INTEGER)")

    def write(self, batch: list[Message]) -> None:
        """The handler: a whole batch in one transaction; what cannot be stored is named, the rest is done."""
        failed: dict[Message, Exception] = {}
        rows = []
        for message in batch:
            sale = message.data
            if sale["currency"] not in RATES:
                failed[message] = Discard(f"no rate for {sale['currency']}")  # trying again is pointless
            else:
                rows.append((message.id, message.metadata["source"], sale["amount"] * RATES[sale["currency"]]))
        with self.database:
            self.database.executemany("INSERT OR IGNORE INTO sales VALUES (?, ?, ?)", rows)
        if failed:
            raise PartialFailure(failed)

    def totals(self) -> tuple[int, int]:
        """Return the number of rows and the sum of their cents."""
        return self.database.execute("SELECT count(*), coalesce(sum(cents), 0) FROM sales").fetchone()


def make_sales(count: int) -> list[dict]:
    """Return sales, some of which are in a currency that nobody knows."""
    chance = random.Random(7)
    sales = [{"amount": chance.randrange(1, 100), "currency": chance.choice(list(RATES))} for _ in range(count)]
    for sale in chance.sample(sales, UNKNOWN):
        sale["currency"] = "XXX"
    return sales


def damage(queue: TaskQueue, message_id: str) -> None:
    """Change a message where it is stored, as a bad disk or a careless script might."""
    with redis.Redis.from_url(queue.namespace.endpoint.url, decode_responses=True) as server:
        key = f"examples:task:{message_id}"
        server.set(key, server.get(key).replace('"amount":', '"amount":9'))


def main(count: int) -> None:
    queue = TaskQueue(prefix="examples")
    sales = make_sales(count)
    # what is to come out, worked out in another way
    good = [sale for sale in sales if sale["currency"] in RATES]
    lost: list[dict] = []

    with tempfile.TemporaryDirectory() as folder, Publisher(queue, source="shop-1") as publisher:
        store = Store(Path(folder) / "sales.db")
        worker = ChannelWorker(queue)
        worker.register_handler(SALES, store.write, batch_size=500)
        for start in range(0, count, 1_000):
            part = sales[start : start + 1_000]
            ids = publisher.publish_batch(SALES, part)  # all of them or none
            for message_id, sale in zip(ids, part, strict=True):
                if len(lost) < DAMAGED and sale["currency"] in RATES and start == 0:
                    damage(queue, message_id)
                    lost.append(sale)
            worker.run_until_empty()  # in real life: worker.start() in other processes

        expected = sum(sale["amount"] * RATES[sale["currency"]] for sale in good)
        expected -= sum(sale["amount"] * RATES[sale["currency"]] for sale in lost)
        rows, cents = store.totals()
        print(f"published: {count}, waiting: {publisher.queue_length(SALES)}")
        print(f"stored: {rows} of {len(good) - len(lost)}, cents: {cents} of {expected}")

        letters = [letter for letter in queue.list_dead() if letter.queue == "sales"]
        corrupt = [letter for letter in letters if letter.reason == "corrupt"]
        print(f"dead letters: {len(corrupt)} damaged, {len(letters) - len(corrupt)} with an unknown currency")
        kept = queue.get_task(next(letter.task_id for letter in letters if letter not in corrupt))
        print(f"one of them: {kept.payload['currency']} from {kept.metadata['source']}")

        # The cause of some is gone: deliver them again. Damage does not heal.
        RATES["XXX"] = 1
        queue.replay_dead([letter.task_id for letter in letters])
        worker.run_until_empty()
        print(f"after the replay: {store.totals()[0]} stored, {len(queue.list_dead())} dead")
        print("forgotten:", queue.purge_dead())
        store.database.close()
    queue.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)

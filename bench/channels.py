"""``python -m bench.channels``: messages per second through a channel, beside bare redis-py, taken in turns."""

from __future__ import annotations

import json
import sys
import uuid

import redis

from bench.__main__ import ROUNDS, compare, introduce, show
from bench.measures import PAYLOAD, new_queue, rate, task
from bench.server import running
from taskq.channels import Consumer, Publisher

BATCH = 100
COUNT = 20_000


def submit_fresh_batches(url: str, count: int = COUNT) -> float:
    """Tasks per second with ``submit_batch`` of 100, tasks made on the way, as a publisher makes them."""
    queue = new_queue(url)
    return rate(count, lambda: [queue.submit_batch([task() for _ in range(BATCH)]) for _ in range(count // BATCH)])


def submit_ready_batches(url: str, count: int = COUNT) -> float:
    """Tasks per second with ``submit_batch`` of 100, tasks made before."""
    queue = new_queue(url)
    batches = [[task() for _ in range(BATCH)] for _ in range(count // BATCH)]
    return rate(count, lambda: [queue.submit_batch(batch) for batch in batches])


def publish_batches(url: str, count: int = COUNT) -> float:
    """Messages per second with ``publish_batch`` of 100."""
    publisher = Publisher(new_queue(url))
    messages = [PAYLOAD] * BATCH
    return rate(count, lambda: [publisher.publish_batch("bench", messages) for _ in range(count // BATCH)])


def consume_and_acknowledge(url: str, count: int = COUNT) -> float:
    """Messages per second of one consumer: 100 taken, checked and decoded, then acknowledged, two calls each."""
    queue = new_queue(url)
    publisher = Publisher(queue)
    for _ in range(count // 1000):
        publisher.publish_batch("bench", [PAYLOAD] * 1000)
    with Consumer("bench", queue) as consumer:
        consumer.get_consumer_info()

        def drain() -> None:
            done = 0
            while done < count:
                done += consumer.acknowledge(consumer.consume(BATCH))

        return rate(count, drain)


def bare_pop_and_delete(client: redis.Redis, count: int = COUNT) -> float:
    """The same by plain redis-py without any safety: LPOP of 100 ids, MGET and JSON, DEL; three calls each."""
    name = f"bare_{uuid.uuid4().hex}"
    body = json.dumps({"id": str(uuid.uuid4()), "checksum": "x" * 22, "payload": PAYLOAD})
    for start in range(0, count, 1000):
        ids = [f"{name}:{number}" for number in range(start, start + 1000)]
        client.mset(dict.fromkeys(ids, body))
        client.rpush(name, *ids)

    def drain() -> None:
        while ids := client.lpop(name, BATCH):
            for item in client.mget(ids):
                json.loads(item)
            client.delete(*ids)

    return rate(count, drain)


def main(binary: str | None) -> None:
    """Measure everything on one server."""
    with running(binary) as (url, client):
        introduce(client)
        print(f"medians of {ROUNDS} rounds, taken in turns\n")
        show("", "channel", "beside", "ratio", "goal")
        compare(
            "publish_batch / submit_batch, tasks made on it",
            lambda: publish_batches(url),
            lambda: submit_fresh_batches(url),
            "",
        )
        compare(
            "publish_batch / submit_batch, tasks made before",
            lambda: publish_batches(url),
            lambda: submit_ready_batches(url),
            ">= 0.8",
        )
        compare(
            "consume + acknowledge 100 / bare LPOP, MGET, DEL",
            lambda: consume_and_acknowledge(url),
            lambda: bare_pop_and_delete(client),
            ">= 20,000/s",
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)

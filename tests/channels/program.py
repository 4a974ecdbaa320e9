"""A consumer for tests that kill or freeze it: ``python -m tests.channels.program URL PREFIX``.

It takes all messages of ``orders``, says which on standard output, and acknowledges them when a line on standard input
tells it to; then it says how that went.
"""

from __future__ import annotations

import sys

from taskq import Consumer, NotHeld, TaskQueue
from taskq.settings import Settings


def main(url: str, prefix: str) -> None:
    """Serve until the standard input is closed."""
    settings = Settings(redis_url=url, prefix=prefix, heartbeat_interval_seconds=0.2, lease_seconds=1.5)
    with TaskQueue(settings=settings) as queue, Consumer("orders", queue) as consumer:
        messages = consumer.consume(100, block_ms=None)
        print(*(message.id for message in messages), flush=True)
        for _ in sys.stdin:
            try:
                print("acknowledged", consumer.acknowledge(messages), flush=True)
            except NotHeld as error:
                print("refused", *error.message_ids, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The yardstick: what redis-py and the server can do with no safety at all. Nothing here is a task queue.

Submit is one RPUSH, a batch one pipeline of them. The worker stores 50 results and takes the next 50 tasks with one Lua
call; who dies loses them. With threads it feeds so many of them, as fast as handlers that wait can be run here, and
takes no task that cannot start at once: taskq does not either. For round trips it takes one task with BLPOP and answers
on a list of its own.
"""

from __future__ import annotations

import json
import sys
from queue import SimpleQueue
from threading import Thread
from typing import Any

import redis

from bench.compare import work
from bench.compare.adapter import URL, VARIANT, WORK, Adapter, Payload

FIFTY = """
for number = 2, #ARGV, 2 do redis.call('SET', 'bare:result:' .. ARGV[number], ARGV[number + 1], 'EX', 3600) end
return ARGV[1] ~= '0' and redis.call('LPOP', 'bare:queue', ARGV[1]) or {}
"""


def encode(payload: Payload) -> str:
    """Return the text of a task."""
    return json.dumps(payload, separators=(",", ":"))


class Bare(Adapter):
    """Plain redis-py."""

    packages = ("redis", "hiredis")
    has_batch = True

    async def open(self) -> None:
        self.client = redis.Redis.from_url(URL, socket_timeout=None)

    async def close(self) -> None:
        self.client.close()

    async def submit(self, payload: Payload) -> Any:
        self.client.rpush("bare:queue", encode(payload))
        return payload["n"]

    async def submit_batch(self, payloads: list[Payload]) -> list[Any]:
        pipe = self.client.pipeline(transaction=False)
        for payload in payloads:
            pipe.rpush("bare:queue", encode(payload))
        pipe.execute()
        return [payload["n"] for payload in payloads]

    async def wait(self, handle: Any, timeout_seconds: float) -> Any:
        found = self.client.blpop([f"bare:reply:{handle}"], timeout_seconds)
        return int(found[1]) if found else None

    @staticmethod
    def worker(index: int) -> list[str]:
        return [sys.executable, "-m", __name__]


def serve_fifties(client: redis.Redis) -> None:
    """Settle and take fifty at a time."""
    sha, settled = client.script_load(FIFTY), []
    while True:
        taken = client.evalsha(sha, 0, 50, *settled)
        settled = []
        for text in taken:
            payload = json.loads(text)
            settled += (payload["n"], json.dumps(work.run(payload)))
        if not taken:
            first = client.blpop(["bare:queue"], 1)
            if first:
                client.lpush("bare:queue", first[1])


def serve_threads(client: redis.Redis, threads: int) -> None:
    """Settle what has ended, and take as many anew, for threads that run them."""
    sha, held = client.script_load(FIFTY), 0
    todo: SimpleQueue[bytes] = SimpleQueue()
    done: SimpleQueue[tuple[int, str]] = SimpleQueue()

    def run() -> None:
        while True:
            payload = json.loads(todo.get())
            done.put((payload["n"], json.dumps(work.run(payload))))

    for _ in range(threads):
        Thread(target=run, daemon=True).start()
    while True:
        settled: list[Any] = []
        while held == threads or not done.empty():
            settled += done.get()
            held -= 1
        taken = client.evalsha(sha, 0, threads - held, *settled)
        held += len(taken)
        for text in taken:
            todo.put(text)


def serve_single(client: redis.Redis) -> None:
    """Take one at a time and reply at once."""
    while True:
        taken = client.blpop(["bare:queue"], 1)
        if taken:
            payload = json.loads(taken[1])
            client.rpush(f"bare:reply:{payload['n']}", work.run(payload))


ADAPTER = Bare

if __name__ == "__main__":
    connection = redis.Redis.from_url(URL, socket_timeout=None)
    if WORK in ("round_trip", "loaded", "check"):
        serve_single(connection)
    elif VARIANT.get("threads"):
        serve_threads(connection, int(VARIANT["threads"]))
    else:
        serve_fifties(connection)

"""Dramatiq with its Redis broker and results."""

from __future__ import annotations

from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from bench.compare import work
from bench.compare.adapter import SLOTS, URL, VARIANT, Adapter, Payload, program

broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)
# the default limit of ten minutes would end the task of the recovery test
actor = dramatiq.actor(work.run, actor_name="work", store_results=True, time_limit=float("inf"))


class Dramatiq(Adapter):
    """``send`` and ``get_result``; there is no call for a batch."""

    packages = ("dramatiq", "redis", "hiredis")

    async def close(self) -> None:
        broker.close()

    async def submit(self, payload: Payload) -> Any:
        return actor.send(payload)

    async def wait(self, handle: Any, timeout_seconds: float) -> Any:
        return handle.get_result(block=True, timeout=int(timeout_seconds * 1000))

    @staticmethod
    def worker(index: int) -> list[str]:
        name = "dramatiq-gevent" if VARIANT.get("pool") == "gevent" else "dramatiq"
        return [program(name), "--processes", "1", "--threads", str(SLOTS), __name__]


ADAPTER = Dramatiq

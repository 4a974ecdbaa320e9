"""Celery with Redis as broker and result backend: late acknowledgement, as documented for tasks that must run."""

from __future__ import annotations

from typing import Any

from celery import Celery

from bench.compare import work
from bench.compare.adapter import SLOTS, URL, VARIANT, Adapter, Payload, program

app = Celery("compare", broker=URL, backend=URL)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # the optimizing guide: a large number for many short tasks
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
)
task = app.task(name="work")(work.run)


class CeleryPeer(Adapter):
    """``delay`` and ``get``."""

    packages = ("celery", "kombu", "redis", "hiredis")

    async def submit(self, payload: Payload) -> Any:
        return task.delay(payload)

    async def wait(self, handle: Any, timeout_seconds: float) -> Any:
        return handle.get(timeout=timeout_seconds)

    @staticmethod
    def worker(index: int) -> list[str]:
        command = [program("celery"), "-A", __name__, "worker", "--loglevel", "WARNING", "-n", f"worker{index}@%h"]
        command += ["--pool", VARIANT["pool"], "--concurrency", str(SLOTS)]
        return [*command, "--without-gossip", "--without-mingle"]


ADAPTER = CeleryPeer

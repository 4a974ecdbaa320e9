"""WakaQ: no results, and a task is off its list before it runs: a kill loses it."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from wakaq import WakaQ

from bench.compare import work
from bench.compare.adapter import SLOTS, URL, VARIANT, Adapter, Payload, program

app = WakaQ(
    queues=["default"],
    host=urlsplit(URL).hostname,
    port=urlsplit(URL).port,
    concurrency=1,
    async_concurrency=SLOTS,
    worker_log_level=logging.WARNING,
)
if VARIANT.get("handler") == "async":

    @app.task
    async def run(payload: Payload) -> None:
        """Run a task on the event loop."""
        await work.run_async(payload)
else:

    @app.task
    def run(payload: Payload) -> None:
        """Run a task."""
        work.run(payload)


class Wakaq(Adapter):
    """``delay``; there is no call for a batch, and no result to wait for."""

    packages = ("wakaq", "redis", "hiredis")
    has_results = False

    async def submit(self, payload: Payload) -> Any:
        return run.delay(payload)

    @staticmethod
    def worker(index: int) -> list[str]:
        return [program("wakaq-worker"), "--app", f"{__name__}.app"]


ADAPTER = Wakaq

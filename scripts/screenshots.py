"""Photograph the dashboard for the documentation: ``python -m scripts.screenshots [folder]``.

Fills a namespace on a server of its own with tasks in every state, and opens each page in the Chromium on PATH: at 375
and 1,440 pixels, light and dark, into a folder; without one, what the documentation shows, into docs/images.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from playwright.sync_api import sync_playwright

from bench.dashboard import served
from bench.server import running
from taskq import Discard, Saga, Task, TaskContext, TaskQueue, TaskScheduler, TaskWorker
from taskq.settings import Settings
from tests.browsers import FLAGS, find_chromium

PREFIX = "shop"
HISTORY_MINUTES = 60
PAGES = {
    "overview": "/",
    "queues": "/queues",
    "tasks": "/tasks?status=pending",
    "workers": "/workers",
    "schedules": "/schedules",
    "limits": "/limits",
    "sagas": "/sagas",
    "dead": "/dead",
    "nothing": "/tasks?status=cancelled&type=none",
}
SHOWN = {
    "dashboard-overview": ("overview", 1440, "light"),
    "dashboard-phone": ("overview", 375, "dark"),
    "dashboard-task": ("task", 1440, "light"),
    "dashboard-dead": ("dead", 1440, "light"),
    "dashboard-workers": ("workers", 1440, "dark"),
    "dashboard-limits": ("limits", 1440, "light"),
}


def register(worker: TaskWorker, go_on: threading.Event) -> None:
    """Register handlers that fail, wait or count."""

    def resize(task: Task, ctx: TaskContext) -> None:
        ctx.checkpoint({"done": 40, "last": "img-0040.png"})
        ctx.progress(0.4, "image 40 of 100")
        go_on.wait(600)

    def charge(task: Task) -> None:
        if task.payload["order"] % 3:
            raise Discard(f"CardDeclined: order {task.payload['order']} was declined by the bank")
        raise ConnectionError(f"payments.internal:{task.payload['order'] + 8000} refused the connection")

    worker.register_handler("image.resize", resize)
    worker.register_handler("order.charge", charge)
    worker.register_handler("mail.send", lambda task: "sent")


def fill(queue: TaskQueue, client: redis.Redis) -> dict[str, str]:
    """Submit tasks of every kind; return the ids of those with a page of their own."""
    trip = Saga("trip.book")
    trip.step("flight", lambda ctx, data: {"seat": "14c"}, lambda ctx, data: fail("the airline does not answer"))
    trip.step("hotel", lambda ctx, data: fail("no room is left"))
    queue.set_limit("type:mail.send", concurrency=10, rate="100/m", burst=20)
    queue.set_limit("customer", concurrency=1)
    queue.set_limit("api.example.com", rate="500/15m", sliding=True)
    queue.set_circuit("host", failures=5, within=60, open_for=600)
    queue.set_circuit("type:mail.send", failures=20)
    queue.open_circuit("host:payments.internal")
    scheduler = TaskScheduler(queue)
    scheduler.schedule_cron("nightly-report", "0 3 * * *", Task(task_type="report.build"), tz="Europe/Berlin")
    scheduler.schedule_every("pulse", 30, Task(task_type="mail.send", queue="mail"))
    scheduler.schedule_cron("month-end", "0 6 1 * *", Task(task_type="invoice.close", priority="high"))
    scheduler.pause_schedule("month-end")
    ids = {"saga": queue.submit_task(trip.task(priority="urgent", max_retries=0))}
    queue.submit_batch([Task(task_type="mail.send", payload={"n": n}) for n in range(60)])
    queue.submit_batch([Task(task_type="order.charge", payload={"order": 100 + n}, max_retries=0) for n in range(23)])
    worker = TaskWorker(queue, concurrency=4)
    register(worker, threading.Event())
    trip.register(worker)
    worker.run_until_empty()
    ids["failed"] = queue.list_dead(1)[0].task_id
    queue.submit_batch([Task(task_type="newsletter.send", queue="mail", priority="low") for _ in range(1840)])
    queue.submit_batch(
        [
            Task(task_type="report.build", queue="reports", priority=word)
            for word in ("high", "normal")
            for _ in range(140)
        ]
    )
    queue.submit_batch(
        [Task(task_type="order.sync", queue="orders", limit_keys=[f"customer:{n % 3}"]) for n in range(9)]
    )
    scheduler.schedule_task_in(Task(task_type="mail.send"), 3600)
    queue.chain(
        Task(task_type="order.pack", queue="orders"), Task(task_type="order.ship"), Task(task_type="order.invoice")
    )
    queue.pause("mail", "low")
    queue.pause(task_type="invoice.close")
    queue.set_sla("normal", age=3600, start=5)
    queue.set_sla("low", age=86_400, queue="mail")
    queue.set_sla("high", age=0.5, queue="reports")
    queue.submit_batch([Task(task_type="video.encode", priority="urgent") for _ in range(3)])
    queue.submit_batch([Task(task_type="order.refund", limit_keys=["host:payments.internal"]) for _ in range(4)])
    resized = {"album": 77, "width": 1200, "api_key": "not for your eyes", "format": "webp"}
    ids["task"] = queue.submit_task(
        Task(task_type="image.resize", payload=resized, priority="urgent", metadata={"by": "ada"})
    )
    minute = int(time.time()) // 60
    for ago in range(HISTORY_MINUTES, 0, -1):
        wave, since = abs((ago % 30) - 15), HISTORY_MINUTES - ago
        counters = f"{590 * since + 40 * wave} {580 * since} {3 * since} {since // 9} {2 * since} 0 0"
        sizes = f"{1700 + 24 * wave} 12 4 5 3 {since} 4"
        depths = f"{wave // 4} {20 + 4 * wave} {180 + 9 * wave} {1500 + 11 * wave}"
        client.rpush(f"{PREFIX}:history", f"{(minute - ago) * 60_000} {counters} {sizes} {900 * wave + 1500} {depths}")
    client.expire(f"{PREFIX}:history", 86_400)
    return ids


def fail(why: str) -> None:
    """Raise, as an expression."""
    raise Discard(why)


@contextmanager
def working(queue: TaskQueue) -> Iterator[None]:
    """Run a worker that is busy as long as the pictures are taken."""
    go_on = threading.Event()
    worker = TaskWorker(queue, concurrency=4)
    register(worker, go_on)
    thread = threading.Thread(target=worker.start)
    thread.start()
    try:
        while not queue.get_queue_stats().running_tasks:
            time.sleep(0.1)
        yield
    finally:
        go_on.set()
        worker.stop()
        thread.join()


def photograph(browser: Any, url: str, path: Path, look: tuple[int, str], tallest: int = 900) -> None:
    """Take one picture of a page from its top on, with a width and colours."""
    width, scheme = look
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(url)
    page.get_by_text("Live", exact=True).wait_for()
    page.wait_for_timeout(2500)  # until what is live was put in once
    height = min(tallest, page.evaluate("document.documentElement.scrollHeight"))
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": width, "height": height}, full_page=True)
    page.close()


def main(folder: Path | None) -> None:
    """Take all pictures."""
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("no Chromium on PATH: apt-get install chromium")
    with running() as (url, client), TaskQueue(settings=Settings(redis_url=url, prefix=PREFIX)) as queue:
        ids = fill(queue, client)
        paths = {**PAGES, **{name: f"/tasks/{task_id}" for name, task_id in ids.items()}}
        with working(queue), served(queue.settings, allow_actions=True) as address, sync_playwright() as tools:
            browser = tools.chromium.launch(executable_path=chromium, args=FLAGS)
            if folder is None:
                for picture, (name, width, scheme) in SHOWN.items():
                    photograph(browser, address + paths[name], Path(f"docs/images/{picture}.png"), (width, scheme))
            else:
                folder.mkdir(parents=True, exist_ok=True)
                for name, path in paths.items():
                    for width in (375, 1440):
                        for scheme in ("light", "dark"):
                            photograph(
                                browser, address + path, folder / f"{name}-{width}-{scheme}.png", (width, scheme), 1800
                            )
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

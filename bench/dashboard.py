"""``python -m bench.dashboard [tasks] [--record]``: how long pages of the dashboard take, what they cost the server.

Three figures are promised: how soon the overview is there, the longest server command, and what 50 open ones cost.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import redis

from bench.__main__ import introduce
from bench.server import running
from taskq import Discard, Task, TaskQueue, TaskWorker
from taskq.model.history import MOST_MINUTES
from taskq.settings import Settings
from taskq.web import DashboardOptions, create_app
from taskq.web.serving import DashboardServer

TASKS = 1_000_000
ROUNDS = 5
VISITORS = (0, 1, 50)
WATCH_SECONDS = 20
PREFIX = "bench"
DEAD = 5_000
PAGE = Path(__file__).parents[1] / "docs" / "dashboard.md"
BEGIN, END = "<!-- figures: python -m bench.dashboard --record -->", "<!-- end of the figures -->"
PAGES = (
    "/",
    "/?range=1440",
    "/queues",
    "/tasks?status=pending",
    "/tasks?status=pending&type=nothing",
    "/tasks?status=failed",
    "/workers",
    "/schedules",
    "/limits",
    "/sagas",
    "/dead",
)


def fill(queue: TaskQueue, client: redis.Redis, tasks: int) -> None:
    """Submit tasks of three priorities, let some of them die, and write a day of history."""
    worker = TaskWorker(queue, concurrency=1)

    def die(_: Task) -> None:
        raise Discard("no such account")

    worker.register_handler("dies", die)
    queue.submit_batch([Task(task_type="dies", payload={"n": n}) for n in range(DEAD)])
    worker.run_until_empty()
    for _ in range(0, tasks, 5000):
        labels = ("low", "normal", "high")
        queue.submit_batch([Task(payload={"n": n}, priority=labels[n % 3]) for n in range(min(5000, tasks))])
    minute = int(time.time()) // 60
    numbers = "600 590 3 4 20 0 0 1000000 20 10 5 0 12 8 4710 0 100 800 100"
    lines = [f"{(minute - ago) * 60_000} {numbers}" for ago in range(MOST_MINUTES, 0, -1)]
    client.rpush(f"{PREFIX}:history", *lines)
    client.expire(f"{PREFIX}:history", 86_400)


def measure_page(client: redis.Redis, url: str, path: str) -> tuple[float, float, float]:
    """Return what a page takes, its median and its longest, and its longest server command, as medians, in ms."""
    took: list[float] = []
    longest: list[int] = []
    for _ in range(ROUNDS):
        time.sleep(1.1)  # what was read a second ago is read anew
        client.slowlog_reset()
        begun = time.perf_counter()
        urllib.request.urlopen(url + path).read()
        took.append((time.perf_counter() - begun) * 1000)
        entries = client.slowlog_get(10_000)
        # what a script calls is part of it; looking at the log is not the dashboard's
        own = (entry["duration"] for entry in entries if not entry["command"].startswith(b"SLOWLOG"))
        longest.append(max(own, default=0))  # as a median: one that waited for the core took nothing from the server
    return statistics.median(took), max(took), statistics.median(longest) / 1000


def cpu_seconds(client: redis.Redis) -> float:
    """Return how much of a core the server has used so far."""
    info = client.info("cpu")
    return float(info["used_cpu_sys"] + info["used_cpu_user"])


def look(url: str, stop: threading.Event) -> None:
    """Keep an overview open."""
    with urllib.request.urlopen(f"{url}/live?topic=nav&topic=overview:60") as stream:
        while not stop.is_set():
            stream.readline()


def measure_visitors(client: redis.Redis, url: str, visitors: int) -> float:
    """Return how much of a core of the server open overviews use, all told."""
    stop = threading.Event()
    for _ in range(visitors):
        threading.Thread(target=look, args=(url, stop), daemon=True).start()
    time.sleep(3)
    before, begun = cpu_seconds(client), time.monotonic()
    time.sleep(WATCH_SECONDS)
    share = (cpu_seconds(client) - before) / (time.monotonic() - begun)
    stop.set()
    return share


@contextmanager
def served(settings: Settings, *, allow_actions: bool = False) -> Iterator[str]:
    """Serve the dashboard; yield its address."""
    app = create_app(settings, DashboardOptions(trusted=True, allow_actions=allow_actions))
    ready: SimpleQueue[str] = SimpleQueue()
    server = DashboardServer(app, app.stop, "127.0.0.1", 0, ready.put)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield ready.get()
    finally:
        server.should_exit = True
        thread.join()


def report(client: redis.Redis, address: str, tasks: int) -> list[str]:
    """Return all figures as lines of Markdown; the three that are promised come first."""
    pages = {path: measure_page(client, address, path) for path in PAGES}
    client.config_set("slowlog-log-slower-than", -1)
    shares = {visitors: measure_visitors(client, address, visitors) for visitors in VISITORS}
    first, longest = pages["/"], max(page[2] for page in pages.values())
    found = client.info("server")
    name = f"Valkey {found['valkey_version']}" if "valkey_version" in found else f"Redis {found['redis_version']}"
    return [
        f"{name}, {tasks:,} pending tasks, {DEAD:,} dead letters and a history of a whole day. A page is the time from",
        f"the request to its last byte; its longest command is as the server has timed it. Medians of {ROUNDS}.",
        "",
        "| promise | bound | measured |",
        "|---|---|---|",
        f"| the overview is there after | 500 ms | {first[0]:.0f} ms, {first[1]:.0f} ms at most |",
        f"| no server command takes longer than | 5 ms | {longest:.2f} ms, the longest of all pages below |",
        f"| {VISITORS[-1]} open overviews cost the server | 2 % of a core | {shares[VISITORS[-1]]:.2%} |",
        "",
        "| page | takes | longest command |",
        "|---|---|---|",
        *(f"| `{path.replace('|', '')}` | {page[0]:.0f} ms | {page[2]:.2f} ms |" for path, page in pages.items()),
        "",
        "| open overviews | of a core of the server |",
        "|---|---|",
        *(f"| {visitors} | {share:.2%} |" for visitors, share in shares.items()),
    ]


def main(tasks: int, page: Path | None) -> None:
    """Print all figures, and write them into the page if there is one."""
    with running() as (url, client):
        introduce(client)
        settings = Settings(redis_url=url, prefix=PREFIX)
        with TaskQueue(settings=settings) as queue:
            fill(queue, client, tasks)
        client.config_set("slowlog-log-slower-than", 0)
        client.config_set("slowlog-max-len", 10_000)
        with served(settings) as address:
            text = "\n".join(report(client, address, tasks))
    print(text)
    if page is not None:
        head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        page.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="?", type=int, default=TASKS)
    parser.add_argument("--record", action="store_true", help="write the figures into docs/dashboard.md")
    given = parser.parse_args()
    main(given.tasks, PAGE if given.record else None)

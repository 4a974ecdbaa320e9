"""``python -m bench.dashboard [tasks]``: what the pages of the dashboard cost the server, and how long they take."""

from __future__ import annotations

import statistics
import sys
import threading
import time
import urllib.request
from collections import defaultdict
from queue import SimpleQueue

import redis

from bench.__main__ import introduce
from bench.server import running
from taskq import Task, TaskQueue
from taskq.model.history import MOST_MINUTES
from taskq.settings import Settings
from taskq.web import DashboardOptions, create_app
from taskq.web.serving import DashboardServer

TASKS = 1_000_000
ROUNDS = 5
VISITORS = (0, 1, 50)
WATCH_SECONDS = 20
PREFIX = "bench"
PAGES = (
    "/",
    "/?range=1440",
    "/queues",
    "/tasks?status=pending",
    "/tasks?status=pending&type=nothing",
    "/tasks?status=failed",
    "/workers",
    "/schedules",
    "/dead",
)


def fill(queue: TaskQueue, client: redis.Redis, tasks: int) -> None:
    """Submit tasks of three priorities, and write a day of history."""
    for _ in range(0, tasks, 5000):
        labels = ("low", "normal", "high")
        queue.submit_batch([Task(payload={"n": n}, priority=labels[n % 3]) for n in range(min(5000, tasks))])
    minute = int(time.time()) // 60
    numbers = "600 590 3 4 20 0 0 1000000 20 10 5 0 12 8 4710 0 100 800 100"
    lines = [f"{(minute - ago) * 60_000} {numbers}" for ago in range(MOST_MINUTES, 0, -1)]
    client.rpush(f"{PREFIX}:history", *lines)
    client.expire(f"{PREFIX}:history", 86_400)


def show_page(client: redis.Redis, url: str, path: str) -> None:
    """Print how long a page takes, and how long a call of its slowest script does, as medians."""
    took: list[float] = []
    commands: dict[bytes, list[int]] = defaultdict(list)
    for _ in range(ROUNDS):
        time.sleep(1.1)  # what was read a second ago is read anew
        client.slowlog_reset()
        begun = time.perf_counter()
        urllib.request.urlopen(url + path).read()
        took.append((time.perf_counter() - begun) * 1000)
        for entry in client.slowlog_get(10_000):
            if entry["command"].startswith(b"EVALSHA"):  # what stands in a script is part of it
                commands[entry["command"][:48]].append(entry["duration"])
    worst = max((statistics.median(durations) for durations in commands.values()), default=0)
    print(f"{path:<36} {statistics.median(took):>8.0f} ms {worst / 1000:>14.2f} ms")


def cpu_seconds(client: redis.Redis) -> float:
    """Return how much of a core the server has used so far."""
    info = client.info("cpu")
    return float(info["used_cpu_sys"] + info["used_cpu_user"])


def look(url: str, stop: threading.Event) -> None:
    """Keep an overview open."""
    with urllib.request.urlopen(f"{url}/live?topic=nav&topic=overview:60") as stream:
        while not stop.is_set():
            stream.readline()


def show_visitors(client: redis.Redis, url: str, visitors: int) -> None:
    """Print what open overviews cost the server."""
    stop = threading.Event()
    for _ in range(visitors):
        threading.Thread(target=look, args=(url, stop), daemon=True).start()
    time.sleep(3)
    before, begun = cpu_seconds(client), time.monotonic()
    time.sleep(WATCH_SECONDS)
    share = (cpu_seconds(client) - before) / (time.monotonic() - begun)
    stop.set()
    print(f"{visitors:>3} open overviews: {share:.2%} of a core of the server")


def main(tasks: int) -> None:
    """Print all figures."""
    with running() as (url, client):
        introduce(client)
        settings = Settings(redis_url=url, prefix=PREFIX)
        with TaskQueue(settings=settings) as queue:
            fill(queue, client, tasks)
        client.config_set("slowlog-log-slower-than", 0)
        client.config_set("slowlog-max-len", 10_000)
        app = create_app(settings, DashboardOptions(trusted=True))
        ready: SimpleQueue[str] = SimpleQueue()
        server = DashboardServer(app, app.stop, "127.0.0.1", 0, ready.put)
        thread = threading.Thread(target=server.run)
        thread.start()
        address = ready.get()
        print(f"{tasks:,} tasks wait\n{'page':<36} {'takes':>11} {'slowest call':>17}")
        for path in PAGES:
            show_page(client, address, path)
        client.config_set("slowlog-log-slower-than", -1)
        for visitors in VISITORS:
            show_visitors(client, address, visitors)
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TASKS)

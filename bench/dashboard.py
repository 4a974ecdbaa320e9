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
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import quote

import redis

from bench.__main__ import introduce
from bench.server import go_first, running
from taskq import Discard, Task, TaskQueue, TaskWorker
from taskq.model.history import MOST_MINUTES
from taskq.observe.pages import TaskFilter
from taskq.protocol.operations import SCRIPTS
from taskq.settings import Settings
from taskq.web import DashboardOptions, create_app
from taskq.web.letters import group_key
from taskq.web.serving import DashboardServer

TASKS = 1_000_000
ROUNDS = 7
# what scripts call is logged, too, and to log it takes longer than to do it: only what is long enough to matter
LOGGED_US = 200
FIRST = " Server and dashboard went before all other programs of the machine."
VISITORS = (0, 1, 50)
WATCH_SECONDS = 20
PREFIX = "bench"
ENDED = 5_000
CROWD = 127  # the most that a server hands out in one reply, whatever is asked for
PAGE = Path(__file__).parents[1] / "docs" / "dashboard.md"
BEGIN, END = "<!-- figures: python -m bench.dashboard --record -->", "<!-- end of the figures -->"
NAMES = {script.sha: f"`{name}`" for name, script in SCRIPTS.items()}
PAGES = (
    "/",
    "/?range=1440",
    "/queues",
    "/tasks?status=pending",
    "/tasks?status=pending&queue=default&cursor=0~list normal~300000",
    "/tasks?status=pending&type=nothing",
    "/tasks?status=pending&until=2020-01-01T00:00",
    "/tasks?status=running",
    "/tasks?status=completed",
    "/tasks?status=failed",
    "/tasks?status=pending&id=TASK",
    "/tasks/TASK",
    "/tasks/DEAD",
    "/workers",
    "/schedules",
    "/limits",
    "/sagas",
    "/dead",
    "/dead?group=GROUP",
)


def fill(queue: TaskQueue, client: redis.Redis, tasks: int) -> dict[str, str]:
    """Submit tasks of three priorities, let some of them end, and write a day of history.

    Returns:
        What stands for the words in capitals of ``PAGES``.
    """
    worker = TaskWorker(queue, concurrency=10)

    def die(_: Task) -> None:
        raise Discard("no such account")

    worker.register_handler("dies", die)
    worker.register_handler("ends", lambda task: {"n": task.payload["n"]})
    for kind in ("dies", "ends"):
        queue.submit_batch([Task(task_type=kind, payload={"n": n}) for n in range(ENDED)])
    worker.run_until_empty()
    names = [f"queue-{n}" for n in range(CROWD)]
    queue.submit_batch([Task(queue=name, priority=label) for name in names for label in ("low", "normal", "high")])
    crowd(client)
    for _ in range(0, tasks, 5000):
        labels = ("low", "normal", "high")
        queue.submit_batch([Task(payload={"n": n}, priority=labels[n % 3]) for n in range(min(5000, tasks))])
    minute = int(time.time()) // 60
    numbers = "600 590 3 4 20 0 0 1000000 20 10 5 0 12 8 4710 0 100 800 100"
    lines = [f"{(minute - ago) * 60_000} {numbers}" for ago in range(MOST_MINUTES, 0, -1)]
    client.rpush(f"{PREFIX}:history", *lines)
    client.expire(f"{PREFIX}:history", 86_400)
    dead = queue.find_tasks(TaskFilter("failed"), limit=1).tasks[0]
    last = client.lindex(f"{PREFIX}:queue:normal", -1).decode()
    return {"TASK": last, "DEAD": dead["task_id"], "GROUP": group_key(dead)}


def crowd(client: redis.Redis) -> None:
    """Write what so many busy workers would have written."""
    now = int(time.time() * 1000)
    for n in range(CROWD):
        worker = f"worker-{n:08x}"
        client.sadd(f"{PREFIX}:workers", worker)
        client.zadd(f"{PREFIX}:leases", {worker: now + 3_600_000})
        client.hset(f"{PREFIX}:worker:{worker}", mapping={"host": "h", "slots": "100", "started": str(now)})
        client.rpush(f"{PREFIX}:processing:{worker}", *(f"{worker}-{held}" for held in range(100)))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a page costs, in ms.

    Attributes:
        median: from the request to the last byte.
        worst: the longest of all rounds.
        command: the longest of its server commands, each as the median over the rounds: one that waited for the core,
            behind some other program, took nothing from the server.
        name: of the script or command that took longest.
    """

    median: float
    worst: float
    command: float
    name: str


def measure_page(client: redis.Redis, url: str, path: str) -> Cost:
    """Ask for a page again and again."""
    took: list[float] = []
    durations: dict[bytes, list[int]] = {}
    for _ in range(ROUNDS):
        time.sleep(1.1)  # what was read a second ago is read anew
        client.slowlog_reset()
        begun = time.perf_counter()
        urllib.request.urlopen(url + path).read()
        took.append((time.perf_counter() - begun) * 1000)
        for entry in client.slowlog_get(10_000):
            durations.setdefault(entry["command"], []).append(entry["duration"])
    # a command that is not in the log of a round has taken less than what is logged
    medians = {name: sorted([*found, *[0] * (ROUNDS - len(found))])[ROUNDS // 2] for name, found in durations.items()}
    longest = max(medians, key=medians.__getitem__, default=b"")
    if not medians.get(longest):
        return Cost(statistics.median(took), max(took), LOGGED_US / 1000, "none longer")
    return Cost(statistics.median(took), max(took), medians[longest] / 1000, spell(longest))


def spell(command: bytes) -> str:
    """Return the name of the script that was called, or of the command."""
    words = command.decode("utf-8", "replace").split()
    return NAMES.get(words[1], "a script") if words[0] == "EVALSHA" else words[0]


def insert(path: str, words: dict[str, str]) -> str:
    """Return the address that a page of ``PAGES`` has here."""
    for word, value in words.items():
        path = path.replace(word, value)
    return path


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


def report(client: redis.Redis, address: str, tasks: int, words: dict[str, str], first: bool) -> list[str]:
    """Return all figures as lines of Markdown; the three that are promised come first."""
    pages = {path: measure_page(client, address, quote(insert(path, words), safe="/?&=")) for path in PAGES}
    client.config_set("slowlog-log-slower-than", -1)
    shares = {visitors: measure_visitors(client, address, visitors) for visitors in VISITORS}
    overview, longest = pages["/"], max(pages.values(), key=lambda cost: cost.command)
    found = client.info("server")
    name = f"Valkey {found['valkey_version']}" if "valkey_version" in found else f"Redis {found['redis_version']}"
    return [
        f"{name}, {tasks:,} pending tasks, {ENDED:,} that have completed, {ENDED:,} dead letters, {CROWD} queues,",
        f"{CROWD} workers that hold 100 tasks each, and a history of a whole day. A page is the time from the request",
        "to its last byte; its longest command is as the server has timed it, each as the median of "
        f"{ROUNDS} times. What",
        f"takes less than {LOGGED_US / 1000} ms is not told apart.{FIRST if first else ''}",
        "",
        "| promise | bound | measured |",
        "|---|---|---|",
        f"| the overview is there after | 500 ms | {overview.median:.0f} ms, {overview.worst:.0f} ms at most |",
        f"| no server command takes longer than | 5 ms | {longest.command:.2f} ms, {longest.name} |",
        f"| {VISITORS[-1]} open overviews cost the server | 2 % of a core | {shares[VISITORS[-1]]:.2%} |",
        "",
        "| page | takes | longest command | which |",
        "|---|---|---|---|",
        *(f"| `{path}` | {cost.median:.0f} ms | {cost.command:.2f} ms | {cost.name} |" for path, cost in pages.items()),
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
            words = fill(queue, client, tasks)
        client.config_set("slowlog-log-slower-than", LOGGED_US)
        client.config_set("slowlog-max-len", 10_000)
        first = go_first(int(client.info("server")["process_id"]), 0)
        with served(settings) as address:
            text = "\n".join(report(client, address, tasks, words, first))
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

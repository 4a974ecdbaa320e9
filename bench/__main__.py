"""``python -m bench``: the figures of taskq beside bare redis-py + hiredis, taken in turns on one server."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Callable

import redis

from bench import measures
from bench.server import running

ROUNDS = 5


def in_turns(ours: Callable[[], float], bare: Callable[[], float]) -> tuple[float, float, float]:
    """Return the medians of both, and of their ratios pair by pair."""
    pairs = [(ours(), bare()) for _ in range(ROUNDS)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def introduce(client: redis.Redis) -> None:
    """Print what is measured with."""
    info = client.info("server")
    server = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
    print(f"{server}, Python {platform.python_version()}, redis-py {redis.__version__}, {os.cpu_count()} cores")


def show(what: str, ours: str, bare: str, ratio: str, goal: str) -> None:
    """Print one row."""
    print(f"{what:<44} {ours:>14} {bare:>14} {ratio:>8}   {goal}")


def compare(what: str, ours: Callable[[], float], bare: Callable[[], float], goal: str) -> None:
    """Measure two rates in turns and print them."""
    a, b, ratio = in_turns(ours, bare)
    show(what, f"{a:,.0f}/s", f"{b:,.0f}/s", f"{ratio:.2f}", goal)


def main(binary: str | None) -> None:
    """Measure everything on one server."""
    with running(binary) as (url, client):
        introduce(client)
        print(f"medians of {ROUNDS} rounds, taken in turns; server and client on a core each where there are two\n")
        show("", "taskq", "bare", "ratio", "goal")
        compare(
            "submit_task, one by one / bare EVALSHA",
            lambda: measures.submit_one_by_one(url),
            lambda: measures.bare_evalsha(client),
            ">= 0.7",
        )
        compare(
            "submit_batch of 100 / pipeline of 100 SETs",
            lambda: measures.submit_batches(url),
            lambda: measures.bare_pipeline(client),
            ">= 1.0",
        )
        for slots, goal in ((10, ">= 3"), (1, ">= 0.5"), (32, "")):
            compare(
                f"drain no-op, {slots} slots / bare EVALSHA",
                lambda slots=slots: measures.drain(url, slots),
                lambda: measures.bare_evalsha(client),
                goal,
            )
        limited(url)
        round_trip(url, client)
        idle = measures.commands_per_second_idle(url, client)
        show("commands of an idle worker", f"{idle:.2f}/s", "", "", "<= 1/s")
        client.flushall()
        pending, completed = measures.bytes_per_task(url, client)
        show("bytes per pending task, 100-byte payload", f"{pending:.0f}", "", "", "<= 500")
        show("bytes per completed task", f"{completed:.0f}", "", "", "<= 900")
        client.flushall()
        small = measures.claim_seconds(url, 3_000)
        large = measures.claim_seconds(url, 1_000_000)
        show(
            "turn of 10, 1,000,000 / 3,000 pending",
            f"{large * 1e6:.0f} us",
            f"{small * 1e6:.0f} us",
            f"{large / small:.2f}",
            "as below",
        )
        client.flushall()
        small, large = (measures.bare_take_seconds(client, size) for size in (3_000, 1_000_000))
        show("the same by bare commands", f"{large * 1e6:.0f} us", f"{small * 1e6:.0f} us", f"{large / small:.2f}", "")


def limited(url: str) -> None:
    """Measure what a limit that has room costs a turn: the time of one with it beside the time of one without."""
    for what, limit, options in (("of their type", "type:noop", {}), ("of one key", "k", {"limit_keys": ["k"]})):
        plain, kept, ratio = in_turns(
            lambda: measures.turns(url), lambda limit=limit, options=options: measures.turns(url, limit, **options)
        )
        times = (f"{1e6 / rate:.0f} us" for rate in (kept, plain))
        show(f"turn of 10, with a limit {what} / without", *times, f"{ratio:.2f}", "<= 1.15")


def round_trip(url: str, client: redis.Redis) -> None:
    """Measure submit -> result on an idle system."""
    bare = sorted(measures.bare_round_trips(client))
    ours = sorted(measures.round_trips(url))
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        a, b = ours[int(len(ours) * share)], bare[int(len(bare) * share)]
        goal = "<= 5" if name == "p50" else ""
        show(
            f"submit -> result, idle, {name} / bare round trip",
            f"{a * 1e3:.2f} ms",
            f"{b * 1e3:.2f} ms",
            f"{a / b:.2f}",
            goal,
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)

"""``python -m bench.limits [server [case]]``: time of the server per task with each kind of limit, beside none.

The server's own clock tells it: what ``INFO commandstats`` says of EVALSHA, so neither clients nor sockets count. The
turns are those of ``bench.instructions``, ten or fifty tasks each, in rounds of one without a limit and one with it;
shown are medians. On a machine that does other things too, ``chrt -r 50`` before it lets it run first.
"""

from __future__ import annotations

import statistics
import sys

import redis

from bench.instructions import CASES, Case, prepared
from bench.measures import take_turns
from bench.server import running

ROUNDS, TASKS, SIZES = 9, 3000, (10, 50)


def seconds_of_turns(url: str, client: redis.Redis, case: Case, want: int) -> float:
    """Return seconds of the server per task in turns that settle and claim so many."""
    client.flushall()
    queue, batches = prepared(url, case, TASKS)
    for batch in batches:
        queue.submit_batch(batch)
    client.config_resetstat()
    take_turns(queue, TASKS, want)
    usec: float = client.info("commandstats")["cmdstat_evalsha"]["usec"]
    return usec / TASKS / 1e6


def main(binary: str | None, chosen: str = "") -> None:
    """Print a row for each case whose name contains one of ``chosen``, with commas between."""
    plain, *others = CASES
    with running(binary) as (url, client):
        info = client.info("server")
        server = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
        print(f"{server}; us of the server per task, medians of {ROUNDS} rounds\n")
        print(f"{'':<40}" + "".join(f"{f'turns of {want}':>14} {'without':>8} {'':>7}" for want in SIZES))
        for case in others:
            if not any(text in case.what for text in chosen.split(",")):
                continue
            row = f"{case.what:<40}"
            for want in SIZES:
                pairs = [
                    (seconds_of_turns(url, client, case, want), seconds_of_turns(url, client, plain, want))
                    for _ in range(ROUNDS)
                ]
                ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
                ratio = statistics.median(a / b for a, b in pairs)
                row += f"{ours * 1e6:>14.2f} {bare * 1e6:>8.2f} {ratio:>7.3f}"
            print(row, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:] or [None])

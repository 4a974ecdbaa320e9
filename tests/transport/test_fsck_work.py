"""No step of fsck does more work on a larger namespace: commands, words and elements are counted, not time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pytest
import redis

from taskq.model.limit import Limit
from taskq.protocol.operations import load_scripts
from taskq.protocol.workflow import Child, FamilyPlan
from taskq.settings import Settings
from taskq.transport.fsck import Fsck
from tests.conftest import StartServer
from tests.state import LEASE_MS, Bench, settle, task

# words and elements of all commands of a call; a thousand take half a millisecond of a server with a core for itself
MOST = 1_500


def elements(words: Sequence[str]) -> float:
    """Return how many elements of a collection a command may look at."""
    name, options = words[0].upper(), [word.upper() for word in words]
    if name in ("LRANGE", "ZRANGE"):
        start, stop = int(words[2]), int(words[3])
        return stop - start + 1 if (start < 0) == (stop < 0) else math.inf
    if name in ("SCAN", "SSCAN", "HSCAN", "ZSCAN"):
        return int(words[options.index("COUNT") + 1])
    if name == "LPOS" and (":queue:" in words[1] or ":group:" in words[1]):
        return int(words[options.index("MAXLEN") + 1]) if "MAXLEN" in options else math.inf
    if name == "LREM" and (":queue:" in words[1] or ":group:" in words[1]):
        return math.inf
    return int(words[2]) if name == "SRANDMEMBER" else 0


def works(client: redis.Redis, fsck: Fsck, names: dict[str, str]) -> Counter[str]:
    """Return the most work of a call by the name of the script, of all that a run sends."""
    most: Counter[str] = Counter()
    with client.monitor() as monitor:
        fsck.check()
        client.echo("the end")
        name, work = "", 0.0
        for seen in monitor.listen():
            # as the client that reads this decodes it
            words = str(seen["command"]).split(" ")
            if seen["client_type"] == "lua":
                work += len(words) + elements(words)
                most[name] = max(most[name], work)
            elif words[0] == "ECHO":
                return most
            else:
                name, work = " ".join(names.get(word, word) for word in words[1:2]), 0.0
                if name in ("check", "indexes", "mend_place"):
                    name += f" {words[4 + (name == 'indexes')]}"
    raise AssertionError("the server has closed the connection")


def fill(bench: Bench, size: int) -> None:
    bench.audited = False
    bench.register("w1", "w2")
    bench.run(bench.protocol.set_limit(Limit("few", concurrency=size)))
    for start in range(0, size, 100):
        bench.submit(*(task(f"n{n}") for n in range(start, start + 100)))
        ended = "fail" if start % 200 else "complete"
        bench.end("w1", *(settle(claim, ended) for claim in bench.claim("w1", 100)))
        bench.submit(*(task(f"a{n}", limits="few") for n in range(start, start + 100)))
        bench.claim("w2", 100)
        bench.submit(*(task(f"p{n}") for n in range(start, start + 100)), task(f"d{start}", due="+60000"))
        bench.submit(*(task(f"g{n}", "low", group=f"g{n}") for n in range(start, start + 100)))
        bench.submit(*(task(f"h{n}", "low", group="h") for n in range(start, start + 100)))
    bench.run(bench.protocol.set_limit(Limit("none", concurrency=1)))
    bench.submit(*(task(f"b{n}", "high", limits="none") for n in range(size)))
    bench.claim("w1", 1, ["high"])
    for _ in range(size // 100):
        bench.claim("w2", 100, ["high"])
    for start in range(0, size, 100):
        children = [Child(f"c{n}", "C", "low") for n in range(start, start + 100)]
        bench.run(bench.protocol.fanout(FamilyPlan("f", size, "wait_all", ttl_ms=90_000), start, children, 0))


def damage(bench: Bench, size: int) -> None:
    queue = bench.key("queue", "normal")
    bench.client.lpush(queue, f"p{size - 1}", f"p{size // 2}", "n0", "n0")
    bench.client.rpush(queue, "p0")
    bench.client.srem(bench.key("status", "pending"), "p1")
    bench.client.hset(bench.key("permits"), mapping={f"nobody{n}": n for n in range(size)})
    bench.client.zadd(bench.key("blocked", "none"), {f"nobody{n}": n for n in range(size)})
    bench.client.delete(bench.key("jams"))
    bench.client.delete(bench.key("gathered", "f"))
    bench.client.hset(bench.key("family", "f"), "completed", size)
    bench.client.hdel(bench.key("running"), "a0")
    low = bench.key("queue", "low")
    bench.client.ltrim(low, size // 10, -1)
    bench.client.rpush(low, "@h", *(f"@g{n}" for n in range(size - 9, size)))
    bench.client.rpush(bench.key("group", "low/h"), "h0")


@pytest.mark.parametrize("repair", [False, True], ids=["check", "repair"])
def test_no_call_does_more_on_a_larger_namespace(start_server: StartServer, repair: bool) -> None:
    server = start_server()
    scripts = load_scripts("shifted_clock")
    names = {script.sha: name for name, script in scripts.items()}
    for script in scripts.values():
        server.client().script_load(script.source)
    settings = Settings(lease_seconds=LEASE_MS / 1000, heartbeat_interval_seconds=10.0)
    most = []
    for size in (100, 400):
        bench = Bench(server.url, f"size{size}", server.client())
        fill(bench, size)
        damage(bench, size)
        fsck = Fsck(bench.transport.run, bench.protocol, settings, repair=repair, pause_seconds=0.0)
        most.append(works(server.client(), fsck, names))
        bench.close()
    large = {name: work for name, work in most[1].items() if work > MOST}
    assert large == {}
    grown = {name: (most[0][name], work) for name, work in most[1].items() if work > 1.3 * most[0][name] + 50}
    assert grown == {}

"""What fsck says of what a foreign hand has put into a namespace, and what of it stays as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from taskq.protocol.audit import expires
from taskq.protocol.keys import FAMILIES
from taskq.protocol.view import KINDS
from tests.state import Bench, changes
from tests.transport.busy import busy_namespace, findings, found, kept, run


@pytest.fixture
def bench(redis_url: str, prefix: str, redis_client: redis.Redis) -> Iterator[Bench]:
    """A namespace with something of everything."""
    with busy_namespace(redis_url, prefix, redis_client) as bench:
        yield bench


def test_counters_are_reported_and_never_changed(bench: Bench) -> None:
    bench.client.hincrby(bench.key("counters"), "submitted", 3)
    bench.client.hincrby(bench.key("counters"), "completed", 2)
    before = kept(bench)
    report = run(bench, repair=True)
    assert found(report) == {("I6", "counters"), ("I9", "counters")}
    assert report.left == 2
    assert changes(before, kept(bench)) == {}


FOREIGN = b"\xff\xfe"


@pytest.mark.parametrize(
    ("command", "family", "name", "words", "invariant"),
    [
        ("SADD", "status", "pending", (), "I4"),
        ("SADD", "status", "completed", (), "I5"),
        ("RPUSH", "queue", "normal", (), "I1"),
        ("SADD", "tombstones", "", (), "I1"),
        ("RPUSH", "processing", "w1", (), "I3"),
        ("ZADD", "scheduled", "", (1,), "I2"),
        ("ZADD", "dead", "", (1,), "index"),
        ("ZADD", "sagas", "", (1,), "index"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-",
)
def test_ids_that_are_no_utf8(
    bench: Bench, command: str, family: str, name: str, words: tuple[int, ...], invariant: str
) -> None:
    bench.client.execute_command(command, bench.key(family, name), *words, FOREIGN)
    assert (invariant, "\\xff\\xfe") in found(run(bench))
    run(bench, repair=True)
    assert found(run(bench)) - {("I6", "counters"), ("I9", "counters")} == set()


def test_keys_that_are_no_utf8(bench: Bench) -> None:
    """What was put there by hand is reported as it is, and keys of known families are mended."""
    root = bench.protocol.keys.root.encode()
    bench.client.set(root + FOREIGN, "x")
    bench.client.rpush(root + b"bell:" + FOREIGN, *range(9))
    bench.client.hset(root + b"state:" + FOREIGN, "status", "pending")
    expected = {("key", "\\xff\\xfe"), ("I7", "\\xff\\xfe"), ("I4", "\\xff\\xfe")}
    assert found(run(bench, repair=True)) == expected
    assert found(run(bench)) == {("key", "\\xff\\xfe")}
    bench.client.delete(root + FOREIGN, root + b"bell:" + FOREIGN)


def test_foreign_keys_are_reported_and_never_changed(bench: Bench) -> None:
    bench.client.set(bench.key("root") + "mine", "x")
    bench.client.set(bench.key("bell", "high"), "x")
    before = kept(bench)
    assert found(run(bench, repair=True)) == {("key", "mine"), ("key", "bell:high")}
    assert changes(before, kept(bench)) == {}


@pytest.mark.parametrize("family", ["limits", "circuits", "bounds", "sla", "schedules"])
def test_settings_that_cannot_be_read_are_reported_and_never_changed(bench: Bench, family: str) -> None:
    bench.client.hset(bench.key(family), "mine", "no such line")
    bench.client.set(bench.key("limited"), "# paused *")
    before = kept(bench)
    assert [sentence[:4] for sentence in findings(bench)] == ["I14:"] * (family != "schedules")
    assert found(run(bench, repair=True)) == {("I14", "mine")}
    assert changes(before, kept(bench)) == {}


@pytest.mark.parametrize("family", [family for family in KINDS if expires(family) is not None])
def test_every_key_that_is_not_of_a_task_keeps_its_kind_of_expiry(bench: Bench, family: str) -> None:
    name = {"status": "pending", "queue": "normal", "processing": "w1", "worker": "w1", "bell": "normal"}.get(
        family, "n"
    )
    key = bench.key(family, name if FAMILIES[family].endswith(":") else "")
    if not bench.client.exists(key):
        value = {"string": ("SET", "1"), "list": ("RPUSH", "1"), "set": ("SADD", "1"), "hash": ("HSET", "k", "1")}
        command, *words = {**value, "zset": ("ZADD", "1", "k")}[KINDS[family]]
        bench.client.execute_command(command, key, *words)
    bench.client.persist(key) if expires(family) else bench.client.pexpire(key, 90_000)
    assert ("I5", key.removeprefix(bench.key("root"))) in found(run(bench, repair=True))
    assert (bench.client.pttl(key) >= 0) == expires(family)

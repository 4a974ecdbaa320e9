"""``taskq doctor``: verdicts on real servers, and on readings that no test can bring about in time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskq import Task, TaskWorker
from taskq.cli.access_checks import examine_access
from taskq.cli.namespace_checks import Namespace, examine_namespace
from taskq.cli.replication_checks import examine_replication
from taskq.cli.server_checks import Finding, examine_server
from taskq.model.views import WorkerInfo
from taskq.protocol.operations import LeaseTimes
from taskq.protocol.permissions import producer_commands, worker_commands
from taskq.protocol.replies import Witness
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.transport.server_info import ServerReading
from tests.cli.conftest import Run
from tests.conftest import StartServer
from tests.servers import ServerProcess


def _verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {item["check"]: item["verdict"] for item in document["checks"]}


def _doctor(run: Run, url: str, *args: str) -> dict[str, Any]:
    result = run("doctor", "--json", *args, env={"TASKQ_REDIS_URL": url})
    document: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (1 if document["verdict"] == "bad" else 0)
    assert result.stderr == ""
    return document


def test_a_good_server(run: Run, start_server: StartServer) -> None:
    server = start_server(["appendfsync everysec"])
    document = _doctor(run, server.url)
    assert _verdicts(document) == {
        "connection": "ok",
        "version": "ok",
        "replication": "ok",
        "eviction": "ok",
        "memory": "ok",
        "persistence": "ok",
        "clock": "ok",
        "keepalive": "ok",
        "clients": "ok",
        "scripts": "ok",
        "rights": "ok",
        "password": "ok",
        "namespace": "ok",
        "share": "ok",
        "workers": "warn",
        "lists": "ok",
        "dead letters": "ok",
    }
    shown = run("doctor", "--redis-url", server.url)
    assert "ok    persistence   append-only file, appendfsync everysec" in shown.stdout
    assert "-> start one: taskq worker" in shown.stdout


@pytest.mark.parametrize(
    ("config", "check", "verdict", "advice"),
    [
        ("maxmemory 100mb\nmaxmemory-policy allkeys-lru", "eviction", "bad", "maxmemory-policy noeviction"),
        ("maxmemory-policy volatile-lru", "eviction", "warn", "maxmemory-policy noeviction"),
        ("maxmemory 3mb", "memory", "bad", "start more workers"),
        ("appendonly no", "persistence", "warn", "CONFIG SET appendonly yes"),
        ('appendonly no\nsave "900 1"', "persistence", "warn", "CONFIG SET appendonly yes"),
        ("appendfsync no", "persistence", "warn", "CONFIG SET appendfsync everysec"),
        ("tcp-keepalive 0", "keepalive", "warn", "CONFIG SET tcp-keepalive 300"),
        ("min-replicas-to-write 1", "write guard", "bad", "CONFIG SET min-replicas-to-write 0"),
        ("bind 0.0.0.0\nprotected-mode no", "password", "bad", "CONFIG SET requirepass"),
        ("bind 0.0.0.0\nprotected-mode yes", "password", "ok", ""),
    ],
)
def test_a_server_that_is_set_up_badly(
    run: Run, start_server: StartServer, config: str, check: str, verdict: str, advice: str
) -> None:
    server = start_server(config.splitlines())
    if check == "memory":
        with server.client() as client:
            used = client.info("memory")["used_memory"]
            client.config_set("maxmemory", int(used * 1.01))
    document = _doctor(run, server.url)
    found = next(item for item in document["checks"] if item["check"] == check)
    assert found["verdict"] == verdict
    assert advice in found["advice"]


def test_no_server(run: Run) -> None:
    document = _doctor(run, "redis://127.0.0.1:1/0")
    assert _verdicts(document) == {"connection": "bad"}
    assert "Connection refused" in document["checks"][0]["message"]


def test_a_replica(run: Run, start_server: StartServer) -> None:
    primary = start_server()
    replica = start_server([f"replicaof 127.0.0.1 {primary.port}"])
    document = _doctor(run, replica.url)
    found = next(item for item in document["checks"] if item["check"] == "replication")
    assert found["verdict"] == "bad"
    assert f"127.0.0.1:{primary.port}" in found["message"]


def test_an_acl_that_forbids_to_look_is_said_and_not_a_failure(run: Run, server: ServerProcess, prefix: str) -> None:
    with server.client() as client:
        rules = ("on", ">s3cret", "~*", "&*", "+@all", "-info", "-config", "-time")
        client.execute_command("ACL SETUSER", "viewer", *rules)
    document = _doctor(run, server.url.replace("redis://", "redis://viewer:s3cret@"))
    verdicts = _verdicts(document)
    assert [verdicts[check] for check in ("version", "eviction", "persistence", "clock")] == ["warn"] * 4
    assert "+info" in next(item for item in document["checks"] if item["check"] == "version")["advice"]
    assert "s3cret" not in json.dumps(document)
    with server.client() as client:
        client.execute_command("ACL SETUSER", "viewer", "-evalsha", "-eval")
    document = _doctor(run, server.url.replace("redis://", "redis://viewer:s3cret@"))
    assert _verdicts(document)["scripts"] == "bad"


def test_the_namespace_next_door(run: Run, server: ServerProcess) -> None:
    with TaskQueue(server.url, prefix="theirs") as queue:
        queue.submit_task(Task(task_type="echo"))
        worker = TaskWorker(queue)
        worker.register_handler("echo", lambda task: None)
        worker.run_until_empty()
    with server.client() as client:
        client.hset("cache:meta", "a", "b")  # not a namespace
    document = _doctor(run, server.url, "--prefix", "ours")
    found = next(item for item in document["checks"] if item["check"] == "namespace")
    assert found["verdict"] == "warn"
    assert found["message"] == "ours is empty, but there is theirs on this server"
    assert "--prefix theirs" in found["advice"]
    assert _verdicts(_doctor(run, server.url, "--prefix", "theirs"))["namespace"] == "ok"


def test_trouble_in_the_namespace(run: Run, redis_url: str, queue: TaskQueue) -> None:
    def fail(task: Task) -> None:
        raise ValueError

    queue.submit_task(Task(task_type="fail", max_retries=0))
    worker = TaskWorker(queue)
    worker.register_handler("fail", fail)
    worker.run_until_empty()
    queue.submit_task(Task(queue="mail"))
    queue.pause("mail", "high")
    document = _doctor(run, redis_url)
    verdicts = _verdicts(document)
    assert (verdicts["workers"], verdicts["lists"], verdicts["dead letters"]) == ("bad", "warn", "warn")
    lists = next(item for item in document["checks"] if item["check"] == "lists")
    assert (lists["message"], lists["advice"]) == ("paused: mail:high", "taskq queue resume mail")


GOOD = ServerReading(
    info={
        "redis_version": "7.2.4",
        "role": "master",
        "maxmemory": "0",
        "maxmemory_policy": "noeviction",
        "used_memory": "1000000",
        "total_system_memory": "1000000000",
        "aof_enabled": "1",
    },
    config={"appendfsync": "everysec", "save": ""},
    clock_ahead_ms=0.4,
    round_trip_ms=0.1,
)


@pytest.mark.parametrize(
    ("changes", "check", "verdict", "message"),
    [
        ({"redis_version": "6.2.14"}, "version", "bad", "Redis 6.2.14 is too old"),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.5"}, "version", "ok", "Valkey 7.2.5"),
        ({"dragonfly_version": "df-v1.2"}, "version", "warn", "Dragonfly df-v1.2"),
        ({"cluster_enabled": "1"}, "cluster", "warn", "node of a cluster"),
        ({"connected_clients": "90", "maxclients": "100"}, "clients", "warn", "90 of 100"),
        ({"number_of_cached_scripts": "5000"}, "scripts", "warn", "5,000 scripts"),
        ({"aof_last_write_status": "err"}, "persistence", "bad", "aof_last_write_status"),
        ({"used_memory": "900000000"}, "memory", "warn", "90% of"),
        (
            {"maxmemory": "5", "maxmemory_policy": "allkeys-lru", "evicted_keys": "7"},
            "eviction",
            "bad",
            "results, 7 keys so far",
        ),
    ],
)
def test_server_checks(changes: dict[str, str], check: str, verdict: str, message: str) -> None:
    findings = examine_server("redis://host:6379/0", replace(GOOD, info={**GOOD.info, **changes}))
    found = next(finding for finding in findings if finding.check == check)
    assert (found.verdict, message in found.message) == (verdict, True), found
    assert bool(found.advice) == (verdict != "ok")


def test_a_clock_that_is_off_and_a_server_far_away() -> None:
    findings = examine_server("redis://host:6379/0", replace(GOOD, clock_ahead_ms=-2_500.0, round_trip_ms=80.0))
    assert _find(findings, "clock").verdict == "warn"
    assert "2.500 s behind" in _find(findings, "clock").message
    assert _find(findings, "connection").verdict == "warn"


def _find(findings: list[Finding], check: str) -> Finding:
    return next(finding for finding in findings if finding.check == check)


def test_dead_workers_and_another_protocol(queue: TaskQueue) -> None:
    dead = WorkerInfo("worker-1", ("a", "b"), -3.0, {})
    alive = WorkerInfo("worker-2", (), 20.0, {})
    stats = queue.get_queue_stats()
    reading = replace(GOOD, meta={"version": "2", "uuid": "x"})

    def examine(*workers: WorkerInfo) -> list[Finding]:
        return examine_namespace(Namespace("p", reading, stats, list(workers)))

    assert _find(examine(alive), "namespace").verdict == "bad"
    assert _find(examine(alive, dead), "leases").verdict == "warn"
    only_dead = examine(dead)
    assert _find(only_dead, "leases").verdict == "bad"
    assert "worker-1), with 2 tasks" in _find(only_dead, "leases").message
    assert _find(only_dead, "workers").verdict == "warn"


def test_a_running_worker_is_seen(run_json: Callable[..., Any], worker: object) -> None:
    found = next(item for item in run_json("doctor")["checks"] if item["check"] == "workers")
    assert found["message"] == "1 alive, 0 tasks running"


LAG = "ip=10.0.0.2,port=6379,state=online,offset=1,lag="


@pytest.mark.parametrize(
    ("settings", "info", "config", "check", "verdict", "message"),
    [
        ({}, {"slave0": f"{LAG}0"}, {}, "replication", "ok", "primary, 1 replica"),
        ({}, {"slave0": f"{LAG}60"}, {}, "replication", "warn", "1 far behind"),
        (
            {},
            {"slave0": f"{LAG}0", "slave1": f"{LAG}0"},
            {},
            "write guard",
            "warn",
            "cut off takes tasks that are lost",
        ),
        ({}, {"slave0": f"{LAG}0"}, {"min-replicas-to-write": "1"}, "write guard", "ok", "takes no tasks"),
        ({}, {}, {"min-replicas-to-write": "2"}, "write guard", "bad", "refuses all writes"),
        ({"durability": "replicated"}, {}, {}, "durability", "bad", "wait for 1 replica, the server has 0 online"),
        ({"durability": "replicated"}, {"slave0": f"{LAG}0"}, {}, "durability", "ok", "the server can do it"),
        ({"durability": "fsync"}, {"aof_enabled": "0"}, {}, "durability", "bad", "there is none"),
        ({"durability": "fsync"}, {}, {}, "durability", "bad", "does not know WAITAOF"),
        ({"durability": "fsync"}, {}, {"appendfsync": "everysec"}, "durability", "bad", "appendfsync is everysec"),
    ],
)
def test_replication_checks(
    settings: dict[str, Any], info: dict[str, str], config: dict[str, str], check: str, verdict: str, message: str
) -> None:
    seen = {"min-replicas-to-write": "0", **config}
    reading = replace(GOOD, info={**GOOD.info, **info}, config=seen, waitaof="appendfsync" in config)
    found = _find(examine_replication(Settings(**settings), reading), check)
    assert (found.verdict, message in found.message) == (verdict, True), found
    assert bool(found.advice) == (verdict != "ok")


def test_writes_that_were_lost(run: Run, server: ServerProcess, prefix: str) -> None:
    with TaskQueue(server.url, prefix=prefix) as queue:
        run_beat = queue.transport.run
        times = LeaseTimes(30_000, 5_000)
        run_beat(queue.namespace.protocol.register("w", "token", times, "uuid", {}))
        run_beat(queue.namespace.protocol.beat(times, [], Witness("another", 5, frozenset())))
    found = next(item for item in _doctor(run, server.url)["checks"] if item["check"] == "lost writes")
    assert (found["verdict"], "gone back" in found["message"]) == ("warn", True)
    old = replace(GOOD, meta={"rolled_back": "1700000000000"})
    assert _find(examine_replication(Settings(), old), "lost writes").verdict == "ok"


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("redis://10.1.2.3:6379/0", "warn"),
        ("redis+cluster://10.1.2.3:7000,10.1.2.4:7000", "warn"),
        ("rediss://10.1.2.3:6379/0", None),
        ("redis://user:***@localhost:6379/0", None),
        ("redis://[::1]:6379/0", None),
        ("unix:///run/redis.sock", None),
    ],
)
def test_encryption(address: str, verdict: str | None) -> None:
    found = [finding.verdict for finding in examine_access(address, GOOD) if finding.check == "encryption"]
    assert found == ([verdict] if verdict else [])


@pytest.mark.parametrize(
    ("rules", "verdict", "missing"),
    [
        ("~* &* +@all -hincrby", "bad", "HINCRBY"),
        ("~* &* +@all -zadd -blpop", "bad", "BLPOP"),
        ("~* &* +@all -lmove", "warn", "LMOVE"),
        ("~cache:* &* +@all", "bad", "EVALSHA"),
        ("~* &* +@all", "ok", "every command"),
    ],
)
def test_rights(run: Run, server: ServerProcess, rules: str, verdict: str, missing: str) -> None:
    with server.client() as client:
        client.execute_command("ACL SETUSER", "someone", "on", ">s3cret", *rules.split())
    found = [
        item
        for item in _doctor(run, server.url.replace("redis://", "redis://someone:s3cret@"))["checks"]
        if item["check"] == "rights"
    ]
    assert found[0]["verdict"] == verdict
    assert missing in found[0]["message"]
    assert verdict == "ok" or "ACL SETUSER someone +" in found[0]["advice"]


def test_rights_that_cannot_be_tried(run: Run, server: ServerProcess) -> None:
    with server.client() as client:
        client.execute_command("ACL SETUSER", "someone", "on", ">s3cret", "~*", "&*", "+@all", "-acl")
    found = _doctor(run, server.url.replace("redis://", "redis://someone:s3cret@"))["checks"]
    assert next(item for item in found if item["check"] == "rights")["verdict"] == "warn"


@pytest.mark.parametrize("durability", ["memory", "replicated", "fsync"])
def test_every_example_of_a_command_has_the_right_number_of_words(server: ServerProcess, durability: str) -> None:
    wanted = producer_commands("p:", durability) | worker_commands("p:")
    assert {command[0] for command in wanted} >= {"EVALSHA", "LMOVE", "MSET", "PUBSUB", "TIME", "ZADD"}
    with server.client() as client:
        for command in sorted(wanted):
            if command[0] == "WAITAOF" and "valkey_version" not in client.info("server"):
                continue
            assert client.execute_command("ACL DRYRUN", "default", *command) in ("OK", b"OK"), command


def test_the_same_prefix_with_and_without_braces(run: Run, server: ServerProcess, prefix: str) -> None:
    with server.client() as client:
        client.hset(f"{{{prefix}}}:meta", "uuid", "x")
    assert _verdicts(_doctor(run, server.url))["hash tag"] == "bad"


def test_a_password_is_seen(run: Run, start_server: StartServer) -> None:
    server = start_server(["requirepass s3cret", "bind 0.0.0.0", "protected-mode no"])
    document = _doctor(run, server.url.replace("redis://", "redis://:s3cret@"))
    assert _verdicts(document)["password"] == "ok"
    assert "s3cret" not in json.dumps(document)

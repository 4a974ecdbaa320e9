"""What a role may not do: each command that would reach further than its work is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from taskq import AccessDenied, Task, TaskQueue, TaskWorker
from taskq.protocol.acl import Role, rules
from taskq.protocol.keys import Keys
from taskq.protocol.operations import SCRIPTS
from tests.security.conftest import PREFIX, allow, url_of
from tests.servers import ServerProcess

REFUSALS = (
    "o permissions to",
    "not allowed from script",
    "can't run this command",
    "can't access at least one of the keys",
    "ACL failure in script",
)

FOREIGN = "other:task:secret"
FOR_ALL: list[tuple[Any, ...]] = [
    ("FLUSHALL",), ("FLUSHDB",), ("CONFIG", "GET", "*"), ("CONFIG", "SET", "dir", "/tmp"), ("KEYS", "*"), ("SCAN", "0"),
    ("GET", FOREIGN), ("SET", FOREIGN, "x"), ("DEL", FOREIGN), ("RPUSH", "other:queue:normal", "x"),
    ("RENAME", f"{PREFIX}:meta", FOREIGN), ("COPY", f"{PREFIX}:meta", FOREIGN), ("MIGRATE", "h", "1", "k", "0", "1"),
    ("SCRIPT", "FLUSH"), ("SCRIPT", "LOAD", "return 1"), ("SCRIPT", "KILL"), ("FUNCTION", "FLUSH"),
    ("ACL", "LIST"), ("ACL", "SETUSER", "me", "+@all"), ("SHUTDOWN",), ("DEBUG", "SLEEP", "0"), ("MONITOR",),
    ("CLIENT", "LIST"), ("CLIENT", "KILL", "ID", "1"), ("REPLICAOF", "h", "1"), ("SAVE",), ("MODULE", "LIST"),
    ("PUBLISH", "other:events", "x"), ("SUBSCRIBE", "other:events"), ("PSUBSCRIBE", "*"), ("DUMP", f"{PREFIX}:meta"),
    ("EVAL", "return redis.call('FLUSHALL')", 0), ("EVAL", f"return redis.call('GET', '{FOREIGN}')", 0),
    ("EVAL", "return redis.call('CONFIG', 'GET', '*')", 0), ("EVAL", "return redis.call('KEYS', '*')", 0),
    ("EVAL", f"return redis.call('SET', '{FOREIGN}', 'x')", 0), ("SWAPDB", "0", "1"), ("RESTORE", "a", "0", "x"),
    ("SORT", f"{PREFIX}:dead", "BY", "nosort", "GET", "other:*"), ("BITOP", "NOT", FOREIGN, f"{PREFIX}:task:a"),
]  # fmt: skip
BODY, LIST = f"{PREFIX}:task:a", f"{PREFIX}:queue:normal"
EXTRA: dict[Role, list[tuple[Any, ...]]] = {
    Role.VIEWER: [
        ("SET", BODY, "x"),
        ("DEL", BODY),
        ("APPEND", BODY, "x"),
        ("HSET", f"{PREFIX}:state:a", "status", "completed"),
        ("RPUSH", LIST, "a"),
        ("LPOP", LIST),
        ("SADD", f"{PREFIX}:paused", "low"),
        ("SET", f"{PREFIX}:result:a", "{}"),
        ("BLPOP", f"{PREFIX}:bell:normal", 1),
        ("PEXPIRE", BODY, 1),
        ("UNLINK", BODY),
        ("PUBLISH", f"{PREFIX}:events", "x"),
        ("HDEL", f"{PREFIX}:schedules", "x"),
        ("SET", f"{PREFIX}:", "x"),
        ("EVAL", f"return redis.call('SET', '{BODY}', 'x')", 1, f"{PREFIX}:"),
    ],
    Role.PRODUCER: [
        ("UNLINK", LIST),
        ("DEL", LIST),
        ("SET", LIST, "x"),
        ("MSET", LIST, "x"),
        ("PEXPIRE", LIST, 1),
        ("DEL", f"{PREFIX}:scheduled"),
        ("DEL", f"{PREFIX}:status:pending"),
        ("LRANGE", LIST, 0, -1),
        ("LPOP", LIST),
        ("SADD", f"{PREFIX}:paused", "normal"),
        ("HSET", f"{PREFIX}:schedules", "x", "y"),
        ("SMEMBERS", f"{PREFIX}:workers"),
        ("HGETALL", f"{PREFIX}:worker:w"),
        ("LRANGE", f"{PREFIX}:processing:w", 0, -1),
        ("HGETALL", f"{PREFIX}:meta"),
        ("ZADD", f"{PREFIX}:leases", 1, "w"),
        ("BLPOP", LIST, 1),
    ],
    Role.WORKER: [
        ("DEL", LIST),
        ("SET", LIST, "x"),
        ("PEXPIRE", f"{PREFIX}:processing:w", 1),
        ("HSET", f"{PREFIX}:schedules", "x", "y"),
        ("HGETALL", f"{PREFIX}:schedules"),
        ("SADD", f"{PREFIX}:paused", "low"),
        ("UNLINK", LIST),
        ("BLPOP", LIST, 1),
        ("SUBSCRIBE", f"{PREFIX}:events"),
    ],
    Role.SCHEDULER: [
        ("DEL", f"{PREFIX}:schedules"),
        ("LPOP", LIST),
        ("BLPOP", f"{PREFIX}:bell:normal", 1),
        ("SADD", f"{PREFIX}:paused", "low"),
        ("SUBSCRIBE", f"{PREFIX}:events"),
    ],
    Role.OPERATOR: [
        ("LMOVE", LIST, f"{PREFIX}:processing:w", "LEFT", "RIGHT"),
        ("BLPOP", f"{PREFIX}:bell:normal", 1),
        ("HSET", f"{PREFIX}:meta", "uuid", "1"),
    ],
}


@pytest.mark.parametrize("role", Role)
def test_attacks_are_refused(clean: ServerProcess, role: Role) -> None:
    with clean.client() as admin:
        admin.set(FOREIGN, "secret")
        admin.rpush(f"{PREFIX}:queue:normal", "a")
        admin.set(BODY, "{}")
        allowed = []
        for command in [*FOR_ALL, *EXTRA[role]]:
            with connection_of(url_of(clean, role)) as connection:
                connection.send_command(*command)
                try:
                    allowed.append((command, connection.read_response()))
                except redis.ResponseError as error:
                    if not any(words in str(error) for words in REFUSALS):
                        allowed.append((command, str(error)))
        assert allowed == []
        assert admin.get(FOREIGN) == "secret"
        assert (admin.get(BODY), admin.lrange(f"{PREFIX}:queue:normal", 0, -1)) == ("{}", ["a"])


@contextmanager
def connection_of(url: str) -> Iterator[Any]:
    """A connection that sends what it is told, whatever comes of it."""
    with redis.Redis.from_url(url, protocol=2) as client:
        connection = client.connection_pool.get_connection()
        try:
            yield connection
        finally:
            connection.disconnect()


@pytest.mark.parametrize("role", [Role.WORKER, Role.PRODUCER])
def test_without_eval_only_what_was_loaded_runs(clean: ServerProcess, role: Role) -> None:
    with clean.client() as admin:
        allow(admin, "strict", rules((role,), Keys(PREFIX), preloaded=True))
        with TaskQueue(url_of(clean, "strict"), prefix=PREFIX) as queue:
            with pytest.raises(AccessDenied, match="eval"):
                queue.submit_task(Task(task_type="echo"))
            for script in SCRIPTS.values():
                admin.script_load(script.source)
            queue.submit_task(Task(task_type="echo"))
            if role is Role.WORKER:
                worker = TaskWorker(queue)
                worker.register_handler("echo", lambda task: task.payload)
                assert worker.run_until_empty() == 1
        with redis.Redis.from_url(url_of(clean, "strict")) as attacker:
            with pytest.raises(redis.exceptions.NoPermissionError):
                attacker.eval("return 1", 0)
            with pytest.raises(redis.exceptions.NoPermissionError):
                attacker.script_load("return 1")

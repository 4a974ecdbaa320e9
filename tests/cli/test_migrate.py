"""``taskq migrate``."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from taskq.queue import TaskQueue
from tests.cli.conftest import Run
from tests.servers import connect

RECORDED = Path(__file__).parents[1] / "migrate" / "recorded"


@pytest.fixture
def old(start_server: Callable[..., Any]) -> Iterator[tuple[str, redis.Redis]]:
    """URL and client of a server of its own, with a message of Celery and a job of RQ that stays."""
    server = start_server()
    keys = {}
    for name in ("celery-5.7.0", "rq-3.0.0"):
        keys |= json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["keys"]
    with connect(server.url) as client:
        for key, held in keys.items():
            command = {"list": "RPUSH", "set": "SADD", "hash": "HSET", "zset": "ZADD"}[held["kind"]]
            client.execute_command(command, base64.b64decode(key), *map(base64.b64decode, held["parts"]))
        yield server.url, client


def test_rq(run: Run, old: tuple[str, redis.Redis], queue: TaskQueue) -> None:
    url, client = old
    arguments = ("migrate", "rq", "--from", url, "--queue", "default", "--rename", "shop.add=add")
    dry = run(*arguments, "--dry-run")
    assert dry.exit_code == 1
    assert dry.stdout.startswith("4 jobs could be moved, 5 would stay\n")
    assert "1 × shop.add: it holds an object of datetime.date, which would have to be unpickled" in dry.stdout
    assert "wait for other jobs" in dry.stderr
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stdout.startswith("4 jobs moved, 5 stay\n")
    assert queue.get_task("plain").task_type == "add"
    assert run(*arguments).stdout.startswith("0 jobs moved, 5 stay\n")
    assert client.llen("rq:queue:default") == 5


def test_celery(run: Run, run_json: Callable[..., Any], old: tuple[str, redis.Redis], queue: TaskQueue) -> None:
    url, client = old
    found = run_json("migrate", "celery", "--queue", "mail", "--into", "mail=post:high", env={"CELERY_BROKER_URL": url})
    assert found == {"moved": 1, "finished": 0, "staying": 0, "dry_run": False, "refused": []}
    assert queue.get_task("mail").queue == "post"
    assert client.llen("mail") == 0


def test_what_cannot_be_said(run: Run, old: tuple[str, redis.Redis]) -> None:
    url, _ = old
    assert "--from" in run("migrate", "rq").stderr
    assert "is not OLD=NEW" in run("migrate", "rq", "--from", url, "--into", "high").stderr
    away = run("migrate", "rq", "--from", "redis://:secret-7@127.0.0.1:1/0")
    assert "put the URL into RQ_REDIS_URL" in away.stderr
    assert "secret-7" not in away.stderr
    assert away.exit_code != 0
    assert "127.0.0.1:1" in away.stderr

"""Old servers as RQ and Celery have left them, played back from what was recorded of the real libraries."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.transport.foreign import OldServer
from tests.servers import ServerProcess, private_binary

RECORDED = Path(__file__).parent / "recorded"


def recordings(library: str) -> list[str]:
    """Return the versions of a library of which there is a recording."""
    return sorted(path.stem for path in RECORDED.glob(f"{library}-*.json"))


@pytest.fixture(scope="package")
def old_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server of the other queue."""
    with ServerProcess(private_binary(), tmp_path_factory.mktemp("old")) as started:
        yield started


@pytest.fixture
def old(old_server: ServerProcess) -> Iterator[Redis]:
    """A client of the old server, which is empty."""
    with Redis.from_url(old_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def play(old: Redis) -> Callable[[str], None]:
    """Function that puts a recording into the old server."""

    def put(name: str) -> None:
        keys = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["keys"]
        for key, held in keys.items():
            command = {"list": "RPUSH", "set": "SADD", "hash": "HSET", "zset": "ZADD"}[held["kind"]]
            old.execute_command(command, base64.b64decode(key), *map(base64.b64decode, held["parts"]))

    return put


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    """Where the jobs go."""
    with TaskQueue(redis_url, prefix=prefix) as opened:
        yield opened


@pytest.fixture
def server(old_server: ServerProcess, old: Redis) -> Iterator[OldServer]:
    """What the mover reads of the old server."""
    opened = OldServer(old_server.url, Settings.load())
    yield opened
    opened.close()

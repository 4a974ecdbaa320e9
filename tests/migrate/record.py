"""What RQ and Celery leave in Redis, recorded: run by a Python that has one of them, against an empty server.

``python tests/migrate/record.py rq redis://127.0.0.1:7777/0`` writes ``recorded/rq-<version>.json``, likewise
``celery``. Tests play it back, so that they need neither.
"""

from __future__ import annotations

import base64
import datetime
import importlib
import json
import sys
import types
from pathlib import Path

from redis import Redis

FOLDER = Path(__file__).parent / "recorded"


def jobs() -> types.ModuleType:
    """The module ``shop``, whose functions the jobs call."""
    module = types.ModuleType("shop")
    source = (
        "def add(a, b=1):\n    return a + b\n"
        "def told(job, connection, result, *more):\n    pass\n"
        "class Cart:\n    def buy(self, x):\n        return x\n"
    )
    exec(source, module.__dict__)
    sys.modules["shop"] = module
    return module


def record_rq(url: str, shop: types.ModuleType) -> str:
    """Enqueue what RQ knows; return its version."""
    rq = importlib.import_module("rq")
    json_serializer = importlib.import_module("rq.serializers").JSONSerializer
    server = Redis.from_url(url)
    queue = rq.Queue("default", connection=server)
    options = {"job_timeout": 30, "result_ttl": 50, "ttl": 100_000_000, "meta": {"user": 7}}
    retry = rq.Retry(max=3, interval=[5, 60])
    nested = {"x": [1, 2.5, None, True, ("t", -(2**70))], "long": "ü" * 300}
    queue.enqueue(shop.add, 1, b=nested, retry=retry, job_id="plain", **options)
    queue.enqueue(shop.add, 1, 2)
    queue.enqueue(shop.Cart().buy, 3, job_id="method")
    queue.enqueue(shop.add, datetime.date(2020, 1, 1), job_id="date")
    queue.enqueue(shop.add, b"raw", job_id="bytes")
    queue.enqueue(shop.add, 4, job_id="called-back", on_success=shop.told)
    parent = queue.enqueue(shop.add, 5, job_id="parent")
    queue.enqueue(shop.add, 6, job_id="child", depends_on=parent)
    queue.enqueue(shop.add, 7, job_id="last")
    queue.enqueue_at(datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC), shop.add, 8, job_id="later")
    rq.Queue("json", connection=server, serializer=json_serializer).enqueue(
        shop.add, 1, b={"ü": [None]}, job_id="json", meta={"user": 7}
    )
    return rq.__version__


def record_celery(url: str, shop: types.ModuleType) -> str:
    """Send what Celery knows; return its version."""
    celery = importlib.import_module("celery")
    app = celery.Celery("shop", broker=url, backend=url)
    add = app.task(name="shop.add")(shop.add)
    add.apply_async((1,), {"b": {"x": [1, None]}}, task_id="plain")
    add.apply_async((2,), task_id="later", eta=datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC))
    expires = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
    add.apply_async((3,), task_id="limited", time_limit=20, soft_time_limit=10, expires=expires)
    add.apply_async((4,), task_id="low", priority=9)
    add.apply_async((5,), task_id="mail", queue="mail")
    add.apply_async((6,), task_id="pickle", serializer="pickle")
    add.apply_async((datetime.date(2020, 1, 1),), task_id="pickled-date", serializer="pickle")
    add.apply_async((datetime.datetime(2020, 1, 1),), task_id="date")
    add.apply_async((7,), task_id="zlib", compression="zlib")
    add.apply_async((8,), task_id="linked", link=add.s(1))
    celery.chain(add.s(9).set(task_id="chained"), add.s(1)).delay()
    celery.chord([add.s(10).set(task_id="in-chord")], add.s(1)).apply_async()
    return celery.__version__


def dump(server: Redis) -> dict[str, dict[str, object]]:
    """Return all keys with type, content and whether they expire."""
    found = {}
    for key in sorted(server.keys()):
        kind = server.type(key).decode()
        if kind == "list":
            parts = server.lrange(key, 0, -1)
        elif kind == "set":
            parts = sorted(server.smembers(key))
        elif kind == "hash":
            parts = [part for item in server.hgetall(key).items() for part in item]
        elif kind == "string":
            continue  # of the result backend
        else:
            parts = [
                part for member, score in server.zrange(key, 0, -1, withscores=True) for part in (b"%r" % score, member)
            ]
        found[text(key)] = {"kind": kind, "parts": [text(part) for part in parts]}
    return found


def text(part: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(part).decode()


def main(name: str, url: str) -> None:
    """Record one library."""
    server = Redis.from_url(url)
    if server.dbsize():
        raise SystemExit(f"{url} is not empty")
    version = {"rq": record_rq, "celery": record_celery}[name](url, jobs())
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}-{version}.json"
    path.write_text(json.dumps({"library": name, "version": version, "keys": dump(server)}, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])

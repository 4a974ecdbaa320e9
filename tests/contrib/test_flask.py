"""taskq in a Flask application."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("flask", reason="Flask is not installed: pip install 'taskq[flask]'")

from flask import Flask, current_app

from taskq import SettingsError, TaskWorker
from taskq.contrib.flask import Taskq

SHOP = """
import os
from flask import Flask, current_app
from taskq.contrib.flask import Taskq

taskq = Taskq()


@taskq.task(priority="high")
def greet(name):
    return f"{current_app.config['GREETING']}, {name}!"


@taskq.task
async def greet_async(name):
    return f"{current_app.config['GREETING']}, {name}!"


def create_app():
    app = Flask(__name__)
    app.config.from_mapping(GREETING="Hello", REDIS_URL=os.environ["SHOP_URL"], TASKQ_PREFIX=os.environ["SHOP_PREFIX"])
    taskq.init_app(app)

    @app.post("/greet/<name>")
    def start(name):
        return {"id": greet.delay(name).id}

    @app.get("/here/<name>")
    def here(name):
        return greet(name)

    return app
"""


@pytest.fixture
def shop(tmp_path: Path, redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    (tmp_path / "flask_shop.py").write_text(SHOP)
    (tmp_path / "flask_worker.py").write_text(
        "from flask_shop import create_app, taskq\napp = create_app()\nregister = taskq.register\n"
    )
    monkeypatch.setenv("SHOP_URL", redis_url)
    monkeypatch.setenv("SHOP_PREFIX", prefix)
    monkeypatch.syspath_prepend(tmp_path)
    import flask_shop

    app = flask_shop.create_app()
    yield app
    app.extensions["taskq"].close()
    del sys.modules["flask_shop"]


def test_a_view_enqueues_and_a_worker_runs_it_in_the_context_of_the_application(shop: Flask) -> None:
    task_id = shop.test_client().post("/greet/Ada").get_json()["id"]
    queue = shop.extensions["taskq"]
    assert queue.get_task_status(task_id)["priority"] == "high"
    worker = TaskWorker(queue)
    sys.modules["flask_shop"].taskq.register(worker)
    assert worker.run_until_empty() == 1
    assert queue.get_task_result(task_id)["result"] == "Hello, Ada!"


def test_an_async_task_has_the_context_too(shop: Flask) -> None:
    module = sys.modules["flask_shop"]
    handle = module.greet_async.delay("Ada")
    worker = TaskWorker(module.taskq.queue)
    module.taskq.register(worker)
    worker.run_until_empty()
    assert handle.result(timeout=5) == "Hello, Ada!"


def test_a_plain_call_in_a_view_runs_in_the_context_that_is_there(shop: Flask) -> None:
    shop.config["GREETING"] = "Good day"
    assert shop.test_client().get("/here/Ada").text == "Good day, Ada!"


def test_a_worker_in_a_process_of_its_own(shop: Flask, tmp_path: Path) -> None:
    task_id = shop.test_client().post("/greet/Ada").get_json()["id"]
    queue = shop.extensions["taskq"]
    environment = {**os.environ, "REDIS_URL": os.environ["SHOP_URL"], "TASKQ_PREFIX": os.environ["SHOP_PREFIX"]}
    command = [sys.executable, "-m", "taskq", "worker", "--handlers", "flask_worker", "--burst"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert queue.get_task_result(task_id)["result"] == "Hello, Ada!"


def test_without_an_application_it_says_what_to_do() -> None:
    taskq = Taskq()

    @taskq.task
    def greet() -> str:
        return str(current_app.name)

    with pytest.raises(RuntimeError, match=r"call taskq\.init_app\(app\)"):
        greet.delay()
    with pytest.raises(RuntimeError, match=r"register = taskq\.register"):
        greet()


def test_a_wrong_setting_is_named_when_the_application_is_made() -> None:
    app = Flask("shop")
    app.config["TASKQ_LEASE"] = "soon"
    with pytest.raises(SettingsError, match="lease_seconds cannot be 'soon'"):
        Taskq(app)

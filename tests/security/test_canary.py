"""No secret is seen: every setting that can hold one holds a canary, and all that comes out is searched."""

from __future__ import annotations

import json
import subprocess
import traceback
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from taskq import Settings, Task, TaskqError, TaskQueue, TaskWorker
from tests.cli.conftest import Run, Spawn
from tests.conftest import StartServer
from tests.servers import HOST, ServerProcess
from tests.waiting import eventually
from tests.worker.test_sealed import everything

PASSWORD = "c4n4ry/pass@word"
ESCAPED = quote(PASSWORD, safe="")
PAYLOAD = "c4n4ry-in-the-payload"
SIGNING, ENCRYPTION, IN_FILE = (urlsafe_b64encode(bytes([n]) * 64).rstrip(b"=").decode() for n in (0x51, 0x52, 0x53))
# in the forms in which a secret may come out
CANARIES = [PASSWORD, ESCAPED, "c4n4ry", SIGNING, ENCRYPTION, IN_FILE, SIGNING[:40], ENCRYPTION[:40]]
CANARIES += [repr(bytes([n]) * 8) for n in (0x51, 0x52, 0x53)]
HANDLERS = """
import os, time
def register(worker):
    worker.register_handler("fail", lambda task: 1 / 0)
    worker.register_handler("die", lambda task: os._exit(7))
    worker.register_handler("hang", lambda task: time.sleep(60))
"""


@pytest.fixture
def locked(start_server: StartServer) -> ServerProcess:
    """A server that wants the password."""
    return start_server([f'user default on ">{PASSWORD}" ~* &* +@all'])


@pytest.fixture
def secrets(locked: ServerProcess, tmp_path: Path) -> dict[str, str]:
    """Variables with a canary in every place for a secret."""
    (tmp_path / "keys").write_text(f"{IN_FILE}\n")
    return {
        "TASKQ_REDIS_URL": f"redis://default:{ESCAPED}@{HOST}:{locked.port}/0?sentinel_password=c4n4ry",
        "REDIS_PASSWORD": PASSWORD,
        "TASKQ_SIGNING_KEYS": SIGNING,
        "TASKQ_ENCRYPTION_KEYS": ENCRYPTION,
        "TASKQ_SIGNING_KEYS_FILE": str(tmp_path / "keys"),
        "TASKQ_LOG_LEVEL": "DEBUG",
        "TASKQ_HEARTBEAT_INTERVAL": "100ms",
        "TASKQ_LEASE": "2s",
        "TASKQ_MAX_CRASHES": "1",
    }


def search(text: str, what: str) -> None:
    found = [canary for canary in CANARIES if canary in text]
    assert not found, f"{what} shows {found}"


def family(pid: int) -> Iterator[int]:
    """Yield a process and all that it has started."""
    yield pid
    listing = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    for child in listing.split():
        yield from family(int(child))


@pytest.mark.slow
def test_processes_keep_their_secrets(
    locked: ServerProcess, secrets: dict[str, str], spawn: Spawn, run: Run, prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "handlers.py").write_text(HANDLERS)
    log = tmp_path / "log"
    with log.open("w") as output:
        worker = spawn("worker", "--concurrency", "2", "--grace", "100ms", env=secrets, stdout=output, stderr=output)
        scheduler = spawn("scheduler", "--log-format", "json", env=secrets, stdout=output, stderr=output)
    commands = [
        ("submit", "echo", json.dumps(PAYLOAD), "--wait", "20s", "--json"),
        ("submit", "fail", "1", "--max-retries", "0", "--wait", "20s"), ("submit", "die", "--wait", "20s"),
        ("submit", "hang", "--timeout", "100ms", "--max-retries", "0", "--wait", "20s"),
        ("schedule", "add", "nightly", "--every", "1h", "echo", json.dumps(PAYLOAD)), ("schedule", "ls", "--json"),
        ("stats", "--json"), ("worker", "ls", "--json"), ("task", "ls", "--json"), ("dlq", "ls", "--json"), ("doctor",),
        ("doctor", "--json"), ("queue", "ls"), ("server", "status"), ("nonsense",), ("acl", "--role", "worker"),
    ]  # fmt: skip
    for command in commands:
        done = run(*command, env=secrets)
        if PAYLOAD not in str(command):  # with the keys, a payload is shown to whom it belongs
            search(done.output, f"taskq {' '.join(command)}")
    arguments = "\n".join(
        Path(f"/proc/{pid}/cmdline").read_text() for process in (worker, scheduler) for pid in family(process.pid)
    )
    assert "taskq.worker.child" in arguments
    search(arguments, "ps")
    with redis.Redis(HOST, locked.port, password=PASSWORD, decode_responses=True, protocol=2) as admin:
        namespace = everything(admin, prefix)
    assert ":task:" in namespace
    search(namespace, "the namespace in Redis")
    locked.kill9()  # outages have messages of their own
    eventually(lambda: "the server is away" in log.read_text(), what="the outage in the log")
    locked.start()
    eventually(lambda: "the server is back" in log.read_text(), 20, what="the end of the outage in the log")
    for process in (worker, scheduler):
        process.terminate()
        process.wait(30)
    assert "Worker stopped" in log.read_text()
    assert "runs signed tasks only" in log.read_text()
    search(log.read_text(), "the log")


@pytest.mark.parametrize("failure", ["password", "port", "scheme", "slash", "key", "keys"])
def test_errors_keep_secrets(locked: ServerProcess, secrets: dict[str, str], run: Run, failure: str) -> None:
    url = secrets["TASKQ_REDIS_URL"]
    wrong = {
        "password": {"TASKQ_REDIS_URL": url.replace("default:", "default:more")},
        "port": {"TASKQ_REDIS_URL": url.replace(str(locked.port), "1"), "TASKQ_CALL_TIMEOUT": "50ms"},
        "scheme": {"TASKQ_REDIS_URL": url.replace("redis:", "radish:")},
        "slash": {"TASKQ_REDIS_URL": f"redis://:{PASSWORD}@{HOST}:1/0"},
        "key": {"TASKQ_SIGNING_KEYS": f"{SIGNING}x"},
        "keys": {"TASKQ_ENCRYPTION_KEYS": f"{ENCRYPTION},{ENCRYPTION}"},
    }[failure]
    for command in (("stats",), ("stats", "--json"), ("worker",), ("doctor",), ("doctor", "--json")):
        done = run(*command, env={**secrets, **wrong})
        assert done.exit_code != 0
        search(done.output, f"{command} with a wrong {failure}")


def test_objects_keep_secrets(locked: ServerProcess, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    queue = TaskQueue()
    worker = TaskWorker(queue)
    queue.submit_task(Task())
    parts = [
        queue,
        worker,
        queue.namespace,
        queue.namespace.seal,
        queue.namespace.endpoint,
        queue.transport,
        queue.context,
    ]
    with queue.transport.line() as line:
        parts += [line, line.wire(), line.wire()._connection]
        search(" ".join(f"{part!r} {part}" for part in parts), "a repr")
    settings = asdict(queue.settings)
    del settings["redis_url"]
    search(f"{settings} {queue.settings!r}", "the settings")
    queue.close()
    for call in (lambda: queue.get_task("missing"), lambda: Settings.load(signing_keys=f"{SIGNING},x")):
        with pytest.raises(TaskqError) as raised:
            call()
        search("".join(traceback.format_exception(raised.value)), "a traceback")


def test_a_password_in_the_arguments_is_warned_about(run: Run) -> None:
    done = run("stats", "--redis-url", "redis://:c4n4ry@127.0.0.1:1/0", env={"TASKQ_CALL_TIMEOUT": "50ms"})
    assert "everybody on this machine can read the password in --redis-url" in done.stderr
    search(done.output, "the warning")

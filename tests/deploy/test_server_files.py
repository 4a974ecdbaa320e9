"""``redis.conf`` and the ACL file: real servers start with them, and taskq works there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner

from taskq import Task, TaskQueue, TaskWorker
from taskq.cli import main
from taskq.protocol.acl import Role
from tests.deploy.files import DEPLOY
from tests.servers import HOST, KINDS, connect, free_port, local_binary
from tests.waiting import eventually

CONF = DEPLOY / "redis" / "redis.conf"
ACL = DEPLOY / "redis" / "users.acl"
_UNITS = {"kb": 2**10, "mb": 2**20, "gb": 2**30}


def directives() -> dict[str, str]:
    lines = [line for line in CONF.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split(" ", 1) for line in lines)


def test_a_reason_stands_above_each_line() -> None:
    lines = CONF.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            above = lines[number - 1]
            assert above.startswith("# "), f"{line} has no reason"
            assert len(above) > 20


def start(kind: str, folder: Path, *more: str) -> Iterator[str]:
    binary = local_binary(kind)
    if binary is None:
        pytest.skip(f"this machine has no {kind}")
    port = free_port()
    flags = ["--port", str(port), "--bind", HOST, "--dir", str(folder), "--daemonize", "no", *more]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([binary, CONF, *flags], stdout=log, stderr=log)
    url = f"redis://{HOST}:{port}/0"

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            with connect(url) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False

    eventually(answers, 20, "an answer of the server")
    yield url
    process.terminate()
    process.wait(20)


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from start(request.param, tmp_path)


def in_bytes(text: str) -> str:
    found = re.fullmatch(r"(\d+)([kmg]b)", text)
    return str(int(found[1]) * _UNITS[found[2]]) if found else text


def test_a_server_starts_with_it_and_doctor_is_content(server: str) -> None:
    with connect(server) as client:
        for name, value in directives().items():
            wanted = " ".join(in_bytes(word) for word in value.strip('"').split())
            shown = client.config_get(name)[name]
            assert wanted in shown if name == "client-output-buffer-limit" else wanted == shown, name
    with TaskQueue(server) as queue:
        worker = TaskWorker(queue)
        worker.register_handler("double", lambda task: 2 * task.payload)
        task_id = queue.submit_task(Task(task_type="double", payload=21))
        worker.run_until_empty()
        assert (queue.get_task_result(task_id) or {})["result"] == 42
    done = CliRunner().invoke(main, ["doctor"], env={"TASKQ_REDIS_URL": server, "TASKQ_PREFIX": "agent_queue"})
    assert done.exit_code == 0, done.output
    # no worker is there, and nobody has set a password: neither is the file's to say
    complaints = [line for line in done.output.splitlines() if line.startswith(("warn", "bad"))]
    assert [line.split()[1] for line in complaints if line.split()[1] not in ("workers", "password", "rights")] == []


# -- rights --


def generated() -> str:
    """What ``generate-acl.sh`` prints for the default prefix."""
    lines = ["user default off"]
    for role in Role:
        done = CliRunner().invoke(main, ["acl", "--role", role.value], env={"TASKQ_PREFIX": "agent_queue"})
        assert done.exit_code == 0
        lines.append(done.stdout.strip())
    return "\n".join([*lines, ""])


def test_the_file_is_what_the_command_prints() -> None:
    """If this fails, the rights have changed: ``deploy/redis/generate-acl.sh > deploy/redis/users.acl``."""
    assert ACL.read_text(encoding="utf-8") == generated()
    script = (DEPLOY / "redis" / "generate-acl.sh").read_text(encoding="utf-8")
    assert re.findall(r"for role in (.*); do", script) == [" ".join(Role)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_loads_it_and_a_worker_can_work(kind: str, tmp_path: Path) -> None:
    users = tmp_path / "users.acl"
    # a password for each role, as an operator would add one
    text = re.sub(
        r"^(user (?!default)(\w+) on) resetpass", r"\1 resetpass >\2-secret", ACL.read_text(), flags=re.MULTILINE
    )
    users.write_text(text)
    for url in start(kind, tmp_path, "--aclfile", str(users)):
        address = url.removeprefix("redis://")
        with pytest.raises(redis.AuthenticationError), connect(url) as client:
            client.ping()
        with TaskQueue(f"redis://producer:producer-secret@{address}") as queue:
            task_id = queue.submit_task(Task(task_type="double", payload=21))
        with TaskQueue(f"redis://worker:worker-secret@{address}") as queue:
            worker = TaskWorker(queue)
            worker.register_handler("double", lambda task: 2 * task.payload)
            assert worker.run_until_empty() == 1
        with TaskQueue(f"redis://viewer:viewer-secret@{address}") as queue:
            assert queue.get_task_status(task_id)["status"] == "completed"


# -- Sentinel --


def test_the_script_of_the_sentinels_makes_one_that_runs(tmp_path: Path) -> None:
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("this machine has no redis-server")
    port = free_port()
    script = (DEPLOY / "kubernetes" / "sentinel" / "sentinel.sh").read_text(encoding="utf-8")
    # names of pods cannot be resolved here
    local = script.replace("/data", str(tmp_path)).replace("taskq-redis-0.taskq-redis", HOST)
    local = local.replace("$(hostname).taskq-sentinel", HOST).replace("port 26379", f"port {port}\nbind {HOST}")
    process = subprocess.Popen(["sh", "-c", local], env={"PATH": "/usr/bin:/bin", "REDIS_PASSWORD": "secret"})
    try:
        with connect(f"redis://{HOST}:{port}") as client:

            def monitored() -> bool:
                try:
                    return client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "taskq") == [HOST, "6379"]
                except redis.ConnectionError:
                    return False

            eventually(monitored, 20, "a sentinel that watches taskq")
            (primary,) = client.execute_command("SENTINEL", "MASTERS")
            fields = dict(zip(primary[::2], primary[1::2], strict=True)) if isinstance(primary, list) else primary
            assert fields["quorum"] == "2"
            assert fields["down-after-milliseconds"] == "3000"
    finally:
        process.terminate()
        process.wait(20)

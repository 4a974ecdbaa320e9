"""Every refusal is typed and says what happened, why, and what to do next; no message shows a password."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from taskq.errors import (
    AccessDenied,
    CorruptTask,
    InvalidTask,
    ServerError,
    ServerFull,
    ServerUnavailable,
    SettingsError,
    TaskqError,
    UnsupportedServer,
)
from taskq.model.task import Task
from taskq.settings import Settings
from taskq.transport.endpoint import Endpoint
from tests.conformance.clients import Client, Hands, NewClient
from tests.conftest import StartServer
from tests.servers import HOST, ServerProcess, free_port

SECRET = "s3cret-p4ss"


@pytest.fixture
def guarded(start_server: StartServer) -> ServerProcess:
    """A server with a password, and a user who may look but not submit."""
    return start_server([f"requirepass {SECRET}", f"user viewer on >{SECRET} ~* &* +@read +@connection +ping"])


def url_of(server: ServerProcess, credentials: str = "") -> str:
    return f"redis://{credentials}{HOST}:{server.port}/0"


class TestAccess:
    def test_no_password(self, new_client: NewClient, guarded: ServerProcess) -> None:
        client = new_client(redis_url=url_of(guarded))
        with pytest.raises(AccessDenied, match=r"refuses access: .*[Aa]uthentication required.*REDIS_URL") as caught:
            client.submit_task(Task())
        assert "redis://user:password@host:6379/0" in str(caught.value)

    def test_a_wrong_password(self, new_client: NewClient, guarded: ServerProcess) -> None:
        client = new_client(redis_url=url_of(guarded, ":not-it@"))
        with pytest.raises(AccessDenied, match="invalid username-password pair"):
            client.submit_task(Task())

    def test_a_user_without_the_right(self, new_client: NewClient, guarded: ServerProcess) -> None:
        client = new_client(redis_url=url_of(guarded, f"viewer:{SECRET}@"))
        with pytest.raises(AccessDenied, match=r"NOPERM.*allow that user the command"):
            client.submit_task(Task())

    def test_the_right_password(self, new_client: NewClient, guarded: ServerProcess) -> None:
        client = new_client(redis_url=url_of(guarded, f":{SECRET}@"))
        task_id = client.submit_task(Task())
        assert client.get_task_status(task_id)["status"] == "pending"

    def test_a_refusal_comes_at_once(self, new_client: NewClient, guarded: ServerProcess) -> None:
        """It is not repeated until the deadline: no repetition would mend it."""
        client = new_client(redis_url=url_of(guarded), call_timeout_seconds=600.0)
        with pytest.raises(AccessDenied):
            client.get_queue_stats()
        with pytest.raises(AccessDenied):
            client.wait_for_result("a", 600)

    def test_waiting_without_the_right_to_block(self, new_client: NewClient, start_server: StartServer) -> None:
        server = start_server([f"user halfway on >{SECRET} ~* &* +@all -blpop"])
        client = new_client(redis_url=url_of(server, f"halfway:{SECRET}@"))
        task_id = client.submit_task(Task())
        with pytest.raises(AccessDenied, match="blpop"):
            client.wait_for_result(task_id, 600)

    def test_no_message_shows_the_password(self, new_client: NewClient, guarded: ServerProcess) -> None:
        port = free_port()
        for url in (url_of(guarded, f"viewer:{SECRET}@"), f"redis://u:{SECRET}@{HOST}:{port}/0"):
            client = new_client(redis_url=url, call_timeout_seconds=0.1)
            with pytest.raises(TaskqError) as caught:
                client.submit_task(Task())
            chain: BaseException | None = caught.value
            while chain is not None:
                assert SECRET not in str(chain)
                assert SECRET not in repr(chain)
                chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
            assert SECRET not in repr(client.queue) + repr(client.settings)


class TestFull:
    def test_new_tasks_are_refused_and_the_old_ones_drain(self, new_client: NewClient, server: ServerProcess) -> None:
        client, admin = new_client(redis_url=server.url), server.client()
        waiting = client.submit_batch([Task(payload=n) for n in range(3)])
        later = client.submit_later(Task(), "+1")
        hands = Hands(server.url, client.settings.prefix)
        admin.config_set("maxmemory-policy", "noeviction")
        admin.config_set("maxmemory", "1")
        with pytest.raises(ServerFull, match=r"reached its maxmemory .*Let workers catch up, shorten TASKQ_RESULT_TTL"):
            client.submit_task(Task())
        with pytest.raises(ServerFull):
            client.submit_batch([Task(), Task()])
        assert client.get_queue_stats().counters["submitted"] == 4
        assert hands.run(hands.protocol.promote()) == (1, -1)
        assert sorted(hands.work()) == sorted([*waiting, later])
        assert client.wait_for_result(waiting[0], 5)["result"] == 0
        assert client.get_queue_stats().completed_tasks == 4
        admin.config_set("maxmemory", "0")
        client.submit_task(Task())
        hands.close()
        admin.close()


class TestDamage:
    @pytest.mark.parametrize("key", ["queue:normal", "status:pending", "counters"])
    def test_a_key_of_another_program(self, client: Client, redis_client: redis.Redis, prefix: str, key: str) -> None:
        redis_client.set(f"{prefix}:{key}", "foreign")
        with pytest.raises(ServerError, match=r"another type, so nothing was changed: WRONGTYPE.*Set TASKQ_PREFIX"):
            client.submit_task(Task())
        assert redis_client.keys(f"{prefix}:*") == [f"{prefix}:{key}"]

    def test_an_envelope_that_was_changed_can_still_be_looked_at(
        self, client: Client, redis_client: redis.Redis, prefix: str
    ) -> None:
        task_id = client.submit_task(Task(payload={"amount": 100}))
        key = f"{prefix}:task:{task_id}"
        redis_client.set(key, redis_client.get(key).replace("100", "900"))
        assert client.get_task(task_id).payload == {"amount": 900}
        redis_client.set(key, "nonsense")
        with pytest.raises(CorruptTask, match="the stored envelope has no payload"):
            client.get_task(task_id)

    def test_a_result_that_was_changed(
        self, client: Client, hands: Hands, redis_client: redis.Redis, prefix: str
    ) -> None:
        task_id = client.submit_task(Task())
        hands.work()
        redis_client.set(f"{prefix}:result:{task_id}", "nonsense", keepttl=True)
        with pytest.raises(CorruptTask, match="the stored result cannot be read"):
            client.get_task_result(task_id)


class TestUnreachable:
    def test_nobody_listens(self, new_client: NewClient) -> None:
        client = new_client(redis_url=f"redis://{HOST}:{free_port()}/0", call_timeout_seconds=0.2)
        with pytest.raises(ServerUnavailable) as caught:
            client.submit_task(Task())
        message = str(caught.value)
        for part in (
            "no usable answer from",
            "within 0.2 s",
            "Error 111",
            "taskq doctor",
            "REDIS_URL",
            "repeated safely",
        ):
            assert part in message
        assert isinstance(caught.value, ConnectionError)

    def test_a_name_that_nobody_knows(self, new_client: NewClient) -> None:
        client = new_client(redis_url="redis://no-such-host.invalid:6379/0", call_timeout_seconds=0.2)
        with pytest.raises(ServerUnavailable, match=r"no-such-host\.invalid"):
            client.submit_task(Task())

    def test_a_socket_file_that_is_not_there(self, new_client: NewClient, tmp_path: Path) -> None:
        client = new_client(redis_url=f"unix://{tmp_path}/no.sock", call_timeout_seconds=0.2)
        with pytest.raises(ServerUnavailable, match=r"no\.sock"):
            client.submit_task(Task())

    def test_a_database_that_the_server_does_not_have(self, new_client: NewClient, redis_url: str) -> None:
        client = new_client(redis_url=redis_url.rpartition("/")[0] + "/9999")
        with pytest.raises(ServerError, match="DB index is out of range"):
            client.submit_task(Task())

    @pytest.mark.parametrize("url", ["redis://host:port/0", "redis+sentinel://host/x", "redis+cluster://:1"])
    def test_an_address_that_is_none(self, url: str) -> None:
        with pytest.raises(SettingsError, match="cannot be used"):
            Endpoint(url, Settings())


@pytest.fixture
def old_server() -> Iterator[str]:
    """A server of a time before script flags: it knows the handshake and refuses the first line of every script."""
    listener = socket.create_server((HOST, 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                for _ in range(data.count(b"CLIENT")):
                    connection.sendall(b"+OK\r\n")
                if b"EVALSHA" in data:
                    connection.sendall(b"-NOSCRIPT No matching script. Please use EVAL.\r\n")
                elif b"EVAL" in data:
                    connection.sendall(
                        b"-ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'\r\n"
                    )

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"redis://{HOST}:{listener.getsockname()[1]}/0"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_server_that_is_too_old(new_client: NewClient, old_server: str) -> None:
    client = new_client(redis_url=old_server, call_timeout_seconds=2.0)
    with pytest.raises(UnsupportedServer, match=r"too old for taskq: it needs Redis 7\.0 or Valkey 7\.2 or newer"):
        client.submit_task(Task())


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\r\n"])
def test_something_that_is_no_redis(new_client: NewClient, answer: bytes) -> None:
    """A web server, or a server that wants TLS: told at once."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        client = new_client(redis_url=f"redis://{HOST}:{listener.getsockname()[1]}/0", call_timeout_seconds=600.0)
        with pytest.raises(UnsupportedServer, match="does not speak the protocol of Redis"):
            client.submit_task(Task())
        listener.shutdown(socket.SHUT_RDWR)


def test_a_bad_payload_reaches_no_server(new_client: NewClient) -> None:
    client = new_client(redis_url=f"redis://{HOST}:1/0", call_timeout_seconds=600.0)
    with pytest.raises(InvalidTask):
        client.submit_task(Task(payload=object()))

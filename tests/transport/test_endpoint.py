"""Addresses: what each kind of URL means, and how a connection is made."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import redis.connection as sync_connection

from taskq.errors import SettingsError
from taskq.settings import Settings
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import Unsure
from tests.conftest import StartServer
from tests.servers import HOST


def options(url: str) -> dict[str, object]:
    endpoint = Endpoint(url, Settings(socket_timeout_seconds=7.0, connect_timeout_seconds=3.0))
    return {"class": endpoint._class, **endpoint._options}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h:7000/2", {"host": "h", "port": 7000, "db": 2, "class": sync_connection.Connection}),
        ("redis://u:p%40ss@h", {"host": "h", "username": "u", "password": "p@ss"}),
        ("rediss://h", {"host": "h", "class": sync_connection.SSLConnection}),
        ("unix:///tmp/r.sock?db=3", {"path": "/tmp/r.sock", "db": 3}),
        ("redis+sentinel://:pw@a:1,b:2/main/4?sentinel_password=x", {"password": "pw", "db": 4}),
        ("rediss+cluster://a:1,[::1]:2", {"class": sync_connection.SSLConnection}),
    ],
)
def test_urls(url: str, expected: dict[str, object]) -> None:
    found = options(url)
    assert {name: found[name] for name in expected} == expected
    assert found["socket_timeout"] == 7.0
    assert found["socket_connect_timeout"] == (1.0 if "+" in url else 3.0), "an address may be out of date"
    assert found["protocol"] == 2, "replies keep the form that the parsers expect"


def test_sentinels_and_seeds() -> None:
    endpoint = Endpoint("redis+sentinel://a:1,b:2/main", Settings())
    assert (endpoint._seeds, endpoint._service, endpoint.clustered) == ([("a", 1), ("b", 2)], "main", False)
    assert "host" not in endpoint._options
    cluster = Endpoint("redis+cluster://a:1,[::1]:2", Settings())
    assert (cluster._seeds, cluster.clustered) == ([("a", 1), ("::1", 2)], True)


@pytest.mark.parametrize("url", ["redis://h:x/0", "redis+cluster://h", "redis+sentinel://:26379/x", "http://h"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(SettingsError, match=r"the server address .* cannot be used"):
        Endpoint(url, Settings())


def test_passwords_are_not_shown() -> None:
    assert Endpoint("redis://u:secret@h:1/0", Settings()).shown == "redis://u:***@h:1/0"
    with pytest.raises(SettingsError) as caught:
        Endpoint("redis://u:secret@h:x/0", Settings())
    assert "secret" not in str(caught.value)


def test_the_connection_says_who_it_is(endpoint: Endpoint) -> None:
    connection = endpoint.connect()
    connection.send_command("CLIENT", "GETNAME")
    assert connection.read_response() == b"taskq"
    connection.disconnect()


def test_nobody_there_is_unsure() -> None:
    endpoint = Endpoint(f"redis://{HOST}:1/0", Settings())
    with pytest.raises(Unsure):
        endpoint.connect()
    with pytest.raises(Unsure):
        asyncio.run(endpoint.connect_async())


def test_a_socket_file(start_server: StartServer, tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    start_server([f"unixsocket {path}"])
    connection = Endpoint(f"unix://{path}", Settings()).connect()
    connection.send_command("PING")
    assert connection.read_response() == b"PONG"
    connection.disconnect()


@pytest.mark.parametrize("topology", ["sentinel", "cluster"])
def test_no_sentinel_and_no_node_is_unsure(topology: str) -> None:
    endpoint = Endpoint(f"redis+{topology}://{HOST}:1", Settings(connect_timeout_seconds=1.0), slot_key="{q}:")
    with pytest.raises(Unsure):
        endpoint.connect()
    with pytest.raises(Unsure):
        asyncio.run(endpoint.connect_async())

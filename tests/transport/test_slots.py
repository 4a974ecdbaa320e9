"""The table of slots of a cluster, from nodes that answer, hang or are gone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError

from taskq.settings import Settings
from taskq.transport.cluster import Range, Slots, _parse
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import Unsure
from tests.conftest import StartServer
from tests.servers import HOST, free_port
from tests.topologies import SLOTS, ask
from tests.waiting import eventually

ASKED = ("asked", 1)


@pytest.mark.parametrize(
    ("master", "replicas", "expected"),
    [
        ([b"10.0.0.1", 7000, b"id"], [], Range(0, 99, ("10.0.0.1", 7000), ())),
        ([b"", 7000, b"id"], [[b"10.0.0.2", 7001, b"id"]], Range(0, 99, ("asked", 7000), (("10.0.0.2", 7001),))),
        ([None, 7000, b"id"], [[b"?", 7001, b"id"]], Range(0, 99, ("asked", 7000), (("asked", 7001),))),
    ],
)
def test_addresses(master: list[Any], replicas: list[list[Any]], expected: Range) -> None:
    assert _parse([0, 99, master, *replicas], ASKED) == expected


@pytest.fixture
def hung() -> Iterator[int]:
    """Port of something that accepts connections and says nothing."""
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


def test_seeds_that_are_gone_or_hang_are_passed_over(start_server: StartServer, hung: int) -> None:
    node = start_server(("cluster-enabled yes", f"cluster-port {free_port()}"))
    seeds = [(HOST, hung), (HOST, free_port()), (HOST, node.port)]
    slots = Slots(seeds, {"socket_timeout": 0.3})
    with pytest.raises(ConnectionError, match="no node serves slot"):
        slots.find("{q}:")
    ask(node.port, "CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
    assert eventually(lambda: found(slots), what="the table to be read again") == node.port


def found(slots: Slots) -> int | None:
    try:
        return slots.find("{q}:")[1]
    except ConnectionError:
        return None


def test_what_a_node_says_of_a_moved_slot_is_tried_first_and_once(start_server: StartServer) -> None:
    server = start_server()
    endpoint = Endpoint(f"redis+cluster://{HOST}:{free_port()}", Settings(), slot_key="{q}:")
    endpoint.heed(Unsure("MOVED", moved_to=(HOST, server.port)))
    connection = endpoint.connect()
    assert connection.port == server.port  # type: ignore[attr-defined]  # of a TCP connection
    connection.disconnect()
    with pytest.raises(Unsure):
        endpoint.connect()

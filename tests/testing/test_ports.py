"""Ports for servers of tests: what one test holds for a server that is down, no other one gets."""

from __future__ import annotations

from taskq.testing.faults import free_port
from taskq.testing.faults.server import _PORTS, _own_ports


def test_none_is_handed_out_twice() -> None:
    ports = [free_port() for _ in range(300)]
    assert len(set(ports)) == 300


def test_processes_of_one_run_share_none() -> None:
    parts = [_own_ports(f"gw{n}", 3) for n in range(3)]
    assert sorted(port for part in parts for port in part) == list(_PORTS)
    assert parts[0] != sorted(parts[0]), "other runs on the same machine go another way"

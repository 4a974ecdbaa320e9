"""What is acknowledged as safe survives the loss of the primary, or of what was not synced; what is not, may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.durability import BUSY_DISK_SECONDS, failover, power_cut, server_killed
from tests.servers import private_binary

LINK_SECONDS = 0.05

pytestmark = pytest.mark.slow


@pytest.fixture
def binary() -> Path:
    return private_binary()


def test_replicated_submits_survive_the_primary(binary: Path) -> None:
    loss = failover("replicated", 1.0, LINK_SECONDS, binary)
    assert loss.acknowledged > 0
    assert loss.lost == 0, loss


def test_others_are_lost_with_what_was_on_its_way(binary: Path) -> None:
    loss = failover("memory", 1.0, LINK_SECONDS, binary)
    assert 0 < loss.lost < loss.acknowledged, "without a loss the test above shows nothing"


def test_synced_submits_survive_a_power_cut(binary: Path) -> None:
    # where a server has no WAITAOF, appendfsync always alone is what keeps them
    level = "fsync" if "valkey" in binary.name else "memory"
    loss = power_cut(level, "always", 1.0, binary)
    if loss is None:
        pytest.skip("no C compiler on this machine")
    assert loss.acknowledged > 0
    assert loss.lost == 0, loss


def test_others_are_lost_with_what_was_not_synced(binary: Path) -> None:
    loss = power_cut("memory", "everysec", 1.0, binary)
    if loss is None:
        pytest.skip("no C compiler on this machine")
    assert loss.lost > 0, "without a loss the test above shows nothing"


def test_a_killed_server_whose_disk_is_busy_has_lost_what_waited_for_a_sync(binary: Path) -> None:
    loss = server_killed("everysec", 2.0, BUSY_DISK_SECONDS, binary)
    if loss is None:
        pytest.skip("no C compiler on this machine")
    assert 0 < loss.lost < loss.acknowledged
    assert loss.window_ms < 2_500, "writes wait for two seconds at most"


@pytest.mark.parametrize(("fsync", "sync_seconds"), [("no", BUSY_DISK_SECONDS), ("always", 0.05)])
def test_with_every_other_policy_it_has_lost_nothing(fsync: str, sync_seconds: float, binary: Path) -> None:
    loss = server_killed(fsync, 1.0, sync_seconds, binary)
    if loss is None:
        pytest.skip("no C compiler on this machine")
    assert loss.acknowledged > 0
    assert loss.lost == 0, loss

"""Ids and keys find their partition, in every process and after partitions were added."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from taskq.model.names import NAME
from taskq.model.partition import MOST_PARTITIONS, at_home, home_of, home_of_key, marked, partition_prefix
from taskq.settings import Settings


def test_an_id_that_was_made_up_names_its_partition() -> None:
    for partition in (0, 7, 15, 999):
        task_id = marked("8f6e7c1a-5b1f-4d6e-9a3a-0c8d8f1c2b3d", partition)
        assert NAME.match(task_id)
        assert home_of(task_id, 1000) == partition
        assert home_of(task_id, MOST_PARTITIONS) == partition, "also when partitions are added"
        assert home_of(task_id, 1) == 0


@pytest.mark.parametrize("task_id", ["mine", "order.p", "order.p01", "order.p16", "p3", "order.p3x", "order.p99999"])
def test_any_other_id_is_hashed(task_id: str) -> None:
    assert home_of(task_id, 16) == home_of_key(task_id, 16)


def test_an_id_is_marked_only_where_it_would_not_be_found() -> None:
    home = home_of("mine", 4)
    assert at_home("mine", home, 4) == "mine"
    other = (home + 1) % 4
    assert home_of(at_home("mine", other, 4), 4) == other
    assert at_home("mine", 0, 1) == "mine"


def test_a_key_means_the_same_in_every_process() -> None:
    keys = [f"customer-{number}" for number in range(1000)]
    code = f"from taskq.model.partition import home_of_key as h; print([h(k, 8) for k in {keys!r}])"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    homes = [home_of_key(key, 8) for key in keys]
    assert other.strip() == str(homes)
    assert min(Counter(homes).values()) > 80, "spread over all of them"


def test_one_partition_keeps_the_plain_keys() -> None:
    assert partition_prefix("shop", 0, 1) == "shop"
    assert partition_prefix("shop", 3, 8) == "shop:3"


def test_no_more_than_ids_can_name() -> None:
    assert Settings(partitions=MOST_PARTITIONS).partitions == MOST_PARTITIONS
    with pytest.raises(Exception, match="partitions cannot be '4097'"):
        Settings(partitions=MOST_PARTITIONS + 1)

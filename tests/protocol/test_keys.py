"""The names of the keys, as ``redis-cli`` shows them."""

from __future__ import annotations

import pytest

from taskq.errors import InvalidTask, SettingsError
from taskq.protocol.keys import FAMILIES, Keys, list_name, lists_of, split_list_name
from taskq.states import TaskPriority

# what docs and users' scripts hold, by family and name
PROMISED = {
    ("queue", "normal"): "agent_queue:queue:normal",
    ("status", "pending"): "agent_queue:status:pending",
    ("task", "id-1"): "agent_queue:task:id-1",
    ("state", "id-1"): "agent_queue:state:id-1",
    ("result", "id-1"): "agent_queue:result:id-1",
    ("workers", ""): "agent_queue:workers",
    ("worker", "w1"): "agent_queue:worker:w1",
    ("processing", "w1"): "agent_queue:processing:w1",
    ("scheduled", ""): "agent_queue:scheduled",
    ("leases", ""): "agent_queue:leases",
    ("retention", ""): "agent_queue:retention",
    ("schedules", ""): "agent_queue:schedules",
    ("dead", ""): "agent_queue:dead",
    ("events", ""): "agent_queue:events",
    ("meta", ""): "agent_queue:meta",
}


@pytest.mark.parametrize(("family", "name"), PROMISED)
def test_promised_names(family: str, name: str) -> None:
    assert Keys("agent_queue").key(family, name) == PROMISED[family, name]


def test_in_a_cluster_one_namespace_is_one_slot() -> None:
    keys = Keys("agent_queue", hash_tag=True)
    assert keys.root == "{agent_queue}:"
    assert keys.key("task", "a") == "{agent_queue}:task:a"


def test_no_family_can_be_taken_for_another() -> None:
    suffixes = [suffix for suffix in FAMILIES.values() if suffix]
    assert len(set(suffixes)) == len(suffixes)
    for suffix in suffixes:
        others = [other for other in suffixes if other != suffix]
        assert not any(other.startswith(suffix) for other in others if suffix.endswith(":"))


@pytest.mark.parametrize(
    ("queue", "priority", "name"),
    [
        (None, TaskPriority.URGENT, "urgent"),
        ("mail", TaskPriority.LOW, "mail:low"),
        ("a.b-c", TaskPriority.HIGH, "a.b-c:high"),
    ],
)
def test_list_names(queue: str | None, priority: TaskPriority, name: str) -> None:
    assert list_name(queue, priority) == name
    assert split_list_name(name) == (queue, priority)


def test_lists_of_a_queue_begin_with_the_most_urgent() -> None:
    assert lists_of(None) == ["urgent", "high", "normal", "low"]
    assert lists_of("mail") == ["mail:urgent", "mail:high", "mail:normal", "mail:low"]


def test_a_name_that_is_no_list() -> None:
    with pytest.raises(InvalidTask):
        split_list_name("mail:soon")


@pytest.mark.parametrize("prefix", ["", " ", "a b", "a{b}", "-a", "ä", "a\n", "a" * 129, ":a"])
def test_a_prefix_that_cannot_be_used(prefix: str) -> None:
    with pytest.raises(SettingsError, match="prefix"):
        Keys(prefix)


@pytest.mark.parametrize("prefix", ["a", "agent_queue", "A.b-c:d", "_x", "a" * 128])
def test_a_prefix_that_can(prefix: str) -> None:
    assert Keys(prefix).root == f"{prefix}:"

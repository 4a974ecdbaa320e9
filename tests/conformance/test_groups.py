"""Group keys through the public doors: who is next, and what is told of those behind."""

from __future__ import annotations

import pytest

from taskq import InvalidTask, Task
from taskq.protocol.keys import lists_of
from tests.conformance.clients import Client, Hands


def test_customers_take_turns_and_whoever_is_behind_is_told_so(client: Client, hands: Hands) -> None:
    hands.serve("w", lists_of(None))
    large = client.submit_batch([Task(payload=n, group_key="large") for n in range(5)])
    small = client.submit_task(Task(group_key="small"))
    assert client.get_task_status(large[4])["status"] == "pending"
    assert client.get_queue_stats().pending_tasks == 6
    assert [depth.depth for depth in client.get_queue_stats().lists if depth.priority == "normal"] == [6]
    behind = client.explain(large[3])
    assert behind.reason == "queued"
    words = "it waits behind 3 of its group large, the next of which is number 1 of 2 in the list normal"
    assert behind.message.startswith(words)
    assert behind.details["ahead_in_group"] == 3
    assert behind.details["ahead"] == 5
    first = client.explain(small)
    assert first.message.startswith("it is number 2 of 6 in the list normal")
    assert (first.details["group"], first.details["ahead_in_group"], first.details["ahead"]) == ("small", 0, 1)
    reply = hands.run(hands.protocol.turn("w", "token", 1, 10, lists_of(None)))
    assert [claim.task_id for claim in reply.claims] == [large[0], small, *large[1:]]
    assert client.get_task(small).group_key == "small"


def test_a_purge_deletes_all_of_a_group(client: Client) -> None:
    client.submit_batch([Task(group_key="large") for _ in range(5)])
    assert client.purge() == 5
    assert client.get_queue_stats().pending_tasks == 0


@pytest.mark.parametrize("key", ["", "a/b", "@a", "a b"])
def test_a_key_that_could_be_none(key: str) -> None:
    with pytest.raises(InvalidTask, match="group key"):
        Task(group_key=key)

"""consume, acknowledge, reject, pending messages, takeover, close."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
import redis

from taskq import Backoff, Channel, InvalidTask, NotHeld, Outgoing, RetryPolicy, Task
from tests.channels.faces import Face
from tests.waiting import eventually

SOON = RetryPolicy(delay_seconds=0.01, backoff=Backoff.CONSTANT, jitter=0.0)
FLEETING = Channel("orders", max_retries=1, retry_delay=0.01)


def data_of(messages: list[Any]) -> list[Any]:
    return [message.data for message in messages]


def test_the_whole_message_arrives(face: Face) -> None:
    publisher, consumer = face.publisher(source="till-3"), face.consumer("orders")
    message_id = publisher.publish("orders", {"total": 7, "big": 12345678901234567, "none": []}, {"priority": "low"})
    (message,) = consumer.consume()
    assert (message.id, message.channel, message.priority.label, message.attempt) == (message_id, "orders", "low", 1)
    assert message.data == {"total": 7, "big": 12345678901234567, "none": []}
    assert message.metadata == {"source": "till-3", "priority": "low", "timestamp": message.timestamp}
    assert datetime.fromisoformat(message.timestamp).tzinfo is not None
    assert consumer.acknowledge(message) == 1
    result = face.queue.get_task_result(message_id)
    assert result is not None
    assert (result["status"], result["result"], result["worker_id"]) == ("completed", None, consumer.consumer_id)
    ttl_ms = face.queue.transport.run(face.queue.namespace.protocol.inspect([message_id]))
    assert ttl_ms[0].state == {}


def test_urgent_comes_first_and_each_list_in_its_order(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders", "mail")
    for priority in ("low", "normal", "high", "urgent"):
        for channel in ("orders", "mail"):
            publisher.publish_batch(channel, [f"{priority} {channel} {n}" for n in (1, 2)], {"priority": priority})
    got = data_of(consumer.consume(100))
    assert got == [
        f"{priority} {channel} {n}"
        for priority in ("urgent", "high", "normal", "low")
        for channel in ("orders", "mail")
        for n in (1, 2)
    ]


def test_without_preference_each_list_gets_its_turn(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    for priority in ("urgent", "low"):
        publisher.publish_batch("orders", [priority] * 10, {"priority": priority})
    got = [data_of(consumer.consume(1, prefer_high_priority=False))[0] for _ in range(8)]
    assert set(got) == {"urgent", "low"}


def test_no_more_than_asked_for_is_held(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    publisher.publish_batch("orders", list(range(5)))
    assert data_of(consumer.consume(2)) == [0, 1]
    assert publisher.queue_length("orders") == 3
    assert consumer.get_consumer_info()["pending"] == 2


def test_an_empty_channel_is_waited_for(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    assert consumer.consume(5) == []
    assert consumer.consume(5, block_ms=20) == []
    waiting = face.begin(consumer.consume, 5, block_ms=None)
    publisher.publish("orders", 1)
    assert data_of(waiting.join()) == [1]


@pytest.mark.parametrize("count", [0, 1001, True, 1.5, None])
def test_a_count_that_is_none(face: Face, count: Any) -> None:
    with pytest.raises(InvalidTask, match="count is"):
        face.consumer("orders").consume(count)


def test_many_are_acknowledged_by_message_or_id(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    publisher.publish_batch("orders", list(range(2000)))
    messages = consumer.consume(1000) + consumer.consume(1000)
    assert consumer.acknowledge([messages[0], messages[0].id, *messages[1:1500]]) == 1500
    assert consumer.acknowledge(message.id for message in messages[1500:]) == 500
    assert consumer.acknowledge([]) == 0
    assert face.queue.get_queue_stats().counters == {"submitted": 2000, "completed": 2000}


def test_what_is_not_held_is_refused_and_the_rest_is_done(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    publisher.publish_batch("orders", [1, 2])
    first, second = consumer.consume(2)
    consumer.acknowledge(first)
    with pytest.raises(NotHeld, match="1 of 2 messages are not held") as caught:
        consumer.acknowledge([first, second])
    assert caught.value.message_ids == (first.id,)
    assert consumer.get_consumer_info()["acknowledged"] == 2
    with pytest.raises(NotHeld):
        consumer.reject("unknown")
    with pytest.raises(InvalidTask, match="neither a message nor its id"):
        consumer.acknowledge([7])


def test_a_rejected_message_comes_back_and_is_dead_in_the_end(face: Face) -> None:
    publisher, consumer = face.publisher(source="till-3"), face.consumer(FLEETING)
    message_id = publisher.publish(FLEETING, {"total": 7})
    (first,) = consumer.consume()
    consumer.reject(first, reason="the shop is closed")
    (second,) = consumer.consume(block_ms=10_000)
    assert (second.id, second.attempt, second.timestamp) == (message_id, 2, first.timestamp)
    consumer.reject(second, reason="still closed")
    (letter,) = face.queue.list_dead()
    assert (letter.task_id, letter.queue, letter.attempts) == (message_id, "orders", 2)
    assert "still closed" in letter.error
    kept = face.queue.get_task(message_id)
    assert (kept.metadata["source"], kept.created_at, kept.payload) == ("till-3", first.timestamp, {"total": 7})
    assert face.queue.replay_dead() == 1
    (again,) = consumer.consume()
    assert (again.id, again.data, again.metadata) == (message_id, {"total": 7}, first.metadata)
    info = consumer.get_consumer_info()
    assert (info["consumed"], info["rejected"], info["dead"]) == (3, 1, 1)


def test_a_message_that_is_not_to_be_requeued_is_dead_at_once(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    publisher.publish("orders", 1)
    consumer.reject(consumer.consume(), requeue=False, reason="no such shop")
    (letter,) = face.queue.list_dead()
    assert letter.attempts == 1
    assert "no such shop" in letter.error


def test_the_delay_of_a_reject_can_be_chosen(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    publisher.publish("orders", 1)
    consumer.reject(consumer.consume(), after=0.01)
    assert data_of(consumer.consume(block_ms=10_000)) == [1]


def test_errors_steer_as_in_handlers(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders", policy=SOON)
    publisher.publish_batch("orders", [1, 2])
    one, two = consumer.consume(2)
    assert consumer.fail({one.id: ValueError("no number"), two.id: KeyError("x")}) == 2
    assert sorted(data_of(consumer.consume(2, block_ms=10_000) + consumer.consume(1))) in ([1], [2], [1, 2])
    assert "no number" in face.queue.get_task_status(one.id)["error"]


def test_damage_ends_as_a_dead_letter_untouched(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    ids = publisher.publish_batch("orders", [{"total": 1}, {"total": 2}, {"total": 3}])
    damage(face, ids[1])
    damaged = stored(face, ids[1])
    assert data_of(consumer.consume(3)) == [{"total": 1}, {"total": 3}]
    (letter,) = face.queue.list_dead()
    assert (letter.task_id, letter.queue, letter.reason) == (ids[1], "orders", "corrupt")
    assert "does not match its SHA-256 checksum" in letter.error
    assert stored(face, ids[1]) == damaged


def stored(face: Face, message_id: str) -> bytes:
    (found,) = face.queue.transport.run(face.queue.namespace.protocol.inspect([message_id]))
    assert found.envelope is not None
    return found.envelope


def damage(face: Face, message_id: str) -> None:
    """Change the data of a message where it is stored, as a disk or a foreign program might."""
    key = face.queue.namespace.protocol.keys.key("task", message_id)
    with redis.Redis.from_url(face.queue.settings.redis_url or "", decode_responses=True, protocol=2) as client:
        text = client.get(key)
        assert isinstance(text, str)
        assert json.loads(text)["payload"] == {"total": 2}
        client.set(key, text.replace('"total":2', '"total":9'))


class Order(msgspec.Struct):
    total: int


def test_a_consumer_gets_instances_and_never_what_does_not_fit(face: Face) -> None:
    channel = Channel("orders", schema=Order)
    publisher, consumer = face.publisher(), face.consumer(channel)
    publisher.publish(channel, Order(7))
    publisher.publish("orders", {"total": "seven"})  # by a program that knows of no schema
    assert data_of(consumer.consume(5)) == [Order(7)]
    (letter,) = face.queue.list_dead()
    assert "does not fit the schema of channel orders" in letter.error


def test_only_messages_are_delivered(face: Face) -> None:
    consumer = face.consumer("orders")
    task_id = face.queue.submit_task(Task(task_type="other", queue="orders"))
    assert consumer.consume(5) == []
    assert face.queue.get_task_status(task_id)["status"] == "scheduled"  # parked, for a worker that knows it


def test_pending_messages_are_those_of_all_consumers(face: Face) -> None:
    publisher, one, two = face.publisher(), face.consumer("orders"), face.consumer("orders", "mail")
    stranger = face.consumer("other")
    ids = [*publisher.publish_batch("orders", [1, 2]), publisher.publish("mail", 3)]
    publisher.publish("other", 4)
    one.consume(1), two.consume(2), stranger.consume(1)
    found = two.get_pending_messages()
    assert {(item.id, item.channel, item.consumer_id, item.attempt) for item in found} == {
        (ids[0], "orders", one.consumer_id, 1),
        (ids[1], "orders", two.consumer_id, 1),
        (ids[2], "mail", two.consumer_id, 1),
    }
    assert {item.id for item in one.get_pending_messages()} == set(ids[:2])
    assert one.get_pending_messages(min_idle_ms=3_600_000) == []
    assert len(two.get_pending_messages(count=1)) == 1


def test_idle_messages_can_be_taken_over_and_their_holder_is_refused(face: Face) -> None:
    publisher, slow, other = face.publisher(), face.consumer("orders"), face.consumer("orders")
    publisher.publish_batch("orders", [1, 2, 3])
    held = slow.consume(2)
    assert other.claim_pending_messages(3_600_000) == []
    eventually(lambda: len(other.get_pending_messages(20)) == 2, what="two messages that have been held for 20 ms")
    taken = other.claim_pending_messages(20)
    assert [(message.id, message.data, message.attempt) for message in taken] == [
        (held[0].id, 1, 2),
        (held[1].id, 2, 2),
    ]
    assert taken[0].fence > held[0].fence
    with pytest.raises(NotHeld) as caught:
        slow.acknowledge(held)
    assert caught.value.message_ids == (held[0].id, held[1].id)
    assert other.acknowledge(taken) == 2
    assert slow.get_consumer_info()["refused"] == 2


def test_the_info_tells_of_the_consumers_beside_it(face: Face) -> None:
    one, two, stranger = face.consumer("orders", name="till"), face.consumer("orders", "mail"), face.consumer("other")
    stranger.consume()
    two.consume()
    info = one.get_consumer_info()
    assert info["consumer_id"].startswith("till-")
    assert (info["channels"], info["pending"], info["consumed"]) == (["orders"], 0, 0)
    assert 0 < info["lease_seconds"] <= 30
    assert {(item["consumer_id"], *item["channels"]) for item in info["consumers"]} == {
        (one.consumer_id, "orders"),
        (two.consumer_id, "mail", "orders"),
    }


def test_close_hands_back_to_the_head_and_charges_nothing(face: Face) -> None:
    publisher, one, two = face.publisher(), face.consumer("orders"), face.consumer("orders")
    publisher.publish_batch("orders", list(range(5)))
    one.consume(3)
    one.close()
    assert face.queue.list_workers() == []
    got = two.consume(5)
    assert (data_of(got), {message.attempt for message in got}) == ([0, 1, 2, 3, 4], {1})


def test_a_closed_consumer_can_be_used_again(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    publisher.publish("orders", 1)
    consumer.consume()
    consumer.close()
    assert data_of(consumer.consume()) == [1]


def test_close_ends_a_consume_that_waits(face: Face) -> None:
    consumer = face.consumer("orders")
    waiting = face.begin(consumer.consume, 1, block_ms=None)
    eventually(face.queue.list_workers, what="a registered consumer")
    consumer.close()
    assert waiting.join() == []
    assert face.queue.list_workers() == []


def test_late_words_of_a_closed_consumer_do_not_bring_it_back(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    publisher.publish("orders", 1)
    (message,) = consumer.consume()
    consumer.close()
    with pytest.raises(NotHeld):
        consumer.acknowledge(message)
    assert face.queue.list_workers() == []


def test_more_than_one_reply_of_messages_is_handed_back(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    publisher.publish_batch("orders", list(range(1500)))
    consumer.consume(1000), consumer.consume(500)
    consumer.close()
    assert publisher.queue_length("orders") == 1500


def test_an_own_id_and_time_arrive(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    publisher.publish("orders", Outgoing(data=1, message_id="order-7", timestamp="2026-01-02T03:04:05Z"))
    (message,) = consumer.consume()
    assert (message.id, message.timestamp) == ("order-7", "2026-01-02T03:04:05.000Z")


def test_messages_with_an_ordering_key_come_one_after_the_other(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    publisher.publish_batch("orders", [Outgoing(data=n, ordering_key="k") for n in range(3)])
    publisher.publish("orders", "free")
    first, free = consumer.consume(10)
    assert (first.data, free.data) == (0, "free")
    consumer.acknowledge(first)
    (second,) = consumer.consume(10)
    consumer.reject(second, requeue=False)
    (third,) = consumer.consume(10)
    assert (second.data, third.data) == (1, 2)

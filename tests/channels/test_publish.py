"""publish, publish_batch, queue_length: what is stored, and what is refused."""

from __future__ import annotations

import pytest

from taskq import Channel, InvalidTask, Outgoing, QueueFull, SchemaMismatch, TaskConflict
from tests.channels.conftest import NewFace
from tests.channels.faces import Face
from tests.waiting import eventually


def test_a_message_is_a_task_that_redis_cli_shows(face: Face) -> None:
    publisher = face.publisher(source="till-3")
    message_id = publisher.publish("orders", {"total": 7}, {"priority": "high", "shop": "Oslo"})
    task = face.queue.get_task(message_id)
    assert (task.task_type, task.queue, task.priority.label) == ("message", "orders", "high")
    assert (task.payload, task.metadata) == ({"total": 7}, {"source": "till-3", "shop": "Oslo"})
    assert publisher.queue_length("orders") == 1
    assert publisher.queue_length(Channel("other")) == 0


def test_a_batch_is_stored_in_order_all_or_none(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer("orders")
    ids = publisher.publish_batch("orders", [1, Outgoing(data=2, metadata={"source": "me"}), 3], {"shop": "Oslo"})
    with pytest.raises(InvalidTask):
        publisher.publish_batch("orders", [4, object()])
    assert publisher.queue_length("orders") == 3
    messages = consumer.consume(10)
    assert [(message.id, message.data) for message in messages] == list(zip(ids, [1, 2, 3], strict=True))
    assert [message.metadata.get("source") for message in messages] == [None, "me", None]
    assert {message.metadata["shop"] for message in messages} == {"Oslo"}
    assert publisher.publish_batch("orders", []) == []


@pytest.mark.parametrize("batch", ["text", {"a": 1}, 7])
def test_one_message_is_no_batch(face: Face, batch: object) -> None:
    with pytest.raises(InvalidTask, match="publish one with publish"):
        face.publisher().publish_batch("orders", batch)


@pytest.mark.parametrize("name", ["", "a:b", "default", "x" * 200])
def test_a_name_that_is_none(face: Face, name: str) -> None:
    with pytest.raises(InvalidTask):
        face.publisher().publish(name, 1)


def test_the_same_outgoing_is_stored_once(face: Face) -> None:
    publisher, message = face.publisher(), Outgoing(data=1)
    assert publisher.publish("orders", message) == publisher.publish("orders", message) == message.message_id
    assert publisher.queue_length("orders") == 1
    with pytest.raises(TaskConflict):
        publisher.publish("orders", Outgoing(data=2, message_id=message.message_id))


def test_a_full_channel_refuses_all_of_a_batch(face: Face) -> None:
    publisher, channel = face.publisher(), Channel("orders", max_length=3)
    publisher.publish_batch(channel, [1, 2])
    with pytest.raises(QueueFull, match=r"channel 'orders' may hold 3 messages .* there was no room"):
        publisher.publish_batch(channel, [3, 4])
    assert publisher.queue_length(channel) == 2
    publisher.publish(channel, 3)
    publisher.publish(channel, 4, {"priority": "high"})  # each priority has a list of its own


def test_the_configured_length_holds_where_the_channel_says_nothing(new_face: NewFace) -> None:
    publisher = new_face(max_queue_length=1).publisher()
    publisher.publish("orders", 1)
    with pytest.raises(QueueFull):
        publisher.publish("orders", 2)
    publisher.publish(Channel("orders", max_length=0), 2)


def test_a_publisher_can_wait_for_room(face: Face) -> None:
    publisher, consumer, channel = face.publisher(), face.consumer("orders"), Channel("orders", max_length=1)
    publisher.publish(channel, 1)
    waiting = face.begin(publisher.publish, channel, 2, block=True, timeout=20)
    with pytest.raises(QueueFull, match=r"no room within 0\.05 s"):
        publisher.publish(channel, 3, block=True, timeout=0.05)
    assert waiting.running
    assert len(consumer.consume(1)) == 1
    waiting.join()
    assert [message.data for message in consumer.consume(5)] == [2]


def test_a_batch_that_never_fits_is_not_waited_for(face: Face) -> None:
    with pytest.raises(QueueFull, match="never fit"):
        face.publisher().publish_batch(Channel("orders", max_length=2), [1, 2, 3], block=True)


def test_a_message_expires(face: Face) -> None:
    publisher, consumer = face.publisher(), face.consumer(Channel("orders", ttl=3600))
    short = publisher.publish("orders", Outgoing(data="short", ttl=0.02))
    long = publisher.publish(Channel("orders", ttl=3600), "long")
    assert (face.queue.get_task(short).expires_in, face.queue.get_task(long).expires_in) == (0.02, 3600)
    began = face.queue.get_task(short).deadline_ms
    eventually(lambda: server_ms(face) > (began or 0) + 5, what="the end of its time")
    assert [message.data for message in consumer.consume(5)] == ["long"]
    result = face.queue.get_task_result(short)
    assert result is not None
    assert result["status"] == "cancelled"
    assert "expired" in result["error"]


def server_ms(face: Face) -> int:
    now_ms: int = face.queue.transport.run(face.queue.namespace.protocol.cards())[0]
    return now_ms


def test_data_that_does_not_fit_is_refused_before_anything_is_stored(face: Face) -> None:
    channel = Channel("orders", schema={"type": "object", "required": ["total"]})
    publisher = face.publisher()
    with pytest.raises(SchemaMismatch, match=r"channel orders: \$: 'total' is a required property"):
        publisher.publish_batch(channel, [{"total": 1}, {"sum": 2}])
    assert publisher.queue_length(channel) == 0
    publisher.publish(channel, {"total": 1})

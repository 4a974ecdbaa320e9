"""A channel of a queue that is spread over several partitions lives in one of them, and is found there by everybody."""

from __future__ import annotations

import pytest

from taskq import ChannelWorker, InvalidTask, Outgoing
from taskq.model.partition import home_of_key
from tests.channels.conftest import NewFace
from tests.worker.background import findings

NAMES = [f"channel-{n}" for n in "abcdefgh"]


def test_each_channel_is_whole(new_face: NewFace) -> None:
    face = new_face(partitions=3)
    publisher = face.publisher()
    assert {home_of_key(name, 3) for name in NAMES} == {0, 1, 2}
    for name in NAMES:
        ids = publisher.publish_batch(name, [1, Outgoing(data=2, message_id=f"own-{name}"), 3])
        assert publisher.queue_length(name) == 3
        consumer = face.consumer(name)
        messages = consumer.consume(2)
        assert [(message.id, message.data) for message in messages] == [(ids[0], 1), (ids[1], 2)]
        consumer.acknowledge(messages)
        assert len(consumer.get_pending_messages()) == 0
        consumer.reject(consumer.consume(), requeue=False)
        assert [face.queue.get_task_status(i)["status"] for i in ids] == ["completed", "completed", "failed"]
    assert face.queue.get_queue_stats().counters["completed"] == 2 * len(NAMES)
    assert face.queue.replay_dead() == len(NAMES)
    for index in range(3):
        assert findings(face.queue.partition(index)) == []


def test_a_consumer_serves_channels_of_one_partition_and_a_worker_any(new_face: NewFace) -> None:
    face = new_face(partitions=3)
    with pytest.raises(InvalidTask, match="different partitions"):
        face.consumer(*NAMES)
    worker, seen = ChannelWorker(face.queue), []
    for name in NAMES:
        worker.register_handler(name, lambda message: seen.append(message.channel))
        face.publisher().publish(name, 1)
    worker.run_until_empty()
    assert sorted(seen) == NAMES

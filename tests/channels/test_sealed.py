"""Messages in a namespace with keys: signed and encrypted in Redis, and none by a stranger."""

from __future__ import annotations

import redis

from taskq import Channel
from tests.channels.conftest import NewFace
from tests.model.test_crypto import NEW, text_of
from tests.worker.background import findings
from tests.worker.test_sealed import everything

SECRET = "the-card-is-4711"


def test_nobody_reads_them_and_nobody_else_sends_them(
    new_face: NewFace, redis_client: redis.Redis, prefix: str
) -> None:
    face, stranger = new_face(signing_keys=text_of(NEW), encryption_keys=text_of(NEW)), new_face()
    channel = Channel("orders", max_retries=1, retry_delay=0.01)
    publisher, consumer = face.publisher(source=SECRET), face.consumer(channel)
    publisher.publish_batch(channel, [SECRET, f"{SECRET} again"])
    forged = stranger.publisher().publish(channel, "pay me")
    messages = consumer.consume(10)
    assert [(message.data, message.metadata["source"]) for message in messages] == [
        (SECRET, SECRET),
        (f"{SECRET} again", SECRET),
    ]
    consumer.reject(messages[1], reason=SECRET)
    consumer.reject(consumer.consume(1, block_ms=10_000), reason=SECRET)
    consumer.acknowledge(messages[0])
    letters = {letter.task_id: letter for letter in face.queue.list_dead()}
    assert letters[forged].reason == "bad_signature"
    assert SECRET in letters[messages[1].id].error
    assert messages[0].id in everything(redis_client, prefix)
    assert SECRET not in everything(redis_client, prefix)
    assert findings(face.queue) == []

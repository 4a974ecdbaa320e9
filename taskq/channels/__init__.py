"""Channels: named queues of messages, to publish into and to consume from, on the same engine as tasks."""

from __future__ import annotations

from taskq.channels.aio import AsyncConsumer, AsyncPublisher
from taskq.channels.consumer import Consumer
from taskq.channels.lane import PartialFailure
from taskq.channels.message import Channel, Message, Outgoing, PendingMessage
from taskq.channels.publisher import Publisher
from taskq.channels.worker import ChannelWorker

__all__ = [
    "AsyncConsumer",
    "AsyncPublisher",
    "Channel",
    "ChannelWorker",
    "Consumer",
    "Message",
    "Outgoing",
    "PartialFailure",
    "PendingMessage",
    "Publisher",
]

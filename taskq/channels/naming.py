"""What callers may write for channels, messages, numbers and reasons, and what it means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taskq.channels.intake import MOST_AT_ONCE
from taskq.channels.message import Channel, Message, channel_of, home_of_channel
from taskq.errors import InvalidTask
from taskq.model.retry import Retry


class Rejected(Retry):
    """What a rejected message shows as its error: the reason alone."""

    def __str__(self) -> str:
        return self.reason


def channels_of(channels: str | Channel | Iterable[str | Channel]) -> list[Channel]:
    """Return one or many channels as a list.

    Raises:
        InvalidTask: if there is none, one is given twice, or a name cannot be used.
    """
    given = [channels] if isinstance(channels, str | Channel) else list(channels)
    found = [channel_of(channel) for channel in given]
    if not found or len({channel.name for channel in found}) < len(found):
        raise InvalidTask(f"a consumer serves one or more channels, each once, not {[item.name for item in found]}")
    return found


def home_of_all(channels: Sequence[Channel], partitions: int) -> int:
    """Return the partition that all of some channels live in.

    Raises:
        InvalidTask: if there is none.
    """
    homes = {home_of_channel(channel.name, partitions) for channel in channels}
    if len(homes) > 1:
        raise InvalidTask(
            f"the channels {[channel.name for channel in channels]} live in {len(homes)} different partitions "
            "(TASKQ_PARTITIONS), and a consumer in one: make a consumer for each, or use a ChannelWorker"
        )
    return homes.pop()


def ids_of(messages: Message | str | Iterable[Message | str]) -> Sequence[str]:
    """Return the ids of one or many messages.

    Raises:
        InvalidTask: if something else is among them.
    """
    given = [messages] if isinstance(messages, Message | str) else list(messages)
    for message in given:
        if not isinstance(message, Message | str):
            raise InvalidTask(f"a {type(message).__name__} is neither a message nor its id")
    return [message if isinstance(message, str) else message.id for message in given]


def check_count(count: int) -> int:
    """Return a number of messages that one call can handle.

    Raises:
        InvalidTask: if it is no whole number from 1 to 1,000.
    """
    if type(count) is not int or not 1 <= count <= MOST_AT_ONCE:
        raise InvalidTask(f"count is {count!r:.60}: use a whole number from 1 to {MOST_AT_ONCE:,}")
    return count


def milliseconds(value: int | None, name: str) -> int | None:
    """Return a length of time in ms, None as it is.

    Raises:
        InvalidTask: if it is no whole number, 0 or more.
    """
    if value is None or (type(value) is int and value >= 0):
        return value
    raise InvalidTask(f"{name} is {value!r:.60}: use a whole number of milliseconds, 0 or more")

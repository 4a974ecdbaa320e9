"""What a task wants to know when it goes on, as it is stored: JSON, encrypted where there are keys for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taskq.errors import CorruptTask, PayloadTooLarge
from taskq.model.codec import decode, encode
from taskq.model.crypto import Seal, hide, reveal

TTL_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one task has noted.

    Attributes:
        data: what the user has noted, as JSON can say it.
        position: how many items of a ``ctx.resume`` are done.
        saga: how far the saga has come that the task is; None: it is none.
    """

    data: Any = None
    position: int = 0
    saga: dict[str, Any] | None = None

    def to_text(self, task_id: str, max_bytes: int, seal: Seal | None) -> str:
        """Return what is stored.

        Raises:
            InvalidTask: if the data is not JSON.
            PayloadTooLarge: if it is larger than ``max_bytes``.
        """
        place = f',"position":{self.position}' if self.position else ""
        saga = "" if self.saga is None else f',"saga":{encode(self.saga, "record of a saga")}'
        text = hide(seal, f'{{"data":{encode(self.data, "checkpoint")}{place}{saga}}}', "checkpoint", task_id)
        size = len(text.encode())
        if size > max_bytes:
            raise PayloadTooLarge(
                f"the checkpoint of task {task_id} is {size:,} bytes, more than the {max_bytes:,} allowed: store the "
                "data elsewhere and note a reference, or raise TASKQ_MAX_MESSAGE_SIZE"
            )
        return text


def read_checkpoint(stored: bytes, task_id: str, seal: Seal | None) -> Checkpoint:
    """Return the checkpoint that a text holds.

    Raises:
        CannotDecrypt: if it is encrypted, and not with a key of this process.
        CorruptTask: if it is none of ours.
    """
    try:
        found = decode(reveal(seal, stored.decode(), "checkpoint", task_id), "checkpoint")
        return Checkpoint(found["data"], int(found.get("position", 0)), found.get("saga"))
    except CorruptTask:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CorruptTask(
            f"the stored checkpoint of task {task_id} cannot be used ({error!s:.100}): something else than taskq has "
            "written it; delete it with delete_checkpoint to begin anew"
        ) from None

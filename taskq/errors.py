"""The one exception tree. Every message says what happened, why, and what to do next."""

from __future__ import annotations


class TaskqError(Exception):
    """Base of every error that taskq raises."""


class SettingsError(TaskqError):
    """A setting has a value that cannot be used; the message names the setting and its source."""


class InvalidTask(TaskqError, ValueError):
    """A task cannot be accepted as it is: a bad id, name, number or payload."""


class PayloadTooLarge(InvalidTask):
    """The encoded task is larger than the configured maximum message size."""


class SchemaMismatch(InvalidTask):
    """The data does not fit the schema of its channel or type; the message names the first place where it does not."""


class WrongArguments(InvalidTask, TypeError):
    """A decorated function cannot be called with these arguments; the message says why, and what it takes."""


class TaskConflict(TaskqError):
    """Under the same id a different task is stored, or a cancelled one still stands in a list."""


class DuplicateTask(TaskqError):
    """Another task holds the unique key, and the submit said ``reject``; nothing was stored, or only the beginning of a
    large batch.

    Attributes:
        task_id: of the holder.
        stored: how many tasks of the batch were stored.
    """

    def __init__(self, message: str = "", task_id: str = "", stored: int = 0) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.stored = stored


class QueueFull(TaskqError):
    """A list or a queue holds as much as it may; nothing was stored, or only the beginning of a large batch.

    Attributes:
        stored: how many tasks of the batch were stored.
    """

    def __init__(self, message: str = "", stored: int = 0) -> None:
        super().__init__(message)
        self.stored = stored


class TaskNotFound(TaskqError, KeyError):
    """No task with this id: it never existed, or its retention has ended."""

    def __str__(self) -> str:  # KeyError would show the repr of its argument
        return str(self.args[0]) if self.args else ""


class WorkerNotFound(TaskqError, KeyError):
    """No worker with this id or name is registered."""

    def __str__(self) -> str:  # KeyError would show the repr of its argument
        return str(self.args[0]) if self.args else ""


class NameNotFound(InvalidTask):
    """There is no schedule, circuit or saga of this name."""


class TaskFailed(TaskqError):
    """The task whose result was asked for ended as failed or cancelled.

    Attributes:
        result: the result dict of the task, with ``status`` and ``error``.
    """

    def __init__(self, message: str, result: dict[str, object]) -> None:
        super().__init__(message)
        self.result = result


class ResultTimeout(TaskqError, TimeoutError):
    """The task did not reach an end within the time given to the wait."""


class NotHeld(TaskqError):
    """Messages cannot be acknowledged or rejected, because this consumer does not hold them any more.

    Its lease was lost, another consumer took them over, or they were settled before. What else the call named is done.

    Attributes:
        message_ids: of the messages that were refused.
    """

    def __init__(self, message: str, message_ids: tuple[str, ...]) -> None:
        super().__init__(message)
        self.message_ids = message_ids


class CorruptTask(TaskqError):
    """What is stored of a task does not match its SHA-256 checksum, is not valid JSON, or is not all there any more."""


class BadSignature(CorruptTask):
    """The task is not signed, or was changed after it was; ``TASKQ_SIGNING_KEYS`` says who may sign."""


class CannotDecrypt(CorruptTask):
    """What is stored is encrypted with a key that this process does not have, or was changed since."""


class UnknownTaskType(TaskqError):
    """No handler is registered for the type of the task."""


class ServerError(TaskqError):
    """The server refused a command in a way that a repetition would not mend."""


class ServerUnavailable(TaskqError, ConnectionError):
    """The server could not be reached, or did not answer, until the deadline of the call."""


class ServerFull(ServerError):
    """The server is out of memory and refuses new tasks; tasks already accepted still drain."""


class AccessDenied(ServerError):
    """The server wants a password, refuses it, or its ACL forbids a command."""


class UntrustedServer(ServerError):
    """TLS does not come about: the certificate of the server cannot be trusted, or it does not accept ours."""


class UnsupportedServer(ServerError):
    """The server is older than the floor (Redis 7.0, Valkey 7.2) or is not a Redis-compatible server."""


class UnsupportedDurability(UnsupportedServer):
    """The server cannot give the durability that was asked for; nothing was submitted."""


class NotDurable(TaskqError):
    """The tasks are accepted, but they were not as safe as asked for when the wait for it ended.

    Submit the same ``Task`` values again to wait again: they are stored once.

    Attributes:
        task_ids: of the tasks that are accepted.
        durability: the level that was asked for.
        asked: what had to be reached, in words.
        reached: what was reached, in words.
    """

    def __init__(self, message: str, task_ids: tuple[str, ...], durability: str, asked: str, reached: str) -> None:
        super().__init__(message)
        self.task_ids = task_ids
        self.durability = durability
        self.asked = asked
        self.reached = reached


class EmbeddedServerError(TaskqError):
    """The embedded server could not be started, found or stopped."""


class ProtocolError(TaskqError):
    """A script, its header and its caller disagree; raised when the package is imported, or a bug of ours."""

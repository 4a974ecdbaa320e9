"""taskq: a reliable priority task queue on Redis or Valkey lists.

from taskq import Task, get_task_queue

task_id = get_task_queue().submit_task(Task(task_type="echo", payload={"hello": "world"}))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskq.admission.explain import Explanation
    from taskq.aio import AsyncTaskQueue
    from taskq.channels import (
        AsyncConsumer,
        AsyncPublisher,
        Channel,
        ChannelWorker,
        Consumer,
        Message,
        Outgoing,
        PartialFailure,
        PendingMessage,
        Publisher,
    )
    from taskq.current import get_task_queue
    from taskq.errors import (
        AccessDenied,
        BadSignature,
        CannotDecrypt,
        CorruptTask,
        EmbeddedServerError,
        InvalidTask,
        NotDurable,
        NotHeld,
        PayloadTooLarge,
        QueueFull,
        ResultTimeout,
        SchemaMismatch,
        ServerError,
        ServerFull,
        ServerUnavailable,
        SettingsError,
        TaskConflict,
        TaskFailed,
        TaskNotFound,
        TaskqError,
        UnsupportedDurability,
        UnsupportedServer,
        UntrustedServer,
    )
    from taskq.handle import AsyncTaskHandle, TaskHandle
    from taskq.model.limit import Limit, LimitInfo
    from taskq.model.retry import Backoff, Discard, Retry, RetryPolicy, Snooze
    from taskq.model.task import AgentTask, Task
    from taskq.model.views import DeadLetter, ListStats, QueueStats, WorkerInfo
    from taskq.queue import TaskQueue
    from taskq.scheduler import ScheduleInfo, TaskScheduler
    from taskq.settings import Settings
    from taskq.states import Durability, TaskPriority, TaskStatus, TaskType
    from taskq.worker import ChildrenFailed, TaskCancelled, TaskContext, TaskTimeout, TaskWorker
    from taskq.workflow.families import Quorum

# Public names are imported when they are first used: a program pays only for its part, and the command line starts at
# once.
_HOME = {
    "AsyncConsumer": "taskq.channels",
    "AsyncPublisher": "taskq.channels",
    "Channel": "taskq.channels",
    "ChannelWorker": "taskq.channels",
    "Consumer": "taskq.channels",
    "Message": "taskq.channels",
    "Outgoing": "taskq.channels",
    "PartialFailure": "taskq.channels",
    "PendingMessage": "taskq.channels",
    "Publisher": "taskq.channels",
    "NotHeld": "taskq.errors",
    "SchemaMismatch": "taskq.errors",
    "AccessDenied": "taskq.errors",
    "BadSignature": "taskq.errors",
    "CannotDecrypt": "taskq.errors",
    "AgentTask": "taskq.model.task",
    "AsyncTaskHandle": "taskq.handle",
    "AsyncTaskQueue": "taskq.aio",
    "Backoff": "taskq.model.retry",
    "ChildrenFailed": "taskq.worker",
    "CorruptTask": "taskq.errors",
    "DeadLetter": "taskq.model.views",
    "Discard": "taskq.model.retry",
    "Durability": "taskq.states",
    "EmbeddedServerError": "taskq.errors",
    "Explanation": "taskq.admission.explain",
    "InvalidTask": "taskq.errors",
    "Limit": "taskq.model.limit",
    "LimitInfo": "taskq.model.limit",
    "ListStats": "taskq.model.views",
    "NotDurable": "taskq.errors",
    "PayloadTooLarge": "taskq.errors",
    "Quorum": "taskq.workflow.families",
    "QueueFull": "taskq.errors",
    "QueueStats": "taskq.model.views",
    "ResultTimeout": "taskq.errors",
    "Retry": "taskq.model.retry",
    "RetryPolicy": "taskq.model.retry",
    "ScheduleInfo": "taskq.scheduler",
    "ServerError": "taskq.errors",
    "ServerFull": "taskq.errors",
    "ServerUnavailable": "taskq.errors",
    "Settings": "taskq.settings",
    "SettingsError": "taskq.errors",
    "Snooze": "taskq.model.retry",
    "Task": "taskq.model.task",
    "TaskCancelled": "taskq.worker",
    "TaskConflict": "taskq.errors",
    "TaskContext": "taskq.worker",
    "TaskFailed": "taskq.errors",
    "TaskHandle": "taskq.handle",
    "TaskNotFound": "taskq.errors",
    "TaskPriority": "taskq.states",
    "TaskQueue": "taskq.queue",
    "TaskScheduler": "taskq.scheduler",
    "TaskStatus": "taskq.states",
    "TaskTimeout": "taskq.worker",
    "TaskType": "taskq.states",
    "TaskWorker": "taskq.worker",
    "TaskqError": "taskq.errors",
    "UnsupportedDurability": "taskq.errors",
    "UnsupportedServer": "taskq.errors",
    "UntrustedServer": "taskq.errors",
    "WorkerInfo": "taskq.model.views",
    "get_task_queue": "taskq.current",
}

__all__ = [
    "AccessDenied",
    "AgentTask",
    "AsyncConsumer",
    "AsyncPublisher",
    "AsyncTaskHandle",
    "AsyncTaskQueue",
    "Backoff",
    "BadSignature",
    "CannotDecrypt",
    "Channel",
    "ChannelWorker",
    "ChildrenFailed",
    "Consumer",
    "CorruptTask",
    "DeadLetter",
    "Discard",
    "Durability",
    "EmbeddedServerError",
    "Explanation",
    "InvalidTask",
    "Limit",
    "LimitInfo",
    "ListStats",
    "Message",
    "NotDurable",
    "NotHeld",
    "Outgoing",
    "PartialFailure",
    "PayloadTooLarge",
    "PendingMessage",
    "Publisher",
    "QueueFull",
    "QueueStats",
    "Quorum",
    "ResultTimeout",
    "Retry",
    "RetryPolicy",
    "ScheduleInfo",
    "SchemaMismatch",
    "ServerError",
    "ServerFull",
    "ServerUnavailable",
    "Settings",
    "SettingsError",
    "Snooze",
    "Task",
    "TaskCancelled",
    "TaskConflict",
    "TaskContext",
    "TaskFailed",
    "TaskHandle",
    "TaskNotFound",
    "TaskPriority",
    "TaskQueue",
    "TaskScheduler",
    "TaskStatus",
    "TaskTimeout",
    "TaskType",
    "TaskWorker",
    "TaskqError",
    "UnsupportedDurability",
    "UnsupportedServer",
    "UntrustedServer",
    "WorkerInfo",
    "get_task_queue",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'taskq' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

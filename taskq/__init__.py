"""taskq: a reliable priority task queue on Redis or Valkey lists.

from taskq import Task, get_task_queue

task_id = get_task_queue().submit_task(Task(task_type="echo", payload={"hello": "world"}))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskq.admission.explain import Explanation
    from taskq.agent import AgentContext, AgentExecutor, AsyncAgentExecutor, ChatModel, batch_handler
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
        DuplicateTask,
        EmbeddedServerError,
        InvalidTask,
        NameNotFound,
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
        WorkerNotFound,
        WrongArguments,
    )
    from taskq.handle import AsyncTaskHandle, TaskHandle
    from taskq.model.bound import OnFull, QueueLimit
    from taskq.model.history import Minute
    from taskq.model.limit import Limit, LimitInfo
    from taskq.model.retry import Backoff, Discard, Retry, RetryPolicy, Snooze
    from taskq.model.task import AgentTask, Task
    from taskq.model.threshold import SlaReading
    from taskq.model.uniqueness import UniquePolicy
    from taskq.model.views import DeadLetter, ListStats, QueueStats, WorkerInfo
    from taskq.observe.details import Relatives, TaskDetails
    from taskq.observe.pages import TaskFilter, TaskPage
    from taskq.queue import TaskQueue
    from taskq.scheduler import ScheduleInfo, TaskScheduler
    from taskq.settings import Settings
    from taskq.states import Durability, TaskPriority, TaskStatus, TaskType
    from taskq.worker import (
        AttemptLost,
        ChildrenFailed,
        Fairness,
        Saga,
        ScalingOptions,
        SignalTimeout,
        StepOptions,
        TaskCancelled,
        TaskContext,
        TaskTimeout,
        TaskWorker,
        WorkerOptions,
        WorkerPool,
    )
    from taskq.workflow.families import Quorum
    from taskq.workflow.sagas import SagaInfo, SagaPage
    from taskq.workflow.trees import TaskTree, TreeFamily

# Public names are imported when they are first used: a program pays only for its part, and the command line starts at
# once.
_HOME = {
    "AgentContext": "taskq.agent",
    "AgentExecutor": "taskq.agent",
    "AsyncAgentExecutor": "taskq.agent",
    "ChatModel": "taskq.agent",
    "AsyncConsumer": "taskq.channels",
    "AsyncPublisher": "taskq.channels",
    "Channel": "taskq.channels",
    "ChannelWorker": "taskq.channels",
    "Consumer": "taskq.channels",
    "Message": "taskq.channels",
    "OnFull": "taskq.model.bound",
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
    "AttemptLost": "taskq.worker",
    "ChildrenFailed": "taskq.worker",
    "CorruptTask": "taskq.errors",
    "DuplicateTask": "taskq.errors",
    "DeadLetter": "taskq.model.views",
    "Discard": "taskq.model.retry",
    "Durability": "taskq.states",
    "EmbeddedServerError": "taskq.errors",
    "Explanation": "taskq.admission.explain",
    "Fairness": "taskq.worker",
    "InvalidTask": "taskq.errors",
    "Limit": "taskq.model.limit",
    "LimitInfo": "taskq.model.limit",
    "SlaReading": "taskq.model.threshold",
    "ListStats": "taskq.model.views",
    "Minute": "taskq.model.history",
    "NameNotFound": "taskq.errors",
    "NotDurable": "taskq.errors",
    "PayloadTooLarge": "taskq.errors",
    "Quorum": "taskq.workflow.families",
    "QueueFull": "taskq.errors",
    "QueueLimit": "taskq.model.bound",
    "QueueStats": "taskq.model.views",
    "Relatives": "taskq.observe.details",
    "ResultTimeout": "taskq.errors",
    "Retry": "taskq.model.retry",
    "RetryPolicy": "taskq.model.retry",
    "ScalingOptions": "taskq.worker",
    "Saga": "taskq.worker",
    "SagaInfo": "taskq.workflow.sagas",
    "SagaPage": "taskq.workflow.sagas",
    "ScheduleInfo": "taskq.scheduler",
    "ServerError": "taskq.errors",
    "ServerFull": "taskq.errors",
    "ServerUnavailable": "taskq.errors",
    "Settings": "taskq.settings",
    "SettingsError": "taskq.errors",
    "SignalTimeout": "taskq.worker",
    "Snooze": "taskq.model.retry",
    "StepOptions": "taskq.worker",
    "Task": "taskq.model.task",
    "TaskCancelled": "taskq.worker",
    "TaskConflict": "taskq.errors",
    "TaskContext": "taskq.worker",
    "TaskDetails": "taskq.observe.details",
    "TaskFailed": "taskq.errors",
    "TaskFilter": "taskq.observe.pages",
    "TaskHandle": "taskq.handle",
    "TaskNotFound": "taskq.errors",
    "TaskPage": "taskq.observe.pages",
    "TaskPriority": "taskq.states",
    "TaskQueue": "taskq.queue",
    "TaskScheduler": "taskq.scheduler",
    "TaskStatus": "taskq.states",
    "TaskTimeout": "taskq.worker",
    "TaskTree": "taskq.workflow.trees",
    "TaskType": "taskq.states",
    "TaskWorker": "taskq.worker",
    "TaskqError": "taskq.errors",
    "TreeFamily": "taskq.workflow.trees",
    "UniquePolicy": "taskq.model.uniqueness",
    "UnsupportedDurability": "taskq.errors",
    "UnsupportedServer": "taskq.errors",
    "UntrustedServer": "taskq.errors",
    "WorkerInfo": "taskq.model.views",
    "WorkerNotFound": "taskq.errors",
    "WorkerOptions": "taskq.worker",
    "WorkerPool": "taskq.worker",
    "WrongArguments": "taskq.errors",
    "batch_handler": "taskq.agent",
    "get_task_queue": "taskq.current",
}

__all__ = [
    "AccessDenied",
    "AgentContext",
    "AgentExecutor",
    "AgentTask",
    "AsyncAgentExecutor",
    "AsyncConsumer",
    "AsyncPublisher",
    "AsyncTaskHandle",
    "AsyncTaskQueue",
    "AttemptLost",
    "Backoff",
    "BadSignature",
    "CannotDecrypt",
    "Channel",
    "ChannelWorker",
    "ChatModel",
    "ChildrenFailed",
    "Consumer",
    "CorruptTask",
    "DeadLetter",
    "Discard",
    "DuplicateTask",
    "Durability",
    "EmbeddedServerError",
    "Explanation",
    "Fairness",
    "InvalidTask",
    "Limit",
    "LimitInfo",
    "ListStats",
    "Message",
    "Minute",
    "NameNotFound",
    "NotDurable",
    "NotHeld",
    "OnFull",
    "Outgoing",
    "PartialFailure",
    "PayloadTooLarge",
    "PendingMessage",
    "Publisher",
    "QueueFull",
    "QueueLimit",
    "QueueStats",
    "Quorum",
    "Relatives",
    "ResultTimeout",
    "Retry",
    "RetryPolicy",
    "Saga",
    "SagaInfo",
    "SagaPage",
    "ScalingOptions",
    "ScheduleInfo",
    "SchemaMismatch",
    "ServerError",
    "ServerFull",
    "ServerUnavailable",
    "Settings",
    "SettingsError",
    "SignalTimeout",
    "SlaReading",
    "Snooze",
    "StepOptions",
    "Task",
    "TaskCancelled",
    "TaskConflict",
    "TaskContext",
    "TaskDetails",
    "TaskFailed",
    "TaskFilter",
    "TaskHandle",
    "TaskNotFound",
    "TaskPage",
    "TaskPriority",
    "TaskQueue",
    "TaskScheduler",
    "TaskStatus",
    "TaskTimeout",
    "TaskTree",
    "TaskType",
    "TaskWorker",
    "TaskqError",
    "TreeFamily",
    "UniquePolicy",
    "UnsupportedDurability",
    "UnsupportedServer",
    "UntrustedServer",
    "WorkerInfo",
    "WorkerNotFound",
    "WorkerOptions",
    "WorkerPool",
    "WrongArguments",
    "batch_handler",
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

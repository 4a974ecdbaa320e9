"""taskq: a reliable priority task queue on Redis or Valkey lists.

    from taskq import Task, get_task_queue

    task_id = get_task_queue().submit_task(Task(task_type="echo", payload={"hello": "world"}))
"""

from taskq.aio import AsyncTaskQueue
from taskq.errors import (
    AccessDenied,
    CorruptTask,
    EmbeddedServerError,
    InvalidTask,
    PayloadTooLarge,
    QueueFull,
    ResultTimeout,
    ServerError,
    ServerFull,
    ServerUnavailable,
    SettingsError,
    TaskConflict,
    TaskFailed,
    TaskNotFound,
    TaskqError,
    UnsupportedServer,
)
from taskq.handle import AsyncTaskHandle, TaskHandle
from taskq.model.retry import Backoff, Discard, Retry, RetryPolicy, Snooze
from taskq.model.task import AgentTask, Task
from taskq.model.views import DeadLetter, ListStats, QueueStats, WorkerInfo
from taskq.queue import TaskQueue, get_task_queue
from taskq.settings import Settings
from taskq.states import TaskPriority, TaskStatus, TaskType
from taskq.worker import TaskCancelled, TaskContext, TaskTimeout, TaskWorker

__all__ = [
    "AccessDenied",
    "AgentTask",
    "AsyncTaskHandle",
    "AsyncTaskQueue",
    "Backoff",
    "CorruptTask",
    "DeadLetter",
    "Discard",
    "EmbeddedServerError",
    "InvalidTask",
    "ListStats",
    "PayloadTooLarge",
    "QueueFull",
    "QueueStats",
    "ResultTimeout",
    "Retry",
    "RetryPolicy",
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
    "TaskStatus",
    "TaskTimeout",
    "TaskType",
    "TaskWorker",
    "TaskqError",
    "UnsupportedServer",
    "WorkerInfo",
    "get_task_queue",
]

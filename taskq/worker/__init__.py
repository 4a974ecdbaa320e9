"""Run tasks: engine, runners, heartbeat, supervisor."""

from taskq.worker.attempt import TaskCancelled, TaskTimeout
from taskq.worker.command import run_worker
from taskq.worker.context import TaskContext
from taskq.worker.fanout import ChildrenFailed
from taskq.worker.options import WorkerOptions
from taskq.worker.plan import Fairness
from taskq.worker.pool import WorkerPool
from taskq.worker.scaling import ScalingOptions
from taskq.worker.worker import TaskWorker

__all__ = [
    "ChildrenFailed",
    "Fairness",
    "ScalingOptions",
    "TaskCancelled",
    "TaskContext",
    "TaskTimeout",
    "TaskWorker",
    "WorkerOptions",
    "WorkerPool",
    "run_worker",
]

"""Run tasks: engine, runners, heartbeat, supervisor."""

from taskq.worker.attempt import AttemptLost, TaskCancelled, TaskTimeout
from taskq.worker.command import run_worker
from taskq.worker.context import TaskContext
from taskq.worker.fanout import ChildrenFailed
from taskq.worker.options import WorkerOptions
from taskq.worker.plan import Fairness
from taskq.worker.pool import WorkerPool
from taskq.worker.saga import Saga, StepOptions
from taskq.worker.scaling import ScalingOptions
from taskq.worker.waits import SignalTimeout
from taskq.worker.worker import TaskWorker

__all__ = [
    "AttemptLost",
    "ChildrenFailed",
    "Fairness",
    "Saga",
    "ScalingOptions",
    "SignalTimeout",
    "StepOptions",
    "TaskCancelled",
    "TaskContext",
    "TaskTimeout",
    "TaskWorker",
    "WorkerOptions",
    "WorkerPool",
    "run_worker",
]

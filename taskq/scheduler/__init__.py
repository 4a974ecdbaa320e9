"""Tasks for later and tasks that recur: the API, and the process that starts what falls due."""

from __future__ import annotations

from taskq.scheduler.info import ScheduleInfo
from taskq.scheduler.scheduler import TaskScheduler

__all__ = ["ScheduleInfo", "TaskScheduler"]

"""Jobs that wait in the lists of RQ or Celery become tasks: read as data, moved one page at a time, none lost."""

from taskq.migrate.celery import CeleryJobs
from taskq.migrate.jobs import Plan, Refusal
from taskq.migrate.move import Report, move
from taskq.migrate.rq import RqJobs

__all__ = ["CeleryJobs", "Plan", "Refusal", "Report", "RqJobs", "move"]

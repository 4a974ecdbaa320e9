"""The command ``taskq``."""

from __future__ import annotations

import click

from taskq.cli.program import EXIT_CODES, Program

__all__ = ["main"]

COMMANDS = {
    "Run": {
        "worker": ("taskq.cli.workers", "Run a worker; `worker ls` shows the ones that run."),
        "pool": ("taskq.cli.pool", "Run as many worker processes as the work needs."),
        "scheduler": ("taskq.cli.scheduler", "Run a scheduler."),
        "server": ("taskq.cli.server", "Start, stop or show the embedded server."),
    },
    "Tasks": {
        "submit": ("taskq.cli.submit", "Submit a task, and wait for its result if asked to."),
        "task": ("taskq.cli.tasks", "List, show, explain, cancel, retry or signal tasks."),
        "saga": ("taskq.cli.sagas", "List, show, resume or abort sagas."),
        "schedule": ("taskq.cli.schedules", "List, add or remove recurring tasks."),
    },
    "Operate": {
        "monitor": ("taskq.cli.monitor", "Watch lists, workers and dead letters live, and act on them."),
        "exporter": ("taskq.cli.exporter", "Serve the metrics of the namespace to Prometheus."),
        "stats": ("taskq.cli.stats", "Show how many tasks are where."),
        "queue": ("taskq.cli.queues", "List, pause, resume or purge queues."),
        "limit": ("taskq.cli.limits", "Limit how many tasks run at a time, or start within a time."),
        "circuit": ("taskq.cli.circuits", "Hold tasks of a kind back while they would fail."),
        "sla": ("taskq.cli.sla", "Show how long tasks wait, and say by the exit code whether that is too long."),
        "dlq": ("taskq.cli.dead", "List, show, replay or purge dead letters."),
        "dashboard": ("taskq.cli.dashboard", "Serve the dashboard for a browser."),
        "acl": ("taskq.cli.acl", "Print the rights that a worker, a producer, ... needs on the server."),
        "fsck": ("taskq.cli.fsck", "Check that every task is where it belongs, and mend what is damaged."),
        "doctor": ("taskq.cli.doctor", "Check the server and the namespace, and say what to change."),
        "migrate": ("taskq.cli.migrate", "Move the jobs that wait in RQ or Celery."),
        "bench": ("taskq.cli.bench", "Measure what a submit, a run and a round trip cost on your server."),
        "verify": ("taskq.cli.verify", "Try on your server whether a fault can lose a task or run it twice."),
    },
}


@click.command(cls=Program, table=COMMANDS, epilog=EXIT_CODES)
@click.version_option(package_name="taskq", message="taskq %(version)s")
def main() -> None:
    """A reliable priority task queue on Redis or Valkey.

    \b
    First try, in two terminals:
      taskq worker
      taskq submit echo '{"hello": "world"}' --wait
    """

"""``taskq monitor``."""

from taskq.cli.monitor.command import monitor

__all__ = ["monitor"]

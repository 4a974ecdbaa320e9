"""Metrics for Prometheus: of one worker, measured where tasks run, and of a whole namespace."""

from taskq.metrics.runs import RunMetrics

__all__ = ["RunMetrics"]

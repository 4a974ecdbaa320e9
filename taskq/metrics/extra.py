"""The way to what needs the extras ``metrics`` and ``otel``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType

from taskq.errors import SettingsError
from taskq.metrics.worker import WorkerReading


def import_exposition() -> ModuleType:
    """Return ``taskq.metrics.exposition``, imported only where metrics are served.

    Raises:
        SettingsError: if the client library of Prometheus is not installed.
    """
    try:
        return importlib.import_module("taskq.metrics.exposition")
    except ModuleNotFoundError as error:
        raise SettingsError(f"metrics need the package {error.name}: pip install 'taskq[metrics]'") from None


def is_instrumented() -> bool:
    """Return whether somebody has loaded the metrics of OpenTelemetry's SDK in this process, to collect them."""
    return "opentelemetry.sdk.metrics" in sys.modules


def observe_worker(read: Callable[[], WorkerReading]) -> None:
    """Show what is known of a worker by the global meter provider of OpenTelemetry."""
    importlib.import_module("taskq.metrics.otel").observe_worker(read)

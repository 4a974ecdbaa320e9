"""The way to what needs the extra ``metrics``."""

from __future__ import annotations

import importlib
from types import ModuleType

from taskq.errors import SettingsError


def import_exposition() -> ModuleType:
    """Return ``taskq.metrics.exposition``, imported only where metrics are served.

    Raises:
        SettingsError: if the client library of Prometheus is not installed.
    """
    try:
        return importlib.import_module("taskq.metrics.exposition")
    except ModuleNotFoundError as error:
        raise SettingsError(f"metrics need the package {error.name}: pip install 'taskq[metrics]'") from None

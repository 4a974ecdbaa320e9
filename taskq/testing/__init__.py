"""For tests, ours and yours: a clock, inline runs, assertions, faults, a ledger of what happened, ``taskq verify``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskq.testing.assertions import assert_submitted, submitted
    from taskq.testing.attach import attached
    from taskq.testing.clock import FakeClock
    from taskq.testing.running import drain, inline

# Imported when first used: pytest loads the plugin in this package wherever taskq is installed.
_HOME = {
    "FakeClock": "clock",
    "assert_submitted": "assertions",
    "attached": "attach",
    "drain": "running",
    "inline": "running",
    "submitted": "assertions",
}

__all__ = ["FakeClock", "assert_submitted", "attached", "drain", "inline", "submitted"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'taskq.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"taskq.testing.{_HOME[name]}"), name)

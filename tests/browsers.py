"""The Chromium of this machine: which one, how it is started, and what happens where there is none."""

from __future__ import annotations

import os
import shutil

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Return the path of a Chromium on PATH; None if there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def chromium_or_skip() -> str:
    """Return the path of a Chromium; without one leave the test out, or fail if ``TASKQ_TEST_BROWSER`` says so."""
    found = find_chromium()
    if found is None:
        why = "no Chromium on PATH: apt-get install chromium"
        if os.environ.get("TASKQ_TEST_BROWSER") == "required":
            pytest.fail(f"{why} (TASKQ_TEST_BROWSER is required)")
        pytest.skip(why)
    return found

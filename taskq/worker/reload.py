"""``taskq worker --reload``: fresh worker processes whenever a source file of the handlers has changed."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from taskq.errors import SettingsError
from taskq.settings import Settings
from taskq.worker.command import run_worker
from taskq.worker.options import WorkerOptions
from taskq.worker.supervisor import Supervisor

log = logging.getLogger("taskq.worker")

_MOST_SHOWN = 3


def serve_and_reload(settings: Settings, options: WorkerOptions) -> int:
    """Serve as ``run_worker`` does, with fresh processes after each change of a source file; return the exit code.

    For development. What runs when a file changes may end in the old process, within the grace of a stop, while the new
    one claims already. If the handlers cannot be loaded, the error is shown and the next change waited for.

    Args:
        settings: which server and prefix.
        options: what to serve.

    Raises:
        SettingsError: if the library that watches files is missing, or the options do not go with it.
        TaskqError: if there is no usable server.
    """
    _check(options)
    try:
        import watchfiles
    except ImportError as error:
        raise SettingsError(f"--reload needs the extra reload ({error}): pip install 'taskq[reload]'") from None
    folders = watched_folders(options.handlers)
    ended = threading.Event()

    def watch(supervisor: Supervisor) -> None:
        try:
            for changes in watchfiles.watch(
                *folders, watch_filter=watchfiles.PythonFilter(), stop_event=ended, raise_interrupt=False
            ):
                log.warning("%s changed: starting afresh", _listed({Path(path) for _, path in changes}))
                supervisor.renew()
        except (OSError, RuntimeError) as error:  # what the library raises, for want of inotify watches for instance
            log.error("no file is watched any more, so nothing is reloaded: %s; start the worker again", error)

    def begin(supervisor: Supervisor) -> str:
        supervisor.patient = True
        threading.Thread(target=watch, args=(supervisor,), name="taskq reload", daemon=True).start()
        return f"  reload    when a Python file changes in {', '.join(map(str, folders))}"

    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it counts changes that are named here
    # a file that is saved twice in a second has the same stamp, and its old bytecode would be taken for the new one
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    try:
        return run_worker(settings, options, begin)
    finally:
        ended.set()


def _check(options: WorkerOptions) -> None:
    for flag, used in (
        ("--burst", options.burst),
        ("--processes", options.processes > 1),
        ("--max-tasks", options.max_tasks is not None),
        ("--max-memory", options.max_memory_bytes is not None),
    ):
        if used:
            raise SettingsError(f"--reload is for development and does not go with {flag}: leave one of them out")


def watched_folders(handlers: tuple[str, ...]) -> list[Path]:
    """Return the current folder, and those of packages with handlers that are elsewhere.

    Args:
        handlers: ``module[:attr]`` each.
    """
    here = Path.cwd()
    found = [here]
    for target in handlers:
        top = re.split(r"[.:/]", target)[0]
        if (here / top).is_dir() or (here / f"{top}.py").is_file():
            continue
        for folder in _folders_of(top):
            if folder.is_dir() and not any(folder.is_relative_to(known) for known in found):
                found.append(folder)
    return found


def _folders_of(top: str) -> Iterator[Path]:
    """Where a package or module on the Python path is; it is not imported for that."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # the worker process says it better
        return
    if spec is not None and spec.submodule_search_locations is not None:
        yield from map(Path, spec.submodule_search_locations)
    elif spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent


def _listed(paths: set[Path]) -> str:
    here = Path.cwd()
    names = sorted(str(path.relative_to(here) if path.is_relative_to(here) else path) for path in paths)
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more

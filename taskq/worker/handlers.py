"""Find the handlers of a worker: modules named on the command line, or ``handlers.py`` of the current folder."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from taskq.aio import AsyncTaskQueue
from taskq.errors import SettingsError
from taskq.middleware import Installs
from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.registry import HandlerSource, Registry

DEFAULT_MODULE = "handlers"


def echo(task: Task) -> Any:
    """Return the payload: known to every worker, so that the first try needs no code."""
    return task.payload


class HandlerCollector(Installs):
    """What ``register(worker)`` of a module gets: something to register handlers and middleware with."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.register_handler = registry.register
        self.register_upcast = registry.add_upcast


def load_handlers(targets: tuple[str, ...]) -> Registry:
    """Return the handlers of all targets, and ``echo``.

    Args:
        targets: ``module`` or ``module:attr``; empty: ``handlers.py`` of the current folder, if there is one.

    Raises:
        SettingsError: if a module or attribute cannot be found or used.
    """
    registry = Registry()
    registry.register("echo", echo)
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    if not targets and Path(f"{DEFAULT_MODULE}.py").is_file():
        targets = (DEFAULT_MODULE,)
    for target in targets:
        _load(target, registry)
    return registry


def _load(target: str, registry: Registry) -> None:
    name, _, attribute = target.partition(":")
    name = name.removesuffix(".py").replace("/", ".")
    module = _import(name, target)
    if attribute:
        if not hasattr(module, attribute):
            raise SettingsError(f"--handlers {target}: module {name!r} has no {attribute!r}{_offered(module)}")
        _add(getattr(module, attribute), target, registry)
        return
    before = len(registry)
    for value in vars(module).values():
        if isinstance(value, TaskQueue | AsyncTaskQueue | HandlerSource):
            registry.update(value.registry)
    register = getattr(module, "register", None)
    if callable(register):
        _add(register, target, registry)
    elif len(registry) == before:
        raise SettingsError(
            f"--handlers {target}: module {name!r} has no function register(worker), no TaskQueue with @app.task "
            "functions and no AgentExecutor with a handler. Add `def register(worker): "
            "worker.register_handler('my_type', my_function)`"
        )


def _offered(module: ModuleType) -> str:
    """Return the words that tell which names of a module would do."""
    fitting = sorted(
        name
        for name, value in vars(module).items()
        if isinstance(value, TaskQueue | AsyncTaskQueue | HandlerSource) or name == "register"
    )
    return f"; it has {', '.join(fitting)}" if fitting else ""


def _add(value: Any, target: str, registry: Registry) -> None:
    if isinstance(value, TaskQueue | AsyncTaskQueue | HandlerSource):
        registry.update(value.registry)
    elif callable(value):
        value(HandlerCollector(registry))
    else:
        raise SettingsError(
            f"--handlers {target}: {value!r:.60} is no function register(worker), no TaskQueue and no AgentExecutor"
        )


def _import(name: str, target: str) -> ModuleType:
    # a file may have a name that no import statement could spell, such as 01_first_try.py
    if not re.fullmatch(r"\w+(\.\w+)*", name):
        raise SettingsError(f"--handlers {target!r}: write it as module or module:attr")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise SettingsError(
                f"--handlers {target}: there is no module {name!r} in {Path.cwd()} or on the Python path. "
                "Run the worker where the module can be imported"
            ) from None
        raise SettingsError(f"--handlers {target}: {name!r} imports {error.name!r}, which is not installed") from error

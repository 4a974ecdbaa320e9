"""Servers with users, one per kind that this machine has, or of the kind that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from taskq import TaskQueue
from taskq.protocol.acl import Role, rules
from taskq.protocol.keys import Keys
from tests.cli.conftest import environment, run, spawn
from tests.servers import HOST, ServerProcess, kinds_to_try, local_binary

__all__ = ["environment", "run", "spawn"]  # fixtures of the commands

PREFIX = "shop"
PASSWORD = "pass-of-a-user"


@pytest.fixture(scope="session", params=kinds_to_try())
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server on which each role has a user of its name for the prefix ``shop``."""
    with ServerProcess(local_binary(request.param) or Path(), tmp_path_factory.mktemp("guarded")) as server:
        with server.client() as admin:
            for role in Role:
                allow(admin, role, rules((role,), Keys(PREFIX)))
        yield server


def allow(admin: redis.Redis, user: str, words: list[str]) -> None:
    """Make a user of the server."""
    admin.execute_command("ACL", "SETUSER", user, "reset", "on", f">{PASSWORD}", *words)


def url_of(server: ServerProcess, user: str) -> str:
    """Return the address under which a user logs in."""
    return f"redis://{user}:{PASSWORD}@{HOST}:{server.port}/0"


@pytest.fixture
def clean(guarded: ServerProcess) -> ServerProcess:
    """The server without data and with all scripts forgotten, as after a failover."""
    with guarded.client() as admin:
        admin.flushall()
        admin.script_flush()
    return guarded


@pytest.fixture
def open_as(clean: ServerProcess) -> Iterator[Callable[[str], TaskQueue]]:
    """Function that opens the namespace as one of the users."""
    with ExitStack() as stack:
        yield lambda user: stack.enter_context(TaskQueue(url_of(clean, user), prefix=PREFIX))

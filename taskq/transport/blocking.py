"""Run operations from threads: a pool of lines, last used first."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TypeVar

from taskq.errors import ServerUnavailable
from taskq.protocol.durability import Guarantee
from taskq.protocol.operation import Operation
from taskq.settings import Settings
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import Unsure
from taskq.transport.line import Line, Patience
from taskq.transport.wire import Wire

T = TypeVar("T")

# One for each fork on the way from the first process to this one; asking for the process id is a system call.
_forks: list[None] = []


os.register_at_fork(after_in_child=lambda: _forks.append(None))


class Transport:
    """The server, for code that may block. Safe for threads and across fork.

    Args:
        endpoint: where it is.
        settings: for timeouts and the number of connections.

    Attributes:
        guarantees: what the server was found to be able to wait for.
    """

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self.guarantees: set[Guarantee] = set()
        self._patience = Patience(settings.call_timeout_seconds)
        self._reset()

    def _reset(self) -> None:
        self._generation = len(_forks)
        self._idle: deque[Line] = deque()
        # one token a connection; a third of the price of a semaphore, which is written in Python
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(self.settings.max_connections):
            self._places.put(None)

    def run(self, operation: Operation[T], timeout_seconds: float | None = None) -> T:
        """Run an operation; while the server is away, repeat it with the same arguments.

        Args:
            operation: what to do.
            timeout_seconds: how long to repeat; None: the call timeout of the settings.

        Raises:
            ServerUnavailable: if it could not be completed in time.
            TaskqError: if the server refuses.
        """
        patience = self._patience if timeout_seconds is None else Patience(timeout_seconds)
        line = self._take()
        try:
            return line.run(operation, patience)
        finally:
            self._give_back(line)

    def patience(self) -> Patience:
        """Return how long a call is repeated."""
        return self._patience

    @contextmanager
    def line(self) -> Iterator[Line]:
        """Lend a line of the pool.

        Raises:
            ServerUnavailable: if all connections stay in use for the call timeout.
        """
        line = self._take()
        try:
            yield line
        finally:
            self._give_back(line)

    @contextmanager
    def wire(self) -> Iterator[Wire]:
        """Lend an open connection for commands of one's own; nothing is repeated.

        Raises:
            ServerUnavailable: if no server answers.
            TaskqError: if the server will not have us.
        """
        with self.line() as line:
            try:
                yield line.wire()
            except Unsure as doubt:
                line.close()
                raise ServerUnavailable(f"no usable answer from {self.endpoint.shown}: {doubt}") from None
            except BaseException:
                line.close()
                raise

    def _take(self) -> Line:
        if self._generation != len(_forks):
            self._reset()  # a forked child must not speak on the sockets of its parent
        try:
            self._places.get(timeout=self.settings.call_timeout_seconds)
        except Empty:
            raise ServerUnavailable(
                f"all {self.settings.max_connections} connections have been in use for "
                f"{self.settings.call_timeout_seconds:g} s: raise TASKQ_MAX_CONNECTIONS, or share one TaskQueue less"
            ) from None
        try:
            return self._idle.pop()
        except IndexError:
            return self.own_line()

    def _give_back(self, line: Line) -> None:
        self._idle.append(line)
        self._places.put(None)

    def own_line(self) -> Line:
        """Return a line outside of the pool."""
        return Line(self.endpoint, self.settings.socket_timeout_seconds)

    def close(self) -> None:
        """Close the idle connections. The transport can be used again."""
        if self._generation != len(_forks):
            self._reset()
        while self._idle:
            self._idle.pop().close()
        self.endpoint.released()

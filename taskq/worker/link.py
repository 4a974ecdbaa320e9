"""What a worker process and its guardian tell each other.

The guardian lives in a process that runs no user code, so that a handler which holds the GIL cannot make its worker
look dead. They share a socket pair and speak JSON lines.

Worker to guardian: ``worker`` (id and token, before it registers), ``registered``, ``bye``, ``watch`` and ``unwatch``
(a task with a timeout, and how to settle it if its process must be killed), ``card`` (what the cards are to show),
``types``, ``stats`` and ``failed``. Guardian to worker: ``cancel`` (ids), ``lost`` (worker id), ``shaky`` (no beat came
through for most of a lease), ``wish`` (what somebody wants of it) and ``stop``.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from taskq.worker.options import dumps

Message = dict[str, Any]

_MOST_UNSENT_BYTES = 2**20


class Guard(Protocol):
    """The guardian as a worker sees it."""

    def tell(self, message: Message) -> None: ...


class SocketLink:
    """One end of the socket pair.

    Args:
        sock: connected.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._buffer = b""
        self._unsent = b""

    def tell(self, message: Message) -> None:
        """Send a message; a partner that is gone is not an error here.

        What a socket that does not block has no room for goes out before the next message: half a line would make all
        that follows unreadable.
        """
        with suppress(OSError), self._lock:
            if len(self._unsent) < _MOST_UNSENT_BYTES:
                self._unsent += dumps(message)
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]

    def receive(self) -> list[Message] | None:
        """Read what has come, waiting for it if the socket blocks; None when the partner is gone."""
        while True:
            try:
                data = self._sock.recv(65536)
            except BlockingIOError:
                return []
            except OSError:
                return None
            if not data:
                return None
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            if lines:
                return [json.loads(line) for line in lines]

    def listen(self, handle: Callable[[Message], object], gone: Callable[[], object]) -> None:
        """Read on a thread of its own until the partner is gone."""

        def run() -> None:
            while (messages := self.receive()) is not None:
                for message in messages:
                    handle(message)
            gone()

        threading.Thread(target=run, name="taskq link", daemon=True).start()

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._sock.fileno()

    def unblock(self) -> None:
        """Let ``receive`` return at once."""
        self._sock.setblocking(False)

    def shut(self) -> None:
        """Tell the partner that nothing more will come; what it still says is heard."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close this end."""
        self._sock.close()

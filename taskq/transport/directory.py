"""Who is in charge: asked at every connect, and watched meanwhile, so that nobody waits on a server that is not.

A primary that is killed closes its connections; one that hangs, or whose host is gone, just says nothing. Readers would
notice after their timeout, seconds after the new primary has taken over. The lookout hears of the change and breaks the
connections that lead elsewhere; whoever reads from them connects again, to the right server.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import redis.connection as sync_connection
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger("taskq")

Address = tuple[str, int]

# A process that ends sooner is not worth a connection to look out with.
_LOOKOUT_AFTER_SECONDS = 0.3
# After a change somebody may still be told of the old server, by a node or a sentinel that has not heard of it.
UNSETTLED_SECONDS = 4.0
LOOK_SECONDS = 0.5
MOST_SECONDS_PER_QUESTION = 1.0


class Connections:
    """The open connections of one endpoint, so that they can be broken from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[int, tuple[weakref.ref[Any], Address, int]] = {}

    def add(self, connection: Any, address: Address) -> None:
        """Note a connection, of redis-py in either form, that leads to an address."""
        key = id(connection)
        reference = weakref.ref(connection, lambda _: self._entries.pop(key, None))
        with self._lock:
            self._entries[key] = (reference, address, os.getpid())

    @property
    def empty(self) -> bool:
        """Whether none is open."""
        with self._lock:
            entries = list(self._entries.values())
        return all(_socket(reference()) is None for reference, _, _ in entries)

    def cut(self, address: Address) -> int:
        """Break all connections that lead elsewhere, and return how many; each reader finds an end of file."""
        with self._lock:
            entries = list(self._entries.values())
        broken = 0
        for reference, leads_to, pid in entries:
            connection = reference()
            # a forked child shares the sockets of its parent: they are not its to break
            if connection is not None and leads_to != address and pid == os.getpid():
                broken += shut(connection)
        return broken


def shut(connection: Any) -> bool:
    """Break a connection, from any thread: who reads from it finds an end of file."""
    sock = _socket(connection)
    if sock is None:
        return False
    with contextlib.suppress(OSError):
        if isinstance(sock, socket.socket):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # of TLS, too, without its farewell
        else:
            sock.shutdown(socket.SHUT_RDWR)
        return True
    return False


def _socket(connection: Any) -> Any:
    """Return the socket of a connection of redis-py; None if it is closed."""
    sock = getattr(connection, "_sock", None)
    if sock is None and (writer := getattr(connection, "_writer", None)) is not None and not writer.is_closing():
        sock = writer.get_extra_info("socket")
    return sock


class Client(Protocol):
    """An endpoint, as the directory sees it."""

    @property
    def slot_key(self) -> str: ...

    @property
    def connections(self) -> Connections: ...


class Directory(ABC):
    """Tells the address of the server in charge, shared by all endpoints of a process with one URL.

    Args:
        seeds: whom to ask, as given by the user.
        options: for the connections to them.
    """

    def __init__(self, seeds: Sequence[Address], options: dict[str, Any]) -> None:
        self._seeds = list(seeds)
        self._options = options
        self._clients: weakref.WeakSet[Client] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._watching = False
        self._nobody = threading.Event()
        self._listening: set[Any] = set()
        self._unsettled_until = 0.0

    @abstractmethod
    def find(self, slot_key: str) -> Address:
        """Return the address of the server in charge of a key.

        Raises:
            RedisError: if nobody can tell.
        """

    @abstractmethod
    def watchers(self) -> list[Callable[[], None]]:
        """Return what the threads of the lookout do; they call ``check`` and end when nobody is ``watched``."""

    def watch(self, client: Client) -> None:
        """Look out for a client as long as it exists."""
        with self._lock:
            self._clients.add(client)
            self._nobody.clear()
            if self._watching:
                return
            self._watching = True
        for number, watcher in enumerate(self.watchers()):
            threading.Thread(
                target=self._look_out, args=(watcher,), name=f"taskq lookout {number}", daemon=True
            ).start()

    def forget(self, client: Client) -> None:
        """Look out for a client no longer; the threads end with the last one."""
        with self._lock:
            self._clients.discard(client)
            if self._clients:
                return
            self._nobody.set()
            listening = list(self._listening)
        for connection in listening:
            shut(connection)

    def _look_out(self, watcher: Callable[[], None]) -> None:
        if not self._nobody.wait(_LOOKOUT_AFTER_SECONDS):
            watcher()

    @property
    def unsettled(self) -> bool:
        """Whether there was a change a short time ago."""
        return time.monotonic() < self._unsettled_until

    def changed(self) -> None:
        """Take note of a change, and break connections that lead elsewhere.

        Raises:
            RedisError: if nobody can tell who is in charge.
        """
        self._unsettled_until = time.monotonic() + UNSETTLED_SECONDS
        self.check()

    @property
    def watched(self) -> list[Client]:
        """The clients that still exist."""
        with self._lock:
            clients = list(self._clients)
            self._watching = bool(clients)
        return clients

    def check(self) -> None:
        """Ask who is in charge and break connections that lead elsewhere.

        Raises:
            RedisError: if nobody can tell.
        """
        for client in self.watched:
            address = self.find(client.slot_key)
            broken = client.connections.cut(address)
            if broken:
                log.warning("%s:%d is in charge now: %d connections to its predecessor are given up", *address, broken)


def ask(connection: Any, *command: str) -> Any:
    """Send one command and return its reply.

    Raises:
        RedisError: if there is none, or it is an error.
    """
    connection.send_command(*command)
    return connection.read_response()


def ask_once(address: Address, options: dict[str, Any], *command: str) -> Any:
    """Send one command on a connection of its own and return its reply.

    Raises:
        RedisError: if there is none, or it is an error.
    """
    connection = connect(address, options)
    try:
        return ask(connection, *command)
    finally:
        connection.disconnect()


def connect(address: Address, options: dict[str, Any]) -> Any:
    """Return a connection for questions: a server that does not answer soon is not worth waiting for.

    Raises:
        RedisError: if it cannot be made.
    """
    host, port = address
    kind = options.get("connection_class", sync_connection.Connection)
    patience = min(MOST_SECONDS_PER_QUESTION, options["socket_timeout"])
    given = {name: value for name, value in options.items() if name != "connection_class"}
    given |= {"socket_timeout": patience, "socket_connect_timeout": patience, "protocol": 2}
    connection = kind(host=host, port=port, retry=Retry(NoBackoff(), 0), **given)
    connection.connect()
    return connection


_directories: dict[tuple[int, str], Directory] = {}
_directories_lock = threading.Lock()


def shared(url: str, make: Callable[[], Directory]) -> Directory:
    """Return the directory of this process for a URL; threads of a parent do not live on in its forked child."""
    key = (os.getpid(), url)
    with _directories_lock:
        if key not in _directories:
            _directories[key] = make()
        return _directories[key]

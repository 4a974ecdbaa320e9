"""Which server the Sentinels hold for the primary."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from redis.exceptions import AuthenticationError, ConnectionError, RedisError

from taskq.transport.directory import (
    LOOK_SECONDS,
    MOST_SECONDS_PER_QUESTION,
    Address,
    Directory,
    ask,
    ask_once,
    connect,
)

# How long the slower sentinels are waited for: one that lags behind must not be the only one that is heard.
_GRACE_SECONDS = 0.1
_WAKE_SECONDS = 5.0
_AGAIN_SECONDS = 1.0
_PROMOTION_SECONDS = 3.0
_PROBE_SECONDS = 0.02


class Sentinels(Directory):
    """All sentinels are asked at once; the one that knows of the latest failover is believed.

    Args:
        seeds: the sentinels.
        service: the name under which they watch the primary.
        options: for the connections to them.
        server_options: for those to the servers.
    """

    def __init__(
        self, seeds: Sequence[Address], service: str, options: dict[str, Any], server_options: dict[str, Any]
    ) -> None:
        super().__init__(seeds, options)
        self._service = service
        self._server_options = server_options
        self._promoted: tuple[Address, float] | None = None

    def find(self, slot_key: str) -> Address:
        """Return the address of the primary.

        Raises:
            RedisError: if no sentinel answers, or none knows a primary that is up.
        """
        if self._promoted is not None and time.monotonic() < self._promoted[1]:
            return self._promoted[0]
        answers: SimpleQueue[tuple[int, Address] | Exception] = SimpleQueue()
        for seed in self._seeds:
            # a sentinel that hangs must not keep the others waiting; it often shared the host of the lost primary
            threading.Thread(target=self._question, args=(seed, answers), name="taskq sentinel", daemon=True).start()
        found: list[tuple[int, Address]] = []
        errors: list[Exception] = []
        deadline = time.monotonic() + 2 * MOST_SECONDS_PER_QUESTION + _GRACE_SECONDS
        while len(found) + len(errors) < len(self._seeds):
            try:
                answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            if isinstance(answer, Exception):
                errors.append(answer)
            else:
                found.append(answer)
                deadline = min(deadline, time.monotonic() + _GRACE_SECONDS)
        if found:
            return max(found)[1]
        raise next(
            (error for error in errors if isinstance(error, AuthenticationError)),
            ConnectionError(
                f"no sentinel names a primary {self._service!r} ({'; '.join(map(str, errors)) or 'silence'})"
            ),
        )

    def _question(self, seed: Address, answers: SimpleQueue[tuple[int, Address] | Exception]) -> None:
        try:
            connection = connect(seed, self._options)
            try:
                answers.put(self._answer(connection))
            finally:
                connection.disconnect()
        except (RedisError, OSError, ValueError, KeyError) as error:
            answers.put(error)

    def _answer(self, connection: Any) -> tuple[int, Address]:
        """Return how new the knowledge of a sentinel is, and the primary."""
        reply = ask(connection, "SENTINEL", "MASTER", self._service)
        fields = {name.decode(): value.decode() for name, value in zip(reply[::2], reply[1::2], strict=True)}
        # in the last phase of a failover this answers with the new primary, the command above with the old one
        host, port = ask(connection, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
        address = host.decode(), int(port)
        epoch = int(fields["config-epoch"])
        if address != (fields["ip"], int(fields["port"])):
            return epoch + 1, address
        if {"s_down", "o_down"} & set(fields["flags"].split(",")):
            raise ConnectionError("the primary is down, and no other one is chosen yet")
        return epoch, address

    def watchers(self) -> list[Callable[[], None]]:
        """One thread per sentinel: each tells of a failover when it learns of it."""
        return [partial(self._listen, seed) for seed in self._seeds]

    def _listen(self, seed: Address) -> None:
        connection: Any = None
        while self.watched:
            try:
                if connection is None:
                    connection = connect(seed, self._options)
                    self._listening.add(connection)
                    connection.send_command("SUBSCRIBE", "+switch-master", "+selected-slave")
                    self.check()  # for what has happened before
                elif connection.can_read(timeout=LOOK_SECONDS if self.unsettled else _WAKE_SECONDS):
                    self._hear(connection.read_response())
                elif self.unsettled:
                    self.check()
            except (RedisError, OSError, ValueError):
                self._hang_up(connection)
                connection = None
                self._nobody.wait(_AGAIN_SECONDS)
        self._hang_up(connection)

    def _hang_up(self, connection: Any) -> None:
        if connection is not None:
            self._listening.discard(connection)
            connection.disconnect()

    def _hear(self, message: Any) -> None:
        kind, channel, text = message
        words = text.decode().split(" ") if kind == b"message" else []
        if channel == b"+switch-master" and words[:1] == [self._service]:
            self._promoted = None
            self.changed()
        elif channel == b"+selected-slave" and words[5:6] == [self._service]:
            self._follow((words[2], int(words[3])))

    def _follow(self, chosen: Address) -> None:
        """Go over to a replica as soon as it is the primary.

        The sentinel that leads the failover notices it, and tells, when it next looks, up to a second later; what the
        old primary accepts in the meantime is lost, if it is still there.
        """
        until = time.monotonic() + _PROMOTION_SECONDS
        while not self._is_primary(chosen):
            if time.monotonic() > until:
                return
            time.sleep(_PROBE_SECONDS)
        self._promoted = (chosen, time.monotonic() + _PROMOTION_SECONDS)
        self.changed()

    def _is_primary(self, address: Address) -> bool:
        # with the promotion all connections to the replica are closed
        with contextlib.suppress(RedisError):
            return bool(ask_once(address, self._server_options, "ROLE")[0] == b"master")
        return False

"""Listen to the events of a namespace, through every reconnect."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from taskq.errors import TaskqError
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import Unsure, check
from taskq.transport.line import Line
from taskq.transport.wire import Wire, pack

log = logging.getLogger("taskq")

Message = dict[str, Any]
_PING_SECONDS = 5.0


class Subscription:
    """A thread that hands each event to a callback.

    Args:
        endpoint: where the server is.
        channels: the pub/sub channels; a cluster passes on to every node what is published on any.
        callback: gets the message, a dict with ``type``, ``channel`` and ``data``; what it raises is logged.
    """

    def __init__(
        self, endpoint: Endpoint, channels: str | Sequence[str], callback: Callable[[Message], object]
    ) -> None:
        self._line = Line(endpoint, _PING_SECONDS)
        self._channels = (channels,) if isinstance(channels, str) else tuple(channels)
        self._callback = callback
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="taskq events", daemon=True)

    def start(self, timeout_seconds: float = 10.0) -> Subscription:
        """Begin to listen; returns when the server has confirmed the subscription, or at the timeout."""
        self._thread.start()
        self._ready.wait(timeout_seconds)
        return self

    def stop(self) -> None:
        """End the thread and close its connection."""
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=_PING_SECONDS + 1)

    def join(self) -> None:
        """Block until ``stop`` is called by another thread, or the user interrupts."""
        try:
            while self._thread.is_alive():
                self._thread.join(1.0)
        except KeyboardInterrupt:
            self.stop()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                wire = self._line.wire()
                wire.send(pack(("SUBSCRIBE", *self._channels)))
                self._receive(wire)
            except Unsure as doubt:
                log.debug("events: %s; subscribing again", doubt)
                self._line.close()
                self._stop.wait(0.5)
            except TaskqError as error:
                log.error("events: %s", error)
                self._line.close()
                self._stop.wait(5.0)
        self._line.close()

    def _receive(self, wire: Wire) -> None:
        silent = 0.0
        while not self._stop.is_set():
            try:
                reply = wire.read(0.5)
            except Unsure as doubt:
                silent += 0.5
                if "no reply within" not in str(doubt) or silent > 2 * _PING_SECONDS:
                    raise
                if silent % _PING_SECONDS == 0:  # a half-open connection shows itself by not answering
                    wire.send(pack(("PING",)))
                continue
            silent = 0.0
            check(reply)
            if reply[0] == b"subscribe":
                if reply[2] == len(self._channels):
                    self._ready.set()
            elif reply[0] == b"message":
                self._hand_over(reply)

    def _hand_over(self, reply: list[bytes]) -> None:
        message = {"type": "message", "pattern": None, "channel": reply[1].decode(), "data": reply[2].decode()}
        try:
            self._callback(message)
        except Exception:
            log.exception("events: the callback failed")

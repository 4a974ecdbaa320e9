"""Follow what somebody wants of a running worker, and show on its card what has become of it.

A wish stands on the card of a worker and comes with the next beat, so nobody asks the server for it. It is about the
whole process: one that serves several partitions, or has reserved slots, is several workers to the server, and follows
a wish to any of them with all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from taskq.errors import SettingsError
from taskq.model.wish import DRAIN, STOP, Wish
from taskq.worker.fleet import AnyEngine, Fleet
from taskq.worker.link import Message

log = logging.getLogger("taskq.worker")

_STATES = {DRAIN: "draining", STOP: "stopping"}


class Steering:
    """Steers the engine of one process.

    Args:
        engine: or several of them.
        tell: sends a message to the guardian.
        stop: ends the process in order, as SIGTERM does.
        logger: whose level is changed.
    """

    def __init__(
        self,
        engine: AnyEngine,
        tell: Callable[[Message], object],
        stop: Callable[[], object],
        logger: logging.Logger | None = None,
    ) -> None:
        self._engine = engine
        self._engines = engine.engines if isinstance(engine, Fleet) else (engine,)
        self._tell = tell
        self._stop = stop
        self._logger = logger or logging.getLogger("taskq")
        self._followed = ""

    def follow(self, text: str) -> None:
        """Do what the wish of a card says; the same wish again changes nothing.

        Args:
            text: the wish as it stands there.
        """
        if text == self._followed:
            return
        self._followed = text
        try:
            wish = Wish.parse(text)
            if wish.concurrency is not None:
                self._engine.resize(wish.concurrency)
        except SettingsError as error:
            log.error("cannot do what was wished: %s", error)
            self._show({"granted": text, "refused": str(error)})
            return
        log.warning("asked from elsewhere to %s", wish)
        if wish.log_level is not None:
            self._logger.setLevel(wish.log_level)
        if wish.state is not None:
            self._engine.rest(wish.state != "run", "wish")
        fields = {"granted": text, "refused": "", "state": _STATES.get(wish.state or "", "")}
        if wish.log_level is not None:
            fields["log_level"] = wish.log_level
        self._show(fields)
        if wish.state == STOP:
            self._stop()

    def _show(self, fields: dict[str, str]) -> None:
        for engine in self._engines:
            own = {**fields, "slots": str(engine.slots.wanted)}
            engine.membership.shown.update(own)  # for the next id of it, should the lease be lost
            self._tell({"card": engine.membership.worker, "fields": own})

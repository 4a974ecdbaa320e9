"""Everything that is known of one namespace: settings, address, keys and operations; opened when first used."""

from __future__ import annotations

import logging
import threading

from taskq.model.crypto import seal_of
from taskq.protocol.keys import Keys
from taskq.protocol.operations import Protocol
from taskq.settings import Settings
from taskq.transport.embedded import local_server_url
from taskq.transport.endpoint import Endpoint

log = logging.getLogger("taskq")


class Namespace:
    """One prefix on one server.

    Nothing is connected or started before ``endpoint`` is asked for, so a ``TaskQueue`` at the top of a module costs
    nothing at import.

    Args:
        settings: which server and prefix, and the keys.

    Attributes:
        seal: signs and encrypts; None without keys.

    Raises:
        SettingsError: if the keys cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.seal = seal_of(settings)
        self._lock = threading.Lock()
        self._endpoint: Endpoint | None = None
        self._protocol: Protocol | None = None
        self.announcement: str | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The address; where none is configured, the server on this machine, started if need be.

        Raises:
            SettingsError, EmbeddedServerError: if there is no usable address.
        """
        if self._endpoint is None:
            with self._lock:
                if self._endpoint is None:
                    self._endpoint = self._open()
        return self._endpoint

    def _open(self) -> Endpoint:
        url = self.settings.redis_url
        if url is None:
            url, self.announcement = local_server_url(self.settings)
            if self.announcement:
                log.warning("%s", self.announcement)
        return Endpoint(url, self.settings, slot_key=Keys(self.settings.prefix, hash_tag=True).root)

    @property
    def protocol(self) -> Protocol:
        """The operations; in a cluster their keys carry the prefix as a hash tag."""
        if self._protocol is None:
            self._protocol = Protocol(Keys(self.settings.prefix, self.endpoint.clustered))
        return self._protocol

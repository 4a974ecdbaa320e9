"""Everything that is known of one namespace: settings, address, keys and operations; opened when first used."""

from __future__ import annotations

import logging
import threading

from taskq.model.crypto import seal_of
from taskq.model.partition import partition_prefix
from taskq.protocol.keys import Keys
from taskq.protocol.operations import Protocol
from taskq.protocol.scripts import Scripts
from taskq.settings import Settings
from taskq.transport.embedded import local_server_url
from taskq.transport.endpoint import Endpoint

log = logging.getLogger("taskq")


class Namespace:
    """One prefix on one server, or one of the partitions of a queue.

    Nothing is connected or started before ``endpoint`` is asked for, so a ``TaskQueue`` at the top of a module costs
    nothing at import.

    Args:
        settings: which server and prefix, and the keys.
        partition: which one of the partitions that the settings speak of.
        endpoint: the address, if it is known already.

    Attributes:
        seal: signs and encrypts; None without keys.

    Raises:
        SettingsError: if the keys cannot be used.
    """

    def __init__(self, settings: Settings, partition: int = 0, endpoint: Endpoint | None = None) -> None:
        self.settings = settings
        self.partition = partition
        self._prefix = partition_prefix(settings.prefix, partition, settings.partitions)
        self.seal = seal_of(settings)
        self._lock = threading.Lock()
        self._endpoint = endpoint
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
        return Endpoint(url, self.settings, slot_key=self._slot_key(self.partition))

    @property
    def protocol(self) -> Protocol:
        """The operations; in a cluster their keys carry the prefix as a hash tag."""
        if self._protocol is None:
            self._protocol = Protocol(Keys(self._prefix, self.endpoint.clustered))
        return self._protocol

    def use_scripts(self, scripts: Scripts) -> None:
        """Call other scripts from now on, such as those whose clock a test moves."""
        self._protocol = Protocol(self.protocol.keys, scripts)

    def sibling(self, partition: int) -> Namespace:
        """Return another partition of the same queue; outside of a cluster it is found at the same address."""
        if not self.endpoint.clustered:
            return Namespace(self.settings, partition, self.endpoint)
        return Namespace(
            self.settings, partition, Endpoint(self.endpoint.url, self.settings, self._slot_key(partition))
        )

    def _slot_key(self, partition: int) -> str:
        prefix = partition_prefix(self.settings.prefix, partition, self.settings.partitions)
        return Keys(prefix, hash_tag=True).root

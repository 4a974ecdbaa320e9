"""The time of a namespace, moved by hand."""

from __future__ import annotations

from taskq.errors import SettingsError
from taskq.protocol.operations import load_scripts
from taskq.queue import TaskQueue
from taskq.testing.namespace import NamespaceKeys


class FakeClock:
    """Lets a test go on to tomorrow: delays are over, retries due, results expired, leases run out.

    Its namespace has the server's time plus what the test has added. Everything that uses ``queue``, and no other
    object for the same namespace, sees it: submits, workers and schedulers inside of the test's process.

    Args:
        queue: of the namespace.

    Raises:
        SettingsError: for a queue of several partitions.
    """

    def __init__(self, queue: TaskQueue) -> None:
        if queue.settings.partitions > 1:
            raise SettingsError("a FakeClock moves one namespace: give the queue of the test one partition")
        self._queue = queue
        self._shift_ms = 0
        queue.namespace.use_scripts(load_scripts("shifted_clock"))

    @property
    def seconds(self) -> float:
        """How far it is ahead of the server."""
        return self._shift_ms / 1000

    def advance(self, seconds: float) -> None:
        """Go on by some time; whatever would have expired by then has expired.

        Args:
            seconds: above 0.
        """
        if not seconds > 0:
            raise ValueError(f"seconds is {seconds!r}: time goes on")
        step_ms = round(seconds * 1000)
        self._shift_ms += step_ms
        keys = NamespaceKeys(self._queue)
        try:
            for name in set(keys.names()):
                ttl_ms = keys.ask("PTTL", name)
                if ttl_ms >= 0:
                    keys.ask("PEXPIRE", name, max(0, ttl_ms - step_ms))
            # last, for it makes the key if there was none, and everything that was there has been moved by then
            keys.ask("HSET", self._queue.namespace.protocol.keys.key("meta"), "test_clock_shift_ms", self._shift_ms)
        finally:
            keys.close()

"""The thread of the engine may run a tiny handler itself: if it is not tiny after all, another thread is the engine.

A hand-over to a runner and back costs more than a tiny handler takes, and whoever waits on an idle system waits for it.
But nothing may depend on a guess about a handler: one that blocks must not keep the engine from settling and claiming.
So a deputy looks at the clock while handlers run on the thread of the engine, and goes on from there if need be.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# How often the deputy looks, and how long a handler may keep the engine.
_LOOK_SECONDS = 0.01
# Without such a run for so long, the deputy sleeps until the next one.
_ALERT_SECONDS = 1.0


class Relay:
    """One loop, run by one thread at a time.

    Args:
        loop: what the engine does; it returns when it is at its end, or when ``watched`` says so.
    """

    def __init__(self, loop: Callable[[], object]) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        # when the run began that is watched; 0: none is under way, or the deputy has taken over
        self._began = 0.0
        self._last = 0.0
        self._bed = threading.Semaphore(0)
        self._alert = False
        self._deputy: threading.Thread | None = None
        self._over = threading.Event()
        self._errors: list[BaseException] = []

    def run(self) -> None:
        """Run the loop; return when whoever runs it last has come to its end.

        Raises:
            BaseException: what the loop has raised, on whatever thread.
        """
        self._lead()
        self._over.wait()
        if self._errors:
            raise self._errors[0]

    def _lead(self) -> None:
        me = threading.current_thread()
        self._leader = me
        try:
            self._loop()
        except BaseException as error:
            self._errors.append(error)
        finally:
            if self._leader is me:
                self._over.set()
                self._bed.release()

    def watched(self, call: Callable[[], object]) -> bool:
        """Run something on this thread, the engine's, while the deputy looks at the clock.

        Returns:
            Whether this thread is still the engine; if not, it must touch nothing more and return from the loop.
        """
        self._began = self._last = time.monotonic()
        if not self._alert:
            self._wake_deputy()
        call()
        with self._lock:
            ours, self._began = self._began != 0.0, 0.0
        return ours

    def _wake_deputy(self) -> None:
        self._alert = True
        if self._deputy is None:
            self._deputy = threading.Thread(target=self._stand_by, name="taskq engine deputy", daemon=True)
            self._deputy.start()
        else:
            self._bed.release()

    def _stand_by(self) -> None:
        while not self._over.is_set():
            while time.monotonic() - self._last < _ALERT_SECONDS:
                time.sleep(_LOOK_SECONDS)
                began = self._began
                if began and time.monotonic() - began >= _LOOK_SECONDS and self._take_over(began):
                    return self._lead()
            self._alert = False
            if time.monotonic() - self._last >= _ALERT_SECONDS:  # else a run began just now, and has not seen it
                self._bed.acquire()
        return None

    def _take_over(self, began: float) -> bool:
        with self._lock:
            if self._began != began:
                return False
            self._began = 0.0
            self._deputy, self._alert, self._leader = None, False, threading.current_thread()
            return True

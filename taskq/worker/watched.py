"""The judge of a worker that has middleware; without any, the plain one is used and none of this is loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from taskq.middleware import Around, Middleware, Run, after_run
from taskq.protocol.replies import Claim, Settlement
from taskq.registry import HandlerSpec, Registry
from taskq.settings import Settings
from taskq.states import Outcome
from taskq.worker.attempt import COMMITTED, Attempt, Judge


class WatchedJudge(Judge):
    """Calls the middleware around each run and after it.

    Args:
        settings, registry, worker_id, server_now_ms: as for ``Judge``.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        worker_id: Callable[[], str],
        server_now_ms: Callable[[], int],
    ) -> None:
        super().__init__(settings, registry, worker_id, server_now_ms)
        self._middleware = tuple(registry.middleware)
        self._around = [one for one in self._middleware if type(one).around_run is not Middleware.around_run]

    def admit(self, claim: Claim) -> Attempt | Settlement:
        """As ``Judge.admit``; the handler is called inside of what the middleware has put around it."""
        attempt = super().admit(claim)
        if isinstance(attempt, Attempt):
            attempt.run = Run(attempt.task, claim.attempt, self._worker_id(), self._now_ms())
            if self._around:
                attempt.spec = _inside(attempt.spec, self._around, attempt.run)
        return attempt

    def completed(self, attempt: Attempt, value: Any) -> Settlement:
        """As ``Judge.completed``."""
        return self._told(attempt, super().completed(attempt, value))

    def raised(self, attempt: Attempt, error: BaseException) -> Settlement:
        """As ``Judge.raised``."""
        return self._told(attempt, super().raised(attempt, error), error)

    def _told(self, attempt: Attempt, settlement: Settlement, error: BaseException | None = None) -> Settlement:
        run = attempt.run
        if run is not None:
            run.seconds = time.monotonic() - attempt.started
            # one that has completed its task together with other things has nothing left to settle
            run.outcome = Outcome.COMPLETE.value if settlement.outcome == COMMITTED else settlement.outcome
            run.error = error
            after_run(self._middleware, run)
        return settlement


def _inside(spec: HandlerSpec, middleware: Sequence[Middleware], run: Run) -> HandlerSpec:
    function = spec.function

    def plain(*args: Any, **kwargs: Any) -> Any:
        with Around(middleware, run):
            return function(*args, **kwargs)

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with Around(middleware, run):
            return await function(*args, **kwargs)

    return replace(spec, function=awaited if spec.is_async else plain)


def judge_for(
    settings: Settings, registry: Registry, worker_id: Callable[[], str], server_now_ms: Callable[[], int]
) -> Judge:
    """Return the judge for the middleware that is installed."""
    kind = WatchedJudge if registry.middleware else Judge
    return kind(settings, registry, worker_id, server_now_ms)

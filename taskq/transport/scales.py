"""Whether what is said of the bytes of queues is what waits in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from taskq.protocol.operations import Protocol
from taskq.protocol.walks import NAMED, each_page, follow, weigh_all
from taskq.transport.findings import Report, Violation
from taskq.transport.upkeep import Run

_MOST = 1000
_MENDED = "all that waits was weighed anew"


class Scales:
    """Compares page by page, looks at what is wrong a second time, and has all weighed anew if asked to mend it.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
        report: what was found goes there.
        repair: whether to mend what can be mended.
        pause: called before what looks wrong is looked at again.
    """

    def __init__(
        self, run: Run, protocol: Protocol, report: Report, *, repair: bool, pause: Callable[[], None]
    ) -> None:
        self._run, self._protocol = run, protocol
        self._report, self._repair, self._pause = report, repair, pause

    def check(self) -> None:
        """Look at all that is weighed."""
        wrong = self._wrong()
        if wrong:
            self._pause()
            wrong = {who: what for who, what in self._wrong().items() if who in wrong}
        if not wrong:
            return
        done: tuple[str, ...] = ()
        if self._repair:
            if self._run(self._protocol.recount_bytes()):
                follow(self._run, weigh_all(self._protocol))
            done = (_MENDED,)
        left = not self._repair or bool(self._wrong())
        for who, what in wrong.items():
            self._report.add(Violation("I15", who, what, done, left))

    def _wrong(self) -> dict[str, str]:
        """Return what is wrong, by id or queue; of a queue whose tasks come and go meanwhile the sum is not judged."""
        wrong: dict[str, str] = {}
        before = self._sums("bytes", wrong)
        found = self._sums("weights", wrong)
        if wrong or before or found:
            self._sums("pending", wrong)
        after = self._sums("bytes", {})
        for queue in before.keys() | found.keys():
            if before[queue] == after[queue] != found[queue]:
                wrong[queue] = f"its tasks have {found[queue]:,} bytes, and are said to have {after[queue]:,}"
        return wrong

    def _sums(self, source: str, wrong: dict[str, str]) -> Counter[str]:
        sums: Counter[str] = Counter()
        for page in each_page(self._run, partial(self._protocol.scales, source), NAMED):
            self._report.checked += page.looked_at
            sums.update(page.sums)
            if len(wrong) < _MOST:
                wrong |= page.wrong
        return sums

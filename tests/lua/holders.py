"""Who holds a unique key, and who comes after: submitted twice, as if the reply had been lost."""

from __future__ import annotations

from taskq.protocol.replies import Claim
from taskq.protocol.submits import Submission, SubmitReply
from taskq.states import TaskStatus
from tests.lua.scenarios.unique import keyed
from tests.state import Bench


def submit(bench: Bench, *tasks: Submission) -> SubmitReply:
    """Submit, and once more, as if the reply had been lost: nothing changes, and the answer is the same."""
    reply = bench.run(bench.protocol.submit(tasks, 0))
    before = bench.state()
    assert bench.run(bench.protocol.submit(tasks, 0)) == reply
    assert bench.state() == before
    return reply


def status(bench: Bench, task_id: str) -> str:
    """Return the only status of a task, empty if it is not known."""
    found = [s.value for s in TaskStatus if bench.client.sismember(bench.key("status", s), task_id)]
    assert len(found) < 2
    return found[0] if found else ""


def running(bench: Bench, **said: float) -> Claim:
    bench.submit(keyed("holder", **said))  # type: ignore[arg-type]  # times only
    bench.register("w1")
    (claim,) = bench.claim("w1", 1)
    return claim

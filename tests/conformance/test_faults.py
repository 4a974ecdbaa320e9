"""A lost reply, a cut request, a server that restarts: every verb gives the answer it would have given, once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from taskq.errors import ServerUnavailable, TaskConflict
from taskq.flows import due_in
from taskq.model.task import Task
from taskq.protocol.audit import audit
from taskq.testing.faults.proxy import Proxy
from tests.conformance.clients import Client, Hands, NewClient
from tests.conftest import StartServer
from tests.servers import ServerProcess
from tests.waiting import eventually


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def far(new_client: NewClient, proxy: Proxy) -> Client:
    """A client whose connections go through the proxy."""
    return new_client(redis_url=proxy.url, socket_timeout_seconds=0.3, call_timeout_seconds=10.0)


def check(hands: Hands) -> None:
    findings = audit(hands.run(hands.protocol.snapshot()), 30_000)
    assert not findings, "\n".join(findings)


def bury(client: Client, hands: Hands) -> str:
    task_id: str = client.submit_task(Task(task_id="dead"))
    hands.work("fail")
    return task_id


# verb -> what has to be there, the call, and the answer it would have given without the fault
Verb = tuple[Callable[[Client, Hands], object], Callable[[Client], Any], Any]
VERBS: dict[str, Verb] = {
    "submit_task": (lambda c, h: None, lambda c: c.submit_task(Task(task_id="a")), "a"),
    "submit_batch": (
        lambda c, h: None,
        lambda c: c.submit_batch([Task(task_id="a"), Task(task_id="b", unique_key="k")]),
        ["a", "b"],
    ),
    "submit_later": (lambda c, h: None, lambda c: c.submit_later(Task(task_id="a"), due_in(60)), "a"),
    "cancel_task": (lambda c, h: c.submit_task(Task(task_id="a")), lambda c: c.cancel_task("a"), "cancelled"),
    "get_task": (lambda c, h: c.submit_task(Task(task_id="a")), lambda c: c.get_task("a").task_id, "a"),
    "get_task_status": (
        lambda c, h: c.submit_task(Task(task_id="a")),
        lambda c: c.get_task_status("a")["status"],
        "pending",
    ),
    "get_task_result": (lambda c, h: c.submit_task(Task(task_id="a")), lambda c: c.get_task_result("a"), None),
    "get_queue_stats": (
        lambda c, h: c.submit_task(Task(task_id="a")),
        lambda c: c.get_queue_stats().pending_tasks,
        1,
    ),
    "list_tasks": (lambda c, h: c.submit_task(Task()), lambda c: len(c.list_tasks("pending")), 1),
    "list_workers": (lambda c, h: None, lambda c: [w.worker_id for w in c.list_workers()], ["hands"]),
    "list_dead": (bury, lambda c: [letter.task_id for letter in c.list_dead()], ["dead"]),
    "retry_task": (bury, lambda c: c.retry_task("dead"), None),
}  # fmt: skip


# silence costs the time of a reply that never comes, so it is not tried on all of them
FAULTS = [(verb, action) for verb in VERBS for action in ("cut", "lose")]
FAULTS += [("submit_task", "hang"), ("get_task_status", "hang")]


@pytest.mark.parametrize(("verb", "action"), FAULTS)
def test_one_fault_is_not_noticed(
    client: Client, far: Client, hands: Hands, proxy: Proxy, verb: str, action: str
) -> None:
    prepare, call, expected = VERBS[verb]
    prepare(client, hands)
    # the look before a retry is not the call that changes something
    struck = proxy.strike(action, skip=1 if verb == "retry_task" else 0)
    assert call(far) == expected
    assert struck.is_set()
    check(hands)


# Where the answer counts what has changed, the first attempt has changed it, and the repetition finds nothing to do.
COUNTING: dict[str, Verb] = {
    "pause": (lambda c, h: None, lambda c: c.pause(), 4),
    "purge": (lambda c, h: c.submit_batch([Task(), Task()]), lambda c: c.purge(priority="normal"), 2),
    "replay_dead": (bury, lambda c: c.replay_dead(["dead"]), 1),
    "purge_dead": (bury, lambda c: c.purge_dead(["dead"]), 1),
}


@pytest.mark.parametrize("action", ["cut", "lose"])
@pytest.mark.parametrize("verb", COUNTING)
def test_the_effect_happens_once(
    client: Client, far: Client, hands: Hands, proxy: Proxy, verb: str, action: str
) -> None:
    prepare, call, expected = COUNTING[verb]
    prepare(client, hands)
    # the inspection before a replay is not the call that changes something
    skip = 1 if verb == "replay_dead" else 0
    struck = proxy.strike(action, skip=skip)
    assert call(far) in ((expected,) if action == "cut" else (expected, 0))
    assert struck.is_set()
    assert call(far) == 0
    check(hands)


def test_a_submit_that_the_caller_repeats_is_stored_once(
    new_client: NewClient, proxy: Proxy, client: Client, hands: Hands
) -> None:
    """No reply has come until the deadline, although the task is there: the caller may simply try again."""
    far = new_client(redis_url=proxy.url, call_timeout_seconds=0.3)
    task = Task(payload=1)
    struck = proxy.strike("lose", times=1000)
    with pytest.raises(ServerUnavailable, match="The call may be repeated safely"):
        far.submit_task(task)
    assert struck.is_set()
    assert client.submit_task(task) == task.task_id
    assert client.get_queue_stats().counters == {"submitted": 1}
    with pytest.raises(TaskConflict):
        client.submit_task(Task(task_id=task.task_id, payload=2))
    check(hands)


def test_every_place_at_which_a_connection_can_break(
    new_client: NewClient, proxy: Proxy, client: Client, hands: Hands
) -> None:
    far = new_client(redis_url=proxy.url, socket_timeout_seconds=1.0, call_timeout_seconds=20.0)
    ids = []
    for n in range(10):
        for action in ("cut", "lose"):
            proxy.strike(action, skip=n % 3)
            ids += [far.submit_task(Task(payload=n)) for _ in range(4)]
    assert len(set(ids)) == 80
    assert client.get_queue_stats().counters["submitted"] == 80
    assert sorted(hands.claim(1000)) == sorted(ids)
    check(hands)


def test_many_callers_at_once_through_a_bad_line(far: Client, proxy: Proxy, client: Client, hands: Hands) -> None:
    """On an event loop they share one connection: a break in the middle of a burst must not mix up the answers."""
    for skip in (5, 20, 40):
        proxy.strike("cut", skip=skip)
        proxy.strike("lose", skip=skip + 7)
    with ThreadPoolExecutor(20) as threads:
        ids = list(threads.map(lambda n: far.submit_task(Task(task_id=f"t{n}", payload=n)), range(150)))
    assert ids == [f"t{n}" for n in range(150)]
    assert client.get_queue_stats().counters["submitted"] == 150
    check(hands)


def test_without_a_server_the_call_ends_at_its_deadline(new_client: NewClient, proxy: Proxy) -> None:
    client = new_client(redis_url=proxy.url, call_timeout_seconds=0.5)
    proxy.refuse()
    started = time.monotonic()
    with pytest.raises(ServerUnavailable, match=r"no usable answer from redis://127\.0\.0\.1:\d+/0 within 0\.5 s"):
        client.submit_task(Task())
    assert 0.4 < time.monotonic() - started < 4
    proxy.refuse(False)
    client.submit_task(Task())


def test_a_short_outage_is_sat_out(far: Client, proxy: Proxy) -> None:
    far.submit_task(Task())
    proxy.refuse()
    back = threading.Timer(0.5, proxy.refuse, [False])
    back.start()
    far.submit_task(Task())
    assert far.get_queue_stats().pending_tasks == 2
    back.join()


def test_scripts_that_the_server_has_forgotten_are_sent_again(client: Client, redis_client: redis.Redis) -> None:
    client.submit_task(Task())
    redis_client.script_flush()
    client.submit_batch([Task(), Task()])
    redis_client.script_flush()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: client.submit_task(Task()), range(20)))
    assert client.get_queue_stats().pending_tasks == 23


@pytest.mark.parametrize("ending", ["restart", "kill"])
def test_a_server_that_restarts_in_the_middle(new_client: NewClient, start_server: StartServer, ending: str) -> None:
    server: ServerProcess = start_server(["appendfsync always"])
    client = new_client(redis_url=server.url, call_timeout_seconds=20.0)
    hands = Hands(server.url, client.settings.prefix)
    ids: list[str] = []
    stop = threading.Event()

    def submit() -> None:
        while not stop.is_set():
            ids.append(client.submit_task(Task(payload=len(ids))))

    with ThreadPoolExecutor(4) as threads:
        submitters = [threads.submit(submit) for _ in range(3)]
        for _ in range(2):
            before = len(ids)
            eventually(lambda before=before: len(ids) > before + 20, 20, "some tasks")
            if ending == "kill":
                server.kill9()
                server.start()
            else:
                server.restart()
        waiting = threads.submit(client.wait_for_result, ids[0], 30)
        stop.set()
        for submitter in submitters:
            submitter.result(30)
        claimed = []
        while more := hands.work():
            claimed += more
        assert waiting.result(30)["status"] == "completed"
    assert sorted(claimed) == sorted(ids)
    check(hands)
    hands.close()


def test_a_frozen_server_is_given_up_and_asked_again(new_client: NewClient, server: ServerProcess) -> None:
    client = new_client(redis_url=server.url, socket_timeout_seconds=0.3, call_timeout_seconds=0.6)
    client.submit_task(Task())
    server.pause()
    started = time.monotonic()
    with pytest.raises(ServerUnavailable):
        client.submit_task(Task())
    assert time.monotonic() - started < 10
    server.resume()
    assert client.get_queue_stats().pending_tasks >= 1

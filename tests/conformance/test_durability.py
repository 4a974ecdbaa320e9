"""A submit returns when the task is as safe as asked for, or says that it is not; whatever was lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import redis

from taskq.errors import InvalidTask, NotDurable, QueueFull, TaskConflict, UnsupportedDurability
from taskq.flows import due_in
from taskq.model.task import Task
from taskq.testing.faults.proxy import Proxy
from tests.conformance.clients import Client, NewClient, at_once
from tests.conftest import StartServer
from tests.servers import ServerProcess, private_binary
from tests.waiting import eventually


@dataclass
class Pair:
    """A primary and its replica."""

    primary: ServerProcess
    replica: ServerProcess

    def copy_of(self, key: str) -> str | None:
        """Return what the replica holds under a key, at this instant."""
        with self.replica.client() as client:
            value: str | None = client.get(key)
            return value


@pytest.fixture(scope="module")
def shared_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    config = ["repl-diskless-sync-delay 0", "appendfsync always"]
    with ServerProcess(private_binary(), folder / "primary", config) as primary:
        config.append(f"replicaof 127.0.0.1 {primary.port}")
        with ServerProcess(private_binary(), folder / "replica", config) as replica:
            yield Pair(primary, replica)
            # a primary that is told to end waits for its replica
            replica.kill9()


@pytest.fixture
def pair(shared_pair: Pair) -> Iterator[Pair]:
    wait_for_replica(shared_pair.primary)
    yield shared_pair
    shared_pair.replica.resume()


def wait_for_replica(primary: ServerProcess) -> None:
    """Wait until a primary counts on its replica."""
    with primary.client() as client:
        eventually(lambda: client.info("replication").get("slave0", {}).get("state") == "online", what="the replica")
        # online is a replica that has been sent everything; it acknowledges when it has loaded it
        client.set("loaded", 1)
        assert client.execute_command("WAIT", 1, 10_000) == 1


def knows_waitaof(server: ServerProcess) -> bool:
    with server.client() as client:
        try:
            client.execute_command("WAITAOF", 0, 0, 1)
        except redis.ResponseError:
            return False
        return True


def submitted(server: ServerProcess, prefix: str) -> int:
    with server.client() as client:
        return int(client.hget(f"{prefix}:counters", "submitted") or 0)


Near = Callable[..., Client]


@pytest.fixture
def near(new_client: NewClient, pair: Pair) -> Near:
    """Function that makes a client of the primary which waits for a short time only."""

    def new(**settings: object) -> Client:
        chosen = {"redis_url": pair.primary.url, "durable_timeout_seconds": 0.1, **settings}
        return new_client(**chosen)

    return new


@pytest.fixture
def proxy(pair: Pair) -> Iterator[Proxy]:
    with Proxy(pair.primary.url) as proxy:
        yield proxy


class TestReplicated:
    def test_the_replica_has_the_task_when_the_submit_returns(self, near: Near, pair: Pair, prefix: str) -> None:
        client = near(durable_timeout_seconds=5)
        for n in range(20):
            task_id = client.submit_task(Task(payload=n), durability="replicated")
            assert pair.copy_of(f"{prefix}:task:{task_id}") is not None
        for task_id in client.submit_batch([Task(), Task()], durability="replicated"):
            assert pair.copy_of(f"{prefix}:task:{task_id}") is not None

    def test_as_configured_for_the_whole_queue_and_for_tasks_of_the_future(
        self, near: Near, pair: Pair, prefix: str
    ) -> None:
        client = near(durability="replicated")
        pair.replica.pause()
        for submit in (
            lambda: client.submit_task(Task()),
            lambda: client.submit_batch([Task(), Task()]),
            lambda: client.submit_later(Task(), due_in(60)),
        ):
            with pytest.raises(NotDurable):
                submit()
        client.submit_task(Task(), durability="memory")
        assert submitted(pair.primary, prefix) == 5

    def test_a_replica_that_is_silent(self, near: Near, pair: Pair, prefix: str) -> None:
        client, tasks = near(), [Task(task_id=f"task-{n}") for n in range(5)]
        pair.replica.pause()
        with pytest.raises(
            NotDurable, match=r"accepted, but not replicated within 0\.1 s .*and 2 more.*again"
        ) as caught:
            client.submit_batch(tasks, durability="replicated")
        assert caught.value.task_ids == tuple(task.task_id for task in tasks)
        assert caught.value.durability == "replicated"
        assert (caught.value.asked, caught.value.reached) == ("in 1 replica", "in 0 replicas")
        assert submitted(pair.primary, prefix) == 5
        with pytest.raises(NotDurable):
            client.submit_batch(tasks, durability="replicated")
        pair.replica.resume()
        eventually(lambda: pair.copy_of(f"{prefix}:task:task-0"), what="the task on the replica")
        patient = near(durable_timeout_seconds=5)
        assert patient.submit_batch(tasks, durability="replicated") == [task.task_id for task in tasks]
        assert submitted(pair.primary, prefix) == 5

    @pytest.mark.parametrize("fault", ["lose", "cut"])
    @pytest.mark.parametrize("command", ["EVAL", "HINCRBY", "WAIT"])
    def test_a_repeated_submit_waits_too(
        self, near: Near, pair: Pair, proxy: Proxy, prefix: str, command: str, fault: str
    ) -> None:
        client = near(redis_url=proxy.url)
        pair.replica.pause()
        struck = proxy.strike(fault, command)
        with pytest.raises(NotDurable):
            client.submit_task(Task(task_id="one"), durability="replicated")
        assert struck.is_set()
        assert submitted(pair.primary, prefix) == 1

    def test_a_lost_reply_costs_nothing(self, near: Near, pair: Pair, proxy: Proxy, prefix: str) -> None:
        client = near(redis_url=proxy.url, durable_timeout_seconds=5)
        for n, command in enumerate(["INFO", "EVAL", "HINCRBY", "EVALSHA", "WAIT"]):
            proxy.strike("lose", command)
            task_id = client.submit_task(Task(payload=n), durability="replicated")
            assert pair.copy_of(f"{prefix}:task:{task_id}") is not None
        assert submitted(pair.primary, prefix) == 5

    def test_script_mark_and_wait_and_nothing_else(self, near: Near, pair: Pair, proxy: Proxy) -> None:
        client = near(redis_url=proxy.url, durable_timeout_seconds=5)
        client.submit_task(Task(), durability="replicated")
        del proxy.requests[:]
        client.submit_task(Task(), durability="replicated")
        assert proxy.requests == [b"EVALSHA", b"HINCRBY", b"WAIT"]

    def test_a_server_that_has_forgotten_its_scripts(self, near: Near, pair: Pair, prefix: str) -> None:
        client = near(durable_timeout_seconds=5)
        with pair.primary.client() as plain:
            for _ in range(2):
                plain.script_flush()
                client.submit_task(Task(), durability="replicated")
        assert submitted(pair.primary, prefix) == 2

    def test_many_at_once(self, near: Near, pair: Pair, proxy: Proxy, prefix: str) -> None:
        client = near(redis_url=proxy.url, durable_timeout_seconds=5)
        client.submit_task(Task(), durability="replicated")
        del proxy.requests[:]
        with ThreadPoolExecutor(20) as threads:
            ids = list(threads.map(lambda n: client.submit_task(Task(payload=n), durability="replicated"), range(100)))
        assert all(pair.copy_of(f"{prefix}:task:{task_id}") for task_id in ids)
        waits = proxy.requests.count(b"WAIT")
        assert waits == 100 if client.kind == "sync" else waits < 100

    def test_each_of_many_at_once_is_told_of_its_own_task(self, near: Near, pair: Pair, prefix: str) -> None:
        client, tasks = near(), [Task(payload=n) for n in range(20)]
        pair.replica.pause()
        outcomes = at_once(client, tasks, durability="replicated")
        assert all(isinstance(outcome, NotDurable) for outcome in outcomes)
        assert [outcome.task_ids for outcome in outcomes] == [(task.task_id,) for task in tasks]
        pair.replica.resume()
        patient = near(durable_timeout_seconds=5)
        assert at_once(patient, tasks, durability="replicated") == [task.task_id for task in tasks]
        assert submitted(pair.primary, prefix) == 20

    def test_refusals_come_first(self, near: Near, pair: Pair) -> None:
        client = near(max_queue_length=1)
        client.submit_task(Task(task_id="one", payload=1))
        pair.replica.pause()
        with pytest.raises(QueueFull):
            client.submit_task(Task(), durability="replicated")
        with pytest.raises(TaskConflict):
            client.submit_task(Task(task_id="one", payload=2), durability="replicated")

    def test_a_primary_that_goes_while_it_waits(self, near: Near, pair: Pair, prefix: str) -> None:
        client = near(durable_timeout_seconds=20, call_timeout_seconds=20)
        client.submit_task(Task(), durability="replicated")
        pair.replica.pause()
        with ThreadPoolExecutor(1) as thread, pair.primary.client() as plain:
            waiting = thread.submit(client.submit_task, Task(task_id="one"), durability="replicated")
            eventually(lambda: plain.info("clients")["blocked_clients"] == 1, what="a blocked client")
            pair.primary.kill9()
            pair.primary.start()
            pair.replica.resume()
            assert waiting.result(20) == "one"
        assert pair.copy_of(f"{prefix}:task:one") is not None
        assert submitted(pair.primary, prefix) == 2


class TestFsync:
    def test_it_is_synced(self, new_client: NewClient, start_server: StartServer, prefix: str) -> None:
        server = start_server(["appendfsync always"])
        if not knows_waitaof(server):
            pytest.skip("this server has no WAITAOF; the refusal is tested below")
        client = new_client(redis_url=server.url)
        client.submit_task(Task(), durability="fsync")
        with server.client() as plain:
            # what was written before is synced, so there is nothing to wait for
            assert plain.execute_command("WAITAOF", 1, 0, 1)[0] == 1
            assert plain.hget(f"{prefix}:counters", "durable") == "1"

    def test_on_replicas_too(self, near: Near, pair: Pair, prefix: str) -> None:
        if not knows_waitaof(pair.primary):
            pytest.skip("this server has no WAITAOF; the refusal is tested below")
        client = near(fsync_replicas=1, durable_timeout_seconds=5)
        task_id = client.submit_task(Task(), durability="fsync")
        assert pair.copy_of(f"{prefix}:task:{task_id}") is not None
        pair.replica.pause()
        client = near(fsync_replicas=1)
        with pytest.raises(NotDurable) as caught:
            client.submit_task(Task(), durability="fsync")
        assert caught.value.asked == "synced by the primary, by 1 replica"
        assert caught.value.reached.endswith("synced by the primary, by 0 replicas")


class TestNotToBeHad:
    def refused(self, client: Client, server: ServerProcess, level: str, prefix: str) -> str:
        with pytest.raises(UnsupportedDurability, match="Nothing was submitted") as caught:
            client.submit_task(Task(), durability=level)
        assert submitted(server, prefix) == 0
        return str(caught.value)

    def test_no_replica(self, new_client: NewClient, server: ServerProcess, prefix: str) -> None:
        message = self.refused(new_client(redis_url=server.url), server, "replicated", prefix)
        assert "0 replicas online" in message
        assert "TASKQ_DURABLE_REPLICAS" in message

    def test_a_replica_that_comes_later(
        self, new_client: NewClient, server: ServerProcess, start_server: StartServer, prefix: str
    ) -> None:
        client = new_client(redis_url=server.url)
        self.refused(client, server, "replicated", prefix)
        with server.client() as plain:
            plain.config_set("repl-diskless-sync-delay", 0)
        start_server([f"replicaof 127.0.0.1 {server.port}", "appendonly no"])
        wait_for_replica(server)
        client.submit_task(Task(), durability="replicated")

    def test_too_few_replicas(self, near: Near, pair: Pair, prefix: str) -> None:
        message = self.refused(near(durable_replicas=2), pair.primary, "replicated", prefix)
        assert "1 replica online" in message

    def test_no_append_only_file(self, new_client: NewClient, start_server: StartServer, prefix: str) -> None:
        server = start_server(["appendonly no"])
        message = self.refused(new_client(redis_url=server.url), server, "fsync", prefix)
        known = knows_waitaof(server)
        assert ("CONFIG SET appendonly yes" if known else "needs Redis 7.2") in message

    @pytest.mark.parametrize("policy", ["everysec", "no"])
    def test_a_file_that_is_not_synced_at_once(
        self, new_client: NewClient, start_server: StartServer, prefix: str, policy: str
    ) -> None:
        server = start_server([f"appendfsync {policy}"])
        message = self.refused(new_client(redis_url=server.url), server, "fsync", prefix)
        assert ("CONFIG SET appendfsync always" if knows_waitaof(server) else "needs Redis 7.2") in message

    def test_a_server_without_waitaof(self, new_client: NewClient, start_server: StartServer, prefix: str) -> None:
        server = start_server(["rename-command WAITAOF ''"] if knows_waitaof(start_server()) else [])
        assert "needs Redis 7.2" in self.refused(new_client(redis_url=server.url), server, "fsync", prefix)

    def test_a_user_who_may_not_wait(self, near: Near, pair: Pair, prefix: str) -> None:
        with pair.primary.client() as plain:
            plain.execute_command("ACL SETUSER", "someone", "on", ">pass", "~*", "&*", "+@all", "-wait")
        client = near(redis_url=pair.primary.url.replace("redis://", "redis://someone:pass@"))
        assert "NOPERM" in self.refused(client, pair.primary, "replicated", prefix)

    def test_an_append_only_file_that_is_switched_off(
        self, new_client: NewClient, start_server: StartServer, prefix: str
    ) -> None:
        server = start_server(["appendfsync always"])
        if not knows_waitaof(server):
            pytest.skip("this server has no WAITAOF")
        client = new_client(redis_url=server.url)
        client.submit_task(Task(), durability="fsync")
        with server.client() as plain:
            plain.config_set("appendonly", "no")
        with pytest.raises(NotDurable, match="appendonly is disabled") as caught:
            client.submit_task(Task(), durability="fsync")
        assert "appendonly" in caught.value.reached
        assert submitted(server, prefix) == 2

    def test_no_such_level(self, client: Client) -> None:
        with pytest.raises(InvalidTask, match="unknown durability 'safe': use one of memory, replicated, fsync"):
            client.submit_task(Task(), durability="safe")


def test_without_a_word_nothing_is_waited_for(near: Near, pair: Pair, proxy: Proxy) -> None:
    client = near(redis_url=proxy.url)
    client.submit_task(Task())
    del proxy.requests[:]
    pair.replica.pause()
    client.submit_task(Task())
    assert proxy.requests == [b"EVALSHA"]


def test_nobody_waits_behind_those_who_wait(near: Near, pair: Pair) -> None:
    client = near(durable_timeout_seconds=20)
    client.submit_task(Task(), durability="replicated")
    pair.replica.pause()
    with ThreadPoolExecutor(2) as threads, pair.primary.client() as plain:
        waiting = threads.submit(client.submit_task, Task(), durability="replicated")
        eventually(lambda: plain.info("clients")["blocked_clients"] == 1, what="a blocked client")
        client.submit_task(Task())
        assert client.get_queue_stats().pending_tasks == 3
        assert not waiting.done()
        pair.replica.resume()
        waiting.result(20)

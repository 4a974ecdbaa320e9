"""The machine of the server misbehaves: its clock, its disk, its power, and the cable between it and a worker."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from taskq import Settings, Task, TaskQueue
from taskq.errors import TaskqError
from taskq.testing.check import Limits, check
from taskq.testing.faults import network, shim
from taskq.testing.faults.network import Island
from taskq.testing.faults.proxy import Proxy
from taskq.testing.faults.shim import ClockShim, DiskShim
from taskq.testing.ledger import Ledger
from tests.faults.commands import WorkerCommand
from tests.faults.conftest import Site, Spawn
from tests.servers import ServerProcess, private_binary
from tests.waiting import eventually
from tests.worker.background import findings

pytestmark = pytest.mark.skipif(shim.why_not() is not None, reason=str(shim.why_not()))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A shorter lease than usual: most of these tests wait for one."""
    return replace(settings, heartbeat_interval_seconds=0.3, lease_seconds=2.0)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def site_on(server: ServerProcess, spawn: Spawn, stack: ExitStack) -> Site:
    queue = stack.enter_context(TaskQueue(settings=replace(spawn.settings, redis_url=server.url)))
    return Site(server, queue, spawn.on(server.url))


def start(stack: ExitStack, folder: Path, environment: dict[str, str], *config: str) -> ServerProcess:
    server = ServerProcess(private_binary(), folder, config)
    server.environment = environment
    return stack.enter_context(server)


def beats(queue: TaskQueue) -> set[str | None]:
    return {info.card.get("beat") for info in queue.list_workers()}


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["server", "worker"])
def test_a_clock_that_steps_by_an_hour_ages_nobody(
    whose: str, tmp_path: Path, stack: ExitStack, spawn: Spawn, ledger: Ledger, gate: Path
) -> None:
    clock = ClockShim(tmp_path / "shim")
    server = start(stack, tmp_path / "server", clock.environment if whose == "server" else {})
    site = site_on(server, spawn, stack)
    if whose == "worker":
        spawn.variables.update(clock.environment)
    worker = site.spawn("--concurrency", "2").ready()
    witness = site.spawn("--concurrency", "2", "--queues", "other").ready()
    ids = ledger.submit(site.queue, [Task(task_type="gated") for _ in range(2)])
    eventually(lambda: ledger.count("start") == 2)
    for hours in (1, -1):
        clock.step(3600 * hours)
        seen = beats(site.queue)
        eventually(lambda seen=seen: not beats(site.queue) & seen, what="both workers to beat")  # type: ignore[misc]
        until = time.monotonic() + 4 * site.queue.settings.heartbeat_interval_seconds
        eventually(lambda until=until: time.monotonic() > until, what="time to take somebody for dead")  # type: ignore[misc]
    gate.touch()

    assert [site.queue.wait_for_result(i, timeout=40)["attempts"] for i in ids] == [1, 1]
    assert site.counter("recovered") == 0
    assert findings(site.queue) == []
    assert (worker.stop(), witness.stop()) == (0, 0)
    assert check(ledger, site.queue, Limits(second_runs=0, all_ended=True)).violations == ()


def test_the_step_of_the_clock_is_seen_by_the_server(tmp_path: Path, stack: ExitStack) -> None:
    clock = ClockShim(tmp_path / "shim")
    server = start(stack, tmp_path / "server", clock.environment)
    clock.step(3600)
    assert abs(int(server.command("TIME")[0]) - time.time() - 3600) < 30


def test_a_power_cut_loses_what_no_fsync_has_covered_and_nothing_is_left_in_disorder(
    tmp_path: Path, stack: ExitStack, spawn: Spawn, ledger: Ledger
) -> None:
    disk = DiskShim(tmp_path / "shim")
    server = start(stack, tmp_path / "server", disk.environment, "appendfsync everysec")
    site = site_on(server, spawn, stack)
    worker = site.spawn("--concurrency", "4").ready()
    lost_bytes, sent = 0, 0
    for _ in range(3):
        for _ in range(30):
            ledger.submit(site.queue, [Task(task_type="work") for _ in range(5)])
            sent += 5
        lost_bytes += disk.cut_power(server)
        server.start()
        eventually(site.queue.list_workers, 40, "the worker to be back")

    stats = site.queue.get_queue_stats
    eventually(lambda: (s := stats()).pending_tasks + s.running_tasks == 0, 40, "what is left to end")
    assert findings(site.queue) == [], "an append-only file that ends early holds whole transitions only"
    kept = site.counter("submitted")
    print(f"3 power cuts with appendfsync everysec: {lost_bytes} bytes, {sent - kept} of {sent} submits lost")
    assert lost_bytes > 0, "nothing was unsynced, so this test shows nothing"
    assert kept <= sent
    assert worker.stop() == 0


def test_with_fsync_always_a_power_cut_loses_nothing(
    tmp_path: Path, stack: ExitStack, spawn: Spawn, ledger: Ledger
) -> None:
    disk = DiskShim(tmp_path / "shim")
    server = start(stack, tmp_path / "server", disk.environment, "appendfsync always")
    site = site_on(server, spawn, stack)
    for _ in range(20):
        ledger.submit(site.queue, [Task(task_type="work") for _ in range(5)])
    disk.cut_power(server)
    server.start()
    assert site.counter("submitted") == 100
    assert check(ledger, site.queue).violations == ()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(path: Path) -> None:
    with path.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(65536))


def test_a_full_disk_refuses_work_loudly_and_loses_nothing(
    small_disk: Path, stack: ExitStack, spawn: Spawn, ledger: Ledger
) -> None:
    server = stack.enter_context(ServerProcess(private_binary(), small_disk / "server"))
    site = site_on(server, spawn, stack)
    worker = site.spawn("--concurrency", "2").ready()
    filler = small_disk / "filler"
    ledger.submit(site.queue, [Task(task_type="work") for _ in range(20)])
    fill(filler)
    refused = ""
    until = time.monotonic() + 20
    while not refused and time.monotonic() < until:
        task = Task(task_type="work", metadata={"filler": "x" * 5_000})
        ledger.note("sent", task.task_id)
        try:
            with TaskQueue(settings=replace(site.queue.settings, call_timeout_seconds=0.5)) as hasty:
                hasty.submit_task(task)
            ledger.note("submit", task.task_id)
        except TaskqError as error:
            refused = str(error)
    assert "MISCONF" in refused or "disk" in refused.lower() or "space" in refused.lower(), refused

    filler.unlink()

    (after,) = ledger.submit(site.queue, [Task(task_type="work")])
    assert site.queue.wait_for_result(after, timeout=40)["status"] == "completed"
    total = site.counter("submitted")
    eventually(lambda: site.counter("completed") == total, 40, "everything that was accepted to complete")
    assert findings(site.queue) == []
    assert worker.process.poll() is None
    verdict = check(ledger, site.queue, Limits(second_runs=0, unsure=True, all_ended=True))
    assert verdict.violations == ()


def test_slow_commands_of_somebody_else_make_nobody_look_dead(site: Site, ledger: Ledger, gate: Path) -> None:
    lease_seconds = site.queue.settings.lease_seconds
    workers = [site.spawn("--concurrency", "2").ready() for _ in range(2)]
    ids = ledger.submit(site.queue, [Task(task_type="gated") for _ in range(4)])
    eventually(lambda: ledger.count("start") == 4)
    for share in (0.4, 1.3):
        site.server.sleep(share * lease_seconds)
        seen = beats(site.queue)
        eventually(lambda seen=seen: not beats(site.queue) & seen, what="both workers to beat")  # type: ignore[misc]
    gate.touch()

    assert [site.queue.wait_for_result(i, timeout=40)["attempts"] for i in ids] == [1] * 4
    assert site.counter("recovered") == 0
    assert [worker.stop() for worker in workers] == [0, 0]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or network.why_not() is not None, reason="no network of its own")
def test_a_worker_whose_cable_is_pulled_delays_nobody_and_comes_back(
    redis_url: str, queue: TaskQueue, spawn: Spawn, ledger: Ledger
) -> None:
    """Half-open connections: the server still takes the lost worker for one that waits on the bell."""
    with Island() as island, Proxy(redis_url, host=island.host) as proxy:
        environment = {
            "REDIS_URL": proxy.url,
            "TASKQ_PREFIX": queue.settings.prefix,
            "TASKQ_HEARTBEAT_INTERVAL": str(queue.settings.heartbeat_interval_seconds),
            "TASKQ_LEASE": str(queue.settings.lease_seconds),
            "TASKQ_SOCKET_TIMEOUT": "1",
            **spawn.variables,
        }
        words = ["-m", "taskq", "worker", "--handlers", "tests.faults.workload", "--concurrency", "2"]
        far = WorkerCommand(words, environment, prefix=island.prefix).ready()
        spawn.started.append(far)
        spawn("--concurrency", "2").ready()
        island.pull_cable()
        for _ in range(5):
            (task_id,) = ledger.submit(queue, [Task(task_type="work")])
            assert queue.wait_for_result(task_id, timeout=40)["status"] == "completed"
        eventually(lambda: len(queue.list_workers()) == 1, 40, "the lost worker to be given up")

        island.plug_in()

        far.sees("lost its lease and is back as", timeout_seconds=30)
        eventually(lambda: len(queue.list_workers()) == 2, 40, "both workers")
        assert check(ledger, queue, Limits(second_runs=0, all_ended=True)).violations == ()

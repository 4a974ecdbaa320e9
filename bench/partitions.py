"""``python -m bench.partitions``: what a queue gains from more masters.

On one machine all masters share its cores, so that the clock shows the cores and not the masters. Each master is
therefore measured by itself, with a worker that serves its partitions only, and in processor seconds. If every master
had a core of its own, the queue would be done when the busiest of them is: that gives the rate of the whole.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from taskq import Task, TaskQueue, TaskWorker
from taskq.settings import Settings
from tests.servers import ServerProcess
from tests.topologies import Cluster, ask

PARTITIONS_PER_MASTER = 4
TASKS_PER_PARTITION = 2_000


class Run(NamedTuple):
    """One measurement.

    Attributes:
        tasks: all of them.
        busiest: processor seconds of the master that needed most for its part, submits and runs.
        shares: tasks by master.
    """

    tasks: int
    busiest: float
    shares: list[int]

    @property
    def rate(self) -> float:
        """Tasks a second if each master had a core of its own and nothing else were slower."""
        return self.tasks / self.busiest


def cpu_seconds(node: ServerProcess) -> float:
    """Return how long a server has computed so far."""
    info = ask(node.port, "INFO", "cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def measure(masters: int, folder: Path) -> Run:
    """Submit and run tasks on a queue over some masters, one master after the other."""
    count = PARTITIONS_PER_MASTER * masters
    with Cluster(folder, masters, replicas=0) as cluster:
        cluster.start()
        settings = Settings(redis_url=cluster.url, partitions=count, log_level="ERROR")
        seconds: list[float] = []
        shares: list[int] = []
        with TaskQueue(settings=settings) as queue:
            for node in cluster.nodes:
                own = [index for index in range(count) if cluster.owner(f"{{{settings.prefix}:{index}}}:") is node]
                before = cpu_seconds(node)
                for index in own:
                    submit(queue, index)
                worker = TaskWorker(queue, concurrency=64, partitions=own)
                worker.register_handler("noop", lambda task: None)
                shares.append(worker.run_until_empty() if own else 0)
                seconds.append(cpu_seconds(node) - before)
    return Run(sum(shares), max(seconds), shares)


def submit(queue: TaskQueue, index: int) -> None:
    """Fill one partition."""
    for start in range(0, TASKS_PER_PARTITION, 100):
        numbers = range(start, start + 100)
        queue.submit_batch([Task(task_type="noop", task_id=f"t{number}.p{index}") for number in numbers])


def main(counts: list[int]) -> None:
    """Print one row for each number of masters."""
    print(
        f"{PARTITIONS_PER_MASTER} partitions a master, {TASKS_PER_PARTITION:,} no-op tasks each; {os.cpu_count()} cores"
    )
    print("rate: what the masters could take if each had a core of its own\n")
    print(f"{'masters':>7} {'partitions':>11} {'rate':>12} {'ratio':>7} {'largest share':>14}")
    one: Run | None = None
    for masters in counts:
        with tempfile.TemporaryDirectory() as folder:
            run = measure(masters, Path(folder) / "cluster")
        one = one or run
        share = max(run.shares) * masters / run.tasks
        count = masters * PARTITIONS_PER_MASTER
        print(f"{masters:>7} {count:>11} {run.rate:>10,.0f}/s {run.rate / one.rate:>7.2f} {share:>14.2f}")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1, 2, 3, 4])

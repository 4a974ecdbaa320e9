"""Faults on a server of our own: `verify` as users run it, `soak` with the server killed as well; both keep a record.

    python scripts/reliability.py verify --minutes 9 --record
    python scripts/reliability.py soak --minutes 30 --record

The server is the one that TASKQ_TEST_SERVER chooses, as for the tests. With --record the table is written to
docs/reliability.md, between the markers of its kind, in place of the one before with the same server.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from reliability_page import record

sys.path.insert(0, str(Path(__file__).parent.parent))
from bench.durability import BUSY_DISK_SECONDS, LINK_DELAY_SECONDS, Loss, failover, power_cut, server_killed
from taskq.endings import Interruption
from taskq.settings import Settings
from taskq.testing.faults.server import ServerProcess
from taskq.testing.faults.shim import DiskShim
from taskq.testing.verify import HEADERS, LOSS_HEADERS, LossWindow, Report, Tally, VerifyOptions, verify
from taskq.testing.verify.losses import FAILOVER, KILLED, POWER_CUT
from taskq.testing.verify.site import LEASE_SECONDS, Plan
from taskq.testing.verify.storm import Storm, Weather
from taskq.transport.failures import ReplyError
from tests.servers import private_binary

_TASKS_PER_SECOND = 300.0
_SLOTS = 10
_TTL_SECONDS = 20.0
_SAMPLE_SECONDS = 5.0
_FLAT = 1.15


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("verify", "soak"))
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--appendfsync", default="no", choices=("always", "everysec", "no"), help="of the server")
    parser.add_argument("--slow-sync", type=float, default=0.0, metavar="SECONDS", help="how much longer a sync takes")
    parser.add_argument("--keep", type=Path, help="an empty folder for ledger and data, which stay there")
    parser.add_argument("--record", action="store_true", help="write the table to docs/reliability.md")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    interruption = Interruption()
    try:
        text, violations = _run(arguments, seed)
    except KeyboardInterrupt:
        print("interrupted: the server has ended, and nothing is recorded", file=sys.stderr)
        return interruption.exit_code
    print(text)
    for violation in violations:
        print(f"violation: {violation}")
    if arguments.record and not violations:
        record(arguments.kind, text)
    return 1 if violations else 0


def _run(arguments: argparse.Namespace, seed: int) -> tuple[str, list[str]]:
    policy = [f"appendfsync {arguments.appendfsync}"]
    with ExitStack() as stack:
        folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        disk = DiskShim(folder / "shim", arguments.slow_sync).environment if arguments.slow_sync else {}
        server = stack.enter_context(ServerProcess(folder / "server", private_binary(), policy, disk))
        run = _verify if arguments.kind == "verify" else _soak
        return run(server, arguments.minutes, seed, folder)


def _verify(server: ServerProcess, minutes: float, seed: int, folder: Path) -> tuple[str, list[str]]:
    options = VerifyOptions(minutes, seed, allow_config=True)
    report = verify(Settings(redis_url=server.url), options, tell=lambda line: print(line, file=sys.stderr))
    if report.interrupted:
        raise KeyboardInterrupt
    losses = list(_losses(server.binary))
    broken = [
        f"{loss.lost} lost: {loss.level}, {loss.event}, {loss.setting}" for loss in losses if loss.lost and _safe(loss)
    ]
    return _table(replace(report, losses=losses)), report.shown_violations() + broken


def _safe(loss: LossWindow) -> bool:
    """Return whether nothing may be lost."""
    return loss.level != "memory" or (loss.event == KILLED and "everysec" not in loss.setting)


def _losses(binary: Path) -> Iterator[LossWindow]:
    """Yield what crashes of servers of our own take; those of the disk need a C compiler."""
    link = f"a replica {LINK_DELAY_SECONDS * 1000:.0f} ms away"
    for level in ("memory", "replicated"):
        yield _window(level, FAILOVER, link, failover(level, 2.0, LINK_DELAY_SECONDS, binary))
    for fsync, sync_seconds in (("no", BUSY_DISK_SECONDS), ("everysec", 0.0), ("everysec", BUSY_DISK_SECONDS)):
        setting = f"appendfsync {fsync}" + (f", each sync {sync_seconds:g} s longer" if sync_seconds else "")
        yield _window("memory", KILLED, setting, server_killed(fsync, 4.0, sync_seconds, binary))
    yield _window("memory", POWER_CUT, "appendfsync everysec", power_cut("memory", "everysec", 2.0, binary))
    # where a server has no WAITAOF, appendfsync always alone is what keeps them
    level = "fsync" if "valkey" in binary.name else "memory"
    yield _window(level, POWER_CUT, "appendfsync always", power_cut(level, "always", 2.0, binary))


def _window(level: str, event: str, setting: str, loss: Loss | None) -> LossWindow:
    if loss is None:
        return LossWindow(level, event, setting, why_not="not tried: no C compiler")
    return LossWindow(level, event, setting, loss.acknowledged, loss.lost, round(loss.window_ms, 1))


def _table(report: Report) -> str:
    head = f"{report.started[:10]}, {report.version}, seed {report.seed}, {report.seconds:.0f} s:"
    lines = [head, "", "| " + " | ".join(HEADERS).lower() + " |", "|" + "---|" * len(HEADERS)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in report.rows()]
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(report.total.faults.items()))
    struck = ", ".join(f"`{name}` {number}" for name, number in report.total.commands.most_common())
    lines += ["", f"Faults: {kinds}.", "", f"Struck on the wire: {struck}.", ""]
    lines += ["| " + " | ".join(LOSS_HEADERS[:-1]).lower() + " |", "|" + "---|" * (len(LOSS_HEADERS) - 1)]
    return "\n".join([*lines, *(_loss_line(loss) for loss in report.losses)])


def _loss_line(loss: LossWindow) -> str:
    *values, why_not = loss.row()
    return "| " + " | ".join(why_not if value is None and why_not else _cell(value) for value in values) + " |"


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


# -- soak --


class Memory:
    """Samples the memory of a server on a thread of its own."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._over = threading.Event()
        self.samples: list[int] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            try:
                self.samples.append(self._server.memory_bytes())
            except Exception as error:  # the server is away, which is the point of it all
                print(f"no sample of the memory: {error}", file=sys.stderr)

    def stop(self) -> tuple[float, float]:
        """Return the mean of the second and of the last quarter, in MB."""
        self._over.set()
        self._thread.join()
        quarter = max(1, len(self.samples) // 4)
        early, late = self.samples[quarter : 2 * quarter] or self.samples, self.samples[-quarter:]
        return sum(early) / max(1, len(early)) / 2**20, sum(late) / max(1, len(late)) / 2**20


def _harm(server: ServerProcess) -> dict[str, Callable[[random.Random], None]]:
    def compact() -> None:
        # by itself the server does so when the file has doubled since it was started, and it never lives that long
        with suppress(ReplyError):
            server.command("BGREWRITEAOF")

    def kill(dice: random.Random) -> None:
        server.kill9()
        time.sleep(dice.uniform(0, 0.5))
        server.start()
        compact()

    def restart(dice: random.Random) -> None:
        server.restart()
        compact()

    def freeze(seconds: float) -> Callable[[random.Random], None]:
        def strike(dice: random.Random) -> None:
            server.pause()
            time.sleep(seconds * dice.uniform(0.2, 1.0))
            server.resume()

        return strike

    def fill(dice: random.Random) -> None:
        server.limit_memory(0)
        time.sleep(dice.uniform(0.1, 0.8))
        server.limit_memory(None)

    return {
        "kill server": kill,
        "restart server": restart,
        "freeze server": freeze(0.8),
        "freeze server beyond lease": freeze(1.5 * LEASE_SECONDS),
        "slow command": lambda dice: server.sleep(dice.uniform(0.05, 0.6)),
        "flush scripts": lambda dice: server.forget_scripts(),
        "fill memory": fill,
    }


def _soak(server: ServerProcess, minutes: float, seed: int, folder: Path) -> tuple[str, list[str]]:
    plan = Plan(Settings(redis_url=server.url), folder, "soak", seed, ttl_seconds=_TTL_SECONDS)
    weather = Weather(minutes * 60, 0.25, _TASKS_PER_SECOND, _SLOTS, forgotten=True, harm=_harm(server))
    tally = Tally("soak", "random faults for a long time")
    version = server.command("INFO", "server").decode()
    memory, begun = Memory(server), time.monotonic()
    with plan.site("soak") as site, site.listening():
        try:
            Storm(site, tally, weather).rage()
        except AssertionError as error:
            tally.blame([str(error)])
        early_mb, late_mb = memory.stop()
    if late_mb > early_mb * _FLAT + 1:
        tally.blame([f"the server used {early_mb:.1f} MB in the second quarter and {late_mb:.1f} MB in the last"])
    seconds = time.monotonic() - begun
    product = next(name for name in ("Valkey", "Redis") if f"{name.lower()}_version:" in version)
    number = version.partition(f"{product.lower()}_version:")[2].split()[0]
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(tally.faults.items()))
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {product} {number}, seed {seed}:",
        "",
        "| what | figure |",
        "|---|---|",
        f"| time | {seconds / 60:.1f} min |",
        f"| tasks accepted | {tally.tasks:,} |",
        f"| faults | {tally.faults.total():,}, one per {minutes * 60 / max(1, tally.faults.total()):.2f} s |",
        f"| `appendfsync` of the server | `{server.command('CONFIG', 'GET', 'appendfsync')[1].decode()}` |",
        f"| lost | {tally.lost} |",
        f"| completed twice | {tally.double} |",
        f"| started again after the loss of a worker | {tally.second_runs:,} |",
        f"| outcomes of stale attempts, refused | {tally.refused:,} |",
        f"| drained after the last fault | {tally.recovery_seconds[-1] if tally.recovery_seconds else 0:.1f} s |",
        f"| memory of the server, second and last quarter | {early_mb:.1f} MB, {late_mb:.1f} MB |",
        f"| violations | {len(tally.violations)} |",
        "",
        f"Faults: {kinds}.",
    ]
    return "\n".join(lines), tally.violations[:20]


if __name__ == "__main__":
    sys.exit(main())

"""``python -m bench.compare``: install the peers, measure, and write docs/performance.md."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from typing import Any

from bench.compare import report
from bench.compare.catalogue import PEERS, find
from bench.compare.environments import ROOT, cache_folder
from bench.compare.measures import Bench
from bench.compare.recovery import FULL_SECONDS
from bench.compare.run import KILLS, WORKS, Options, Record, run
from bench.server import go_first, running

PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"
RAW = ROOT / "bench" / "results" / "compare.json"
OTHER = ROOT / "bench" / "results" / "compare-other.json"
LAST = ROOT / "build" / "compare.json"


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the flags."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("--peers", default="", metavar="A,B", help=f"of {', '.join(peer.name for peer in PEERS)}")
    parser.add_argument("--work", default="", metavar="A,B", help=f"of {', '.join(WORKS)}")
    parser.add_argument("--tasks", type=int, default=10_000, help="most tasks of a drain (default 10,000)")
    parser.add_argument("--rounds", type=int, default=3, help="readings of each figure (default 3)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long one reading takes, roughly (default 2)")
    parser.add_argument(
        "--quick", action="store_true", help="one round, half a second each, workers as first documented"
    )
    parser.add_argument("--cap", type=float, default=90.0, help="seconds to wait for the task of a killed worker")
    parser.add_argument("--full-recovery", action="store_true", help="wait up to 70 minutes for it")
    parser.add_argument("--server", help="path of the server program; else the one the package would start")
    parser.add_argument(
        "--write",
        action="store_true",
        help="write a quick run too, or let these works replace those of the page (all peers)",
    )
    parser.add_argument("--chosen", action="store_true", help="start workers as the last run that was kept found best")
    parser.add_argument(
        "--beside", action="store_true", help="keep this run beside that of the page, as one on another server"
    )
    parser.add_argument("--render", action="store_true", help="write the page anew from the raw file; measure nothing")
    return parser.parse_args(arguments)


def options_of(flags: argparse.Namespace) -> Options:
    """Return what to measure.

    Raises:
        ValueError: if there is no such work.
    """
    names = [name for name in flags.work.split(",") if name]
    if unknown := [name for name in names if name not in WORKS]:
        raise ValueError(f"no work is called {', '.join(unknown)}; there are {', '.join(WORKS)}")
    kept: dict[str, Any] = json.loads(RAW.read_text()) if flags.chosen else {}
    return Options(
        works=tuple(name for name in WORKS if not names or name in names),
        rounds=1 if flags.quick else flags.rounds,
        seconds=0.5 if flags.quick else flags.seconds,
        tasks=min(flags.tasks, 2_000) if flags.quick else flags.tasks,
        choose=not flags.quick,
        cap_seconds=FULL_SECONDS if flags.full_recovery else flags.cap,
        variants=kept.get("variants", {}),
    )


def say(text: str) -> None:
    """Tell about progress."""
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def merge(whole: Record, part: Record) -> Record:
    """Return a run with the works of a later one in the place of its own; both must have measured the same peers.

    Ratios are taken within a work, so works of two runs may stand on one page, which says so.
    """
    works = [work for work in part.readings if work != "check"]
    whole.readings |= {work: part.readings[work] for work in works}
    for peer, variants in part.variants.items():
        whole.variants[peer] = whole.variants.get(peer, {}) | variants
    later = {work: {name: part.about[name] for name in ("date", "commit", "cap_seconds")} for work in works}
    whole.about["later"] = whole.about.get("later", {}) | later
    return whole


def with_kills(record: Record, kept: Record) -> Record:
    """Return a run with what an earlier one has found about killed workers, which it did not ask itself."""
    for work in KILLS.keys() & kept.readings.keys() - record.readings.keys():
        record.readings[work] = kept.readings[work]
        own = {name: kept.about[name] for name in ("date", "commit", "cap_seconds")}
        record.about.setdefault("later", {})[work] = kept.about.get("later", {}).get(work, own)
    return record


def write(record: Record) -> None:
    """Write raw figures, plot and page."""
    RAW.parent.mkdir(exist_ok=True)
    RAW.write_text(json.dumps(asdict(record), indent=1) + "\n")
    PLOT.write_text(report.plot(record))
    page = PAGE.read_text() if PAGE.exists() else report.EMPTY_PAGE
    PAGE.write_text(report.replace_part(page, report.tables(record)))
    print(f"written: {PAGE.relative_to(ROOT)}, {PLOT.relative_to(ROOT)}, {RAW.relative_to(ROOT)}")


def write_beside(record: Record) -> None:
    """Write raw figures of another server, and their part of the page."""
    OTHER.write_text(json.dumps(asdict(record), indent=1) + "\n")
    PAGE.write_text(report.replace_part(PAGE.read_text(), report.beside(record), report.BESIDE))
    print(f"written: {PAGE.relative_to(ROOT)}, {OTHER.relative_to(ROOT)}")


def main(arguments: list[str]) -> int:
    """Measure and report; return the exit code."""
    flags = parse(arguments)
    if flags.render:
        write(Record(**json.loads(RAW.read_text())))
        if OTHER.exists():
            write_beside(Record(**json.loads(OTHER.read_text())))
        return 0
    try:
        peers, options = find([name for name in flags.peers.split(",") if name]), options_of(flags)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    say(f"environments are kept in {cache_folder()}")
    first = go_first(0)  # and all that it starts
    with running(flags.server) as (url, admin):
        record = run(Bench(url, admin, options.seconds, options.tasks), peers, options, say)
    record.about["first"] = first
    LAST.parent.mkdir(exist_ok=True)
    LAST.write_text(json.dumps(asdict(record), indent=1) + "\n")
    print(report.tables(record))
    if flags.beside:
        kept = Record(**json.loads(OTHER.read_text())) if OTHER.exists() else record
        same = (kept.about["server"], kept.versions) == (record.about["server"], record.versions)
        write_beside(merge(kept, record) if same and kept.readings.keys() - record.readings.keys() else record)
        return 0
    all_peers, all_works = len(peers) == len(PEERS), set(options.works) >= set(WORKS) - KILLS.keys()
    kept = Record(**json.loads(RAW.read_text())) if RAW.exists() else None
    if all_peers and all_works and (flags.write or not flags.quick):
        write(with_kills(record, kept) if kept else record)
    elif all_peers and flags.write and kept:
        write(merge(kept, record))
    else:
        print(f"\n{PAGE.relative_to(ROOT)} is as it was: this was a part, or quick. With --write it goes in.")
        print(f"Raw figures: {LAST.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

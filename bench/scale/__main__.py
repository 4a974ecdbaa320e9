"""``python -m bench.scale``: measure all curves and write docs/scale.md."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from bench.compare.environments import ROOT
from bench.compare.run import describe
from bench.scale import axes, report
from bench.scale.axes import Place, Row
from bench.scale.growth import growth
from bench.scale.meter import gaps
from bench.scale.report import Record
from bench.server import go_first, running, server_core

PAGE = ROOT / "docs" / "scale.md"
PLOT = ROOT / "docs" / "scale.svg"
RAW = ROOT / "bench" / "results" / "scale.json"
LAST = ROOT / "build" / "scale.json"
CURVES = ("growth", "pending", "scheduled", "completed", "payload", "busy", "idle", "processes", "steady")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the flags."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--curves", default="", metavar="A,B", help=f"of {', '.join(CURVES)}")
    parser.add_argument("--tasks", type=int, default=4_000, help="tasks measured at each point (default 4,000)")
    parser.add_argument("--most", type=int, default=1_000_000, help="largest backlog (default 1,000,000)")
    parser.add_argument(
        "--rounds", type=int, default=25, help="how often the ends of a curve are compared (default 25)"
    )
    parser.add_argument("--day", type=int, default=400_000, help="tasks of the steady state (default 400,000)")
    parser.add_argument("--server", help="path of the server program; else the one the package would start")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works; writes nothing")
    parser.add_argument("--render", action="store_true", help="write the page anew from the raw file; measure nothing")
    return parser.parse_args(arguments)


def curves_of(flags: argparse.Namespace, place: Place) -> dict[str, Callable[[], Iterable[Row]]]:
    """Return what measures each curve."""
    quick, most = flags.quick, 10_000 if flags.quick else flags.most
    backlogs = {kind: lambda kind=kind: axes.backlog(place, kind, most) for kind in report.KINDS}
    return {
        "growth": lambda: beside_another(flags, place, lambda both: growth(both, most, 5 if quick else flags.rounds)),
        **backlogs,
        "payload": lambda: axes.payloads(place, 10_000 if quick else 1_000_000),
        "busy": lambda: axes.busy_workers(place, (1, 10) if quick else (1, 10, 50, 200)),
        "idle": lambda: axes.idle_workers(place, (1, 5) if quick else (1, 10, 50, 200), 2.0 if quick else 12.0),
        "processes": lambda: axes.processes(place, (1, 2) if quick else (1, 2, 4, 8), 2_000 if quick else 16_000),
        "steady": lambda: axes.steady(place, 10_000 if quick else flags.day),
    }


def beside_another(
    flags: argparse.Namespace, place: Place, measure: Callable[[Sequence[Place]], list[Row]]
) -> list[Row]:
    """Measure with another server beside that of a place, on the same core."""
    core = server_core(place.admin)
    with running(flags.server) as (url, admin):
        server_core(admin, core)
        return measure((place, Place(url, admin, place.tasks, place.say)))


def say(text: str) -> None:
    """Tell about progress."""
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def write(record: Record) -> None:
    """Write raw figures, plot and page."""
    RAW.write_text(json.dumps(record, indent=1) + "\n")
    PLOT.write_text(report.plot(record))
    PAGE.write_text(report.into(PAGE.read_text(), report.tables(record)))
    print(f"written: {PAGE.relative_to(ROOT)}, {PLOT.relative_to(ROOT)}, {RAW.relative_to(ROOT)}")


def measure(flags: argparse.Namespace, names: list[str]) -> Record:
    """Measure curves; what is done is kept in a file, should the run not come to its end."""
    record: Record = {}
    first = go_first(0)  # and all that it starts
    LAST.parent.mkdir(exist_ok=True)
    for name in names:
        # a server of its own: what one curve has left behind is not the next one's memory
        with running(flags.server) as (url, admin):
            place = Place(url, admin, 500 if flags.quick else flags.tasks, say)
            about, begun = describe(admin, place.tasks) | {"first": first}, time.monotonic()
            rows = list(curves_of(flags, place)[name]())
            about["minutes"] = round((time.monotonic() - begun) / 60, 1)
            about["gaps"], about["watched"] = gaps(1 if flags.quick else 5, server_core(admin)), 1 if flags.quick else 5
        record[name] = {"about": about, "rows": rows}
        LAST.write_text(json.dumps(record, indent=1) + "\n")
    return record


def main(arguments: list[str]) -> int:
    """Measure and report; return the exit code."""
    flags = parse(arguments)
    before: Record = json.loads(RAW.read_text()) if RAW.exists() else {}
    if flags.render:
        write(before)
        return 0
    names = [name for name in flags.curves.split(",") if name] or list(CURVES)
    if unknown := [name for name in names if name not in CURVES]:
        print(f"no curve is called {', '.join(unknown)}; there are {', '.join(CURVES)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    record = measure(flags, names)
    print(report.tables(record))
    if flags.quick:
        print(f"\n{PAGE.relative_to(ROOT)} is as it was: this run was quick. Raw figures: {LAST.relative_to(ROOT)}")
    else:
        write(before | record)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``taskq circuit``."""

from __future__ import annotations

import click

from taskq.cli import values
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import duration_text, show, show_json, table
from taskq.cli.session import Session, with_session
from taskq.errors import NameNotFound
from taskq.model.circuit import Circuit, CircuitInfo
from taskq.model.moment import iso_utc

_RULE = Circuit("default")


@click.group(cls=TaskqGroup)
def circuit() -> None:
    """Hold tasks of a kind back while they would fail."""


@circuit.command("set")
@click.argument("name")
@click.option("--failures", type=values.WholeNumber(1, 1_000), default=_RULE.failures, show_default=True, metavar="N")
@click.option(
    "--within", type=values.duration, default=_RULE.within, help="Time within which they fail.  [default: 1m]"
)
@click.option(
    "--open-for", type=values.duration, default=_RULE.open_for, help="Time until one task may try.  [default: 30s]"
)
@click.option("--share", type=values.share, help="Only if so many of all attempts within the time failed: 0.5, or 50%.")
@with_session
def set_circuit(
    session: Session, name: str, failures: int, within: float, open_for: float, share: float | None
) -> None:
    """Add or replace a circuit: it opens when N attempts have failed within a time.

    NAME counts as that of a limit: type:TYPE the tasks of a type, any other name those with it among their limit keys.

    \b
    Examples:
      taskq circuit set type:mail --failures 5 --within 1m --open-for 30s
      taskq circuit set host --failures 10 --share 50%
    """
    session.queue.set_circuit(name, failures=failures, within=within, open_for=open_for, share=share)
    if session.json:
        show_json({"name": name, "failures": failures, "within": within, "open_for": open_for, "share": share})
    else:
        rule = Circuit(name, failures, within, open_for, share)
        part = f" that are {rule.percent} of the attempts" if rule.percent else ""
        times = f"within {duration_text(within)}, for {duration_text(open_for)}"
        show(f"{name} opens after {failures} failures{part} {times}")


@circuit.command("ls")
@with_session
def ls(session: Session) -> None:
    """List the circuits, and how they are for each key for which they are not closed."""
    found = session.queue.list_circuits()
    if session.json:
        show_json([info.to_dict() for info in found])
    elif not found:
        session.note(f"there is no circuit in {session.settings.prefix}")
    else:
        headers = ("NAME", "RULE", "FAILED", "KEY", "STATE", "UNTIL", "PROBE", "WAITING")
        show(table(headers, [row for info in found for row in _rows(info)], right=("FAILED", "WAITING")))


def _rows(info: CircuitInfo) -> list[tuple[object, ...]]:
    rule = info.circuit
    part = f" and {rule.percent}" if rule.percent else ""
    text = f"{rule.failures}{part} in {duration_text(rule.within)}, open {duration_text(rule.open_for)}"
    failed = f"{info.failed} of {info.attempts}" if rule.percent else info.failed
    if not info.keys:
        return [(rule.name, text, failed, None, "closed", None, None, 0)]
    rows: list[tuple[object, ...]] = []
    for key, item in sorted(info.keys.items()):
        until = iso_utc(item.until_ms) if item.until_ms else None
        rows.append((rule.name, text, failed, key, item.state, until, item.probe, item.waiting))
    return rows


@circuit.command("rm")
@click.argument("name")
@with_session
def rm(session: Session, name: str) -> None:
    """Remove a circuit; what it holds back starts."""
    removed = session.queue.remove_circuit(name)
    none = f"there is no circuit {name}: `taskq circuit ls` shows them"
    session.tell_removed(removed, {"name": name}, f"{name} has no circuit any more", none)


@circuit.command("open")
@click.argument("key")
@click.option("--for", "seconds", type=values.duration, help="Time until one may try; without it, as the circuit says.")
@with_session
def open_(session: Session, key: str, seconds: float | None) -> None:
    """Hold the tasks of a key back now; after a while one is let through to try."""
    session.queue.open_circuit(key, seconds)
    if session.json:
        show_json({"key": key, "state": "open"})
    else:
        show(f"{key} is open: its tasks are held back")


@circuit.command("close")
@click.argument("key")
@with_session
def close(session: Session, key: str) -> None:
    """Let the tasks of a key start again now."""
    closed = session.queue.close_circuit(key)
    if not closed and not {key, key.partition(":")[0]} & {info.circuit.name for info in session.queue.list_circuits()}:
        raise NameNotFound(f"there is no circuit for the key {key}: `taskq circuit ls` shows them")
    if session.json:
        show_json({"key": key, "state": "closed", "changed": closed})
    else:
        show(f"{key} is closed: its tasks start" + ("" if closed else ", as before"))

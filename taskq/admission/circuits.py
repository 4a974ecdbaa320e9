"""Setting, removing, listing and driving circuits, written once for both clients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from taskq.admission.storing import Kind, store
from taskq.errors import NameNotFound
from taskq.flows import Flow
from taskq.model.circuit import MAX_CIRCUITS, Circuit, CircuitInfo, CircuitState
from taskq.model.limit import check_limit_key
from taskq.model.moment import seconds_to_ms
from taskq.partitions import Spread, in_any
from taskq.protocol.walks import all_circuits

_CIRCUITS = Kind(
    MAX_CIRCUITS,
    "circuits are set",
    "taskq circuit ls",
    "taskq circuit rm",
    "one circuit 'name' holds for each key 'name:...'",
)


def set_circuit(spread: Spread[Any], circuit: Circuit) -> Flow[None]:
    """Add or replace a circuit, in every partition."""
    return store(spread, _CIRCUITS, circuit.name, lambda context: context.protocol.set_circuit(circuit))


def remove_circuit(spread: Spread[Any], name: str) -> Flow[bool]:
    """Remove a circuit; return whether there was one."""
    check_limit_key(name, "circuit name")
    return in_any(spread, lambda context: context.protocol.remove_circuit(name))


def open_circuit(spread: Spread[Any], key: str, seconds: float | None) -> Flow[None]:
    """Open the circuit of a key, in every partition."""
    check_limit_key(key, "circuit key")
    for_ms = 0 if seconds is None else max(1, seconds_to_ms(seconds, "seconds"))
    for context in spread.contexts:
        known: bool = yield context.protocol.open_circuit(key, for_ms)
        if not known:
            raise NameNotFound(
                f"there is no circuit for the key {key}: `taskq circuit ls` shows them, `taskq circuit set` adds one; "
                "to hold a type back without one, `taskq queue pause --type`"
            )


def close_circuit(spread: Spread[Any], key: str) -> Flow[bool]:
    """Close the circuit of a key; return whether it was open or half-open in any partition."""
    check_limit_key(key, "circuit key")
    return in_any(spread, lambda context: context.protocol.close_circuit(key))


def list_circuits(spread: Spread[Any]) -> Flow[list[CircuitInfo]]:
    """Return the circuits, with how they are; over several partitions, the worst state of each key."""
    found: dict[str, CircuitInfo] = {}
    for context in spread.contexts:
        circuits, _ = yield from all_circuits(context.protocol)
        for info in circuits:
            known = found.get(info.circuit.name, info)
            keys = known.keys | {
                key: _worse(known.keys[key], state) if known is not info and key in known.keys else state
                for key, state in info.keys.items()
            }
            found[info.circuit.name] = replace(
                max(known, info, key=lambda one: one.failed), circuit=info.circuit, keys=keys
            )
    return list(found.values())


def _worse(one: CircuitState, other: CircuitState) -> CircuitState:
    first, second = sorted((one, other), key=lambda item: ("open", "half_open", "closed").index(item.state))
    return CircuitState(first.state, first.until_ms, first.probe, first.waiting + second.waiting)

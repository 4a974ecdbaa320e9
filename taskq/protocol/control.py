"""The calls to the server that steer what runs: pauses, and wishes to workers. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from taskq.model.circuit import MAX_CIRCUITS, Circuit, CircuitInfo, CircuitState
from taskq.model.wish import Wish
from taskq.protocol.operation import Argument, Operation
from taskq.protocol.replies import texts

# as in operations.py, which loads these scripts with the others
ARGUMENTS: dict[str, str] = {
    "pause": "paused lists*",
    "gate": "paused key",
    "circuits": "verb name wanted most",
    "read_circuits": "cursor",
    "wish": "worker state slots level",
    "card": "worker token fields*",
}


class CircuitPage(NamedTuple):
    """All circuits with the first page, and a page of what is not closed and of what is paused."""

    circuits: dict[str, CircuitInfo]
    keys: dict[str, CircuitState]
    paused: tuple[str, ...]
    cursor: str


def parse_circuits(reply: list[Any]) -> CircuitPage:
    """Return what read_circuits answered."""
    now_ms, rules, gates, paused, cursor = reply
    circuits, keys = {}, {}
    for at in range(0, len(rules), 4):
        name, text = texts(rules[at : at + 2])
        if circuit := Circuit.parse(name, text):
            circuits[name] = CircuitInfo(circuit, {}, rules[at + 2], rules[at + 3])
    for at in range(0, len(gates), 3):
        key, gate = texts(gates[at : at + 2])
        keys[key] = CircuitState.parse(gate, gates[at + 2], now_ms)
    return CircuitPage(circuits, keys, texts(paused), cursor.decode())


class ControlOperations:
    """The part of ``Protocol`` for whoever steers lists and workers."""

    def _build(self, name: str, args: Iterable[Argument], parse: Callable[[Any], Any] = ...) -> Operation[Any]:
        raise NotImplementedError

    def pause(self, paused: bool, lists: Sequence[str]) -> Operation[int]:
        """Stop or resume claims from lists; return how many changed."""
        return self._build("pause", (int(paused), *lists))

    def gate(self, paused: bool, key: str) -> Operation[int]:
        """Stop or resume claims of what is counted by a key; return 1 if that changed."""
        return self._build("gate", (int(paused), key))

    def set_circuit(self, circuit: Circuit) -> Operation[bool]:
        """Add or replace a circuit; return False if there are as many as there may be."""
        return self._build("circuits", ("set", circuit.name, circuit.text(), MAX_CIRCUITS), lambda reply: reply == 1)

    def remove_circuit(self, name: str) -> Operation[bool]:
        """Remove a circuit; return whether there was one."""
        return self._build("circuits", ("remove", name, "", MAX_CIRCUITS), lambda reply: reply == 1)

    def open_circuit(self, key: str, for_ms: int) -> Operation[bool]:
        """Open the circuit of a key, 0 ms: for as long as its rule says; return whether there is one."""
        return self._build("circuits", ("open", key, str(for_ms), MAX_CIRCUITS), lambda reply: reply == 1)

    def close_circuit(self, key: str) -> Operation[bool]:
        """Close the circuit of a key; return whether it was not."""
        return self._build("circuits", ("close", key, "", MAX_CIRCUITS), lambda reply: reply > 0)

    def read_circuits(self, cursor: str = "0") -> Operation[CircuitPage]:
        """Return all circuits with the first page, and a page of how they are and of the keys that are paused."""
        return self._build("read_circuits", (cursor,), parse_circuits)

    def wish(self, worker: str, wish: Wish) -> Operation[bool]:
        """Say what a worker is to do; return whether there is one of that id."""
        return self._build("wish", (worker, *wish.words), lambda reply: reply == 1)

    def card(self, worker: str, token: str, fields: Mapping[str, str]) -> Operation[bool]:
        """Write onto the card of a worker; return whether it is registered."""
        words = [word for pair in fields.items() for word in pair]
        return self._build("card", (worker, token, *words), lambda reply: reply == 1)

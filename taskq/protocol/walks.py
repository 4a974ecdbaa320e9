"""What comes in pages, so that no call keeps the server busy for long: all of it, written once. No I/O here."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, TypeVar

from taskq.model.circuit import CircuitInfo
from taskq.protocol.control import CircuitPage
from taskq.protocol.keys import split_list_name
from taskq.protocol.operation import Operation
from taskq.protocol.operations import Protocol
from taskq.protocol.replies import WorkerCard
from taskq.protocol.sizes import Sizes

T = TypeVar("T")

# Yields operations, is sent what each of them has returned.
Walk = Generator[Operation[Any], Any, T]


def all_sizes(protocol: Protocol) -> Walk[Sizes]:
    """Return the sizes of everything, with all lists, those of one queue together.

    With many queues the lists are not of the same instant as the rest.
    """
    first: Sizes = yield protocol.stats()
    lists, cursor = {depth.name: depth for depth in first.lists}, first.cursor
    while cursor != "0":
        more: Sizes = yield protocol.stats(cursor)
        lists |= {depth.name: depth for depth in more.lists}
        cursor = more.cursor
    in_order = sorted(lists.values(), key=lambda depth: split_list_name(depth.name)[0] or "")
    return replace(first, lists=tuple(in_order), cursor="0")


def all_cards(protocol: Protocol) -> Walk[tuple[int, list[WorkerCard]]]:
    """Return the server time in ms and all registered workers, by their names."""
    cards: dict[str, WorkerCard] = {}
    now_ms, cursor, page = 0, "0", []
    while True:
        now_ms, page, cursor = yield protocol.cards(cursor)
        cards |= {card.worker_id: card for card in page}
        if cursor == "0":
            return now_ms, [cards[worker] for worker in sorted(cards)]


def all_circuits(protocol: Protocol) -> Walk[tuple[list[CircuitInfo], list[str]]]:
    """Return all circuits by name, each with the keys for which it is not closed, and the keys that are paused."""
    first: CircuitPage = yield protocol.read_circuits()
    keys, paused, cursor = dict(first.keys), dict.fromkeys(first.paused), first.cursor
    while cursor != "0":
        more: CircuitPage = yield protocol.read_circuits(cursor)
        keys |= more.keys
        paused |= dict.fromkeys(more.paused)
        cursor = more.cursor
    known = dict(sorted(first.circuits.items()))
    for key, state in keys.items():
        name = key if key in known else key.partition(":")[0]
        if name in known:
            known[name].keys[key] = state
    return list(known.values()), list(paused)

"""What comes in pages, so that no call keeps the server busy for long: all of it, written once. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from taskq.model.circuit import CircuitInfo
from taskq.protocol.keys import split_list_name
from taskq.protocol.operation import Operation
from taskq.protocol.operations import Protocol
from taskq.protocol.replies import WorkerCard
from taskq.protocol.sizes import Sizes

T = TypeVar("T")

# Yields operations, is sent what each of them has returned.
Walk = Generator[Operation[Any], Any, T]
# Returns the call for the page that begins at a cursor, "0" for the first one.
Ask = Callable[[str], Operation[T]]
# Returns the cursor of the next page, "0" if this was the last one: what most answers begin with.
CursorOf = Callable[[Any], str]
_FIRST: CursorOf = itemgetter(0)
NAMED: CursorOf = attrgetter("cursor")


def every_page(ask: Ask[T], cursor_of: CursorOf = _FIRST) -> Walk[list[T]]:
    """Return all pages together."""
    pages: list[T] = []
    cursor = "0"
    while True:
        pages.append((yield ask(cursor)))
        cursor = cursor_of(pages[-1])
        if cursor == "0":
            return pages


def each_page(run: Callable[[Operation[T]], T], ask: Ask[T], cursor_of: CursorOf = _FIRST) -> Iterator[T]:
    """Yield one page after the other, so that no more than one is kept; ``run`` blocks."""
    cursor = "0"
    while True:
        page = run(ask(cursor))
        yield page
        cursor = cursor_of(page)
        if cursor == "0":
            return


def follow(run: Callable[[Operation[Any]], Any], walk: Walk[T]) -> T:
    """Run what a walk asks for, which blocks, and return what it returns."""
    reply = None
    while True:
        try:
            reply = run(walk.send(reply))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # the exception does not say what it carries


def all_sizes(protocol: Protocol) -> Walk[Sizes]:
    """Return the sizes of everything, with all lists, those of one queue together.

    With many queues the lists are not of the same instant as the rest.
    """
    pages = yield from every_page(protocol.stats, NAMED)
    lists = {depth.name: depth for page in pages for depth in page.lists}
    in_order = sorted(lists.values(), key=lambda depth: split_list_name(depth.name)[0] or "")
    return replace(pages[0], lists=tuple(in_order), cursor="0")


def all_cards(protocol: Protocol) -> Walk[tuple[int, list[WorkerCard]]]:
    """Return the server time in ms and all registered workers, by their names."""
    pages = yield from every_page(protocol.cards, itemgetter(2))
    cards = {card.worker_id: card for _, page, _ in pages for card in page}
    return pages[-1][0], [cards[worker] for worker in sorted(cards)]


def all_circuits(protocol: Protocol) -> Walk[tuple[list[CircuitInfo], list[str]]]:
    """Return all circuits by name, each with the keys for which it is not closed, and the keys that are paused."""
    pages = yield from every_page(protocol.read_circuits, NAMED)
    known = dict(sorted(pages[0].circuits.items()))
    for key, state in (item for page in pages for item in page.keys.items()):
        name = key if key in known else key.partition(":")[0]
        if name in known:
            known[name].keys[key] = state
    return list(known.values()), list(dict.fromkeys(key for page in pages for key in page.paused))


def weigh_all(protocol: Protocol) -> Walk[None]:
    """Weigh all that waits."""
    yield from every_page(protocol.weigh)

"""Who holds what, and how to take it over from those who do not get on with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskq.channels.intake import MOST_PER_CALL, Intake, IntakeFlow
from taskq.channels.message import Message, PendingMessage
from taskq.protocol.channels import takeover
from taskq.protocol.keys import split_list_name
from taskq.protocol.operations import Protocol
from taskq.protocol.replies import Inspection, WorkerCard
from taskq.protocol.walks import all_cards

_PAGE = 100


def _sharing(cards: Sequence[WorkerCard], lists: Sequence[str]) -> list[WorkerCard]:
    """Return the cards of those that serve one of some lists."""
    return [card for card in cards if not set(lists).isdisjoint(card.card.get("lists", "").split())]


def held_messages(
    protocol: Protocol, lists: Sequence[str], min_idle_ms: int
) -> IntakeFlow[list[tuple[PendingMessage, str]]]:
    """Return the messages of some lists that are held for long, the longest first, and their fences."""
    now_ms, cards = yield from all_cards(protocol)
    ids = [task_id for card in _sharing(cards, lists) for task_id in card.held]
    found: list[tuple[PendingMessage, str]] = []
    for at in range(0, len(ids), _PAGE):
        page = ids[at : at + _PAGE]
        items: list[Inspection] = yield protocol.inspect(page)
        for task_id, item in zip(page, items, strict=True):
            state = item.state
            if state.get("list") not in lists or "fence" not in state:
                continue
            idle_ms = now_ms - int(state["started"])
            if idle_ms >= min_idle_ms:
                channel, _ = split_list_name(state["list"])
                message = PendingMessage(task_id, channel or "", state["worker"], idle_ms, int(state["attempts"]))
                found.append((message, state["fence"]))
    return sorted(found, key=lambda pair: -pair[0].idle_ms)


def pending_messages(
    protocol: Protocol, lists: Sequence[str], min_idle_ms: int, count: int
) -> IntakeFlow[list[PendingMessage]]:
    """Return the messages of some lists that are held for long, the longest first."""
    found = yield from held_messages(protocol, lists, min_idle_ms)
    return [message for message, _ in found[:count]]


def claim_pending(intake: Intake, protocol: Protocol, min_idle_ms: int, count: int) -> IntakeFlow[list[Message]]:
    """Take over what others have held for long."""
    yield from intake.come_in()
    found = yield from held_messages(protocol, intake.lists, min_idle_ms)
    others = [(item.id, fence) for item, fence in found if item.consumer_id != intake.worker]
    for at in range(0, min(count, len(others)), MOST_PER_CALL):
        held = others[at : min(at + MOST_PER_CALL, count)]
        operation = takeover(protocol, intake.worker, intake.token, intake.next_seq(), min_idle_ms, held)
        reply = yield from intake.carry_out(operation)
        if not reply.registered:
            break
        yield from intake.settle_unfit()
    return intake.take_ready(count)


def consumer_info(intake: Intake, protocol: Protocol) -> IntakeFlow[dict[str, Any]]:
    """Return what is known of a consumer and of those that serve a channel with it."""
    yield from intake.come_in()
    _, cards = yield from all_cards(protocol)
    consumers = [
        {
            "consumer_id": card.worker_id,
            "channels": sorted({split_list_name(name)[0] or "" for name in card.card.get("lists", "").split()}),
            "host": card.card.get("host", ""),
            "pid": int(card.card.get("pid", 0)),
            "lease_seconds": card.lease_ms / 1000,
        }
        for card in _sharing(cards, intake.lists)
    ]
    own = next((item for item in consumers if item["consumer_id"] == intake.worker), {})
    return {
        "consumer_id": intake.worker,
        "channels": sorted(intake.channels),
        "pending": len(intake.held),
        "lease_seconds": own.get("lease_seconds", -1.0),
        **intake.counts,
        "consumers": consumers,
    }

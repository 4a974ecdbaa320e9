"""Moments and slots as tests write and read them."""

from __future__ import annotations

from datetime import UTC, datetime

from taskq.model.recurrence import Recurrence

BERLIN, NEW_YORK, LORD_HOWE, SANTIAGO = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def shown(slots: list[int]) -> list[str]:
    return [datetime.fromtimestamp(slot / 1000, UTC).strftime("%m-%d %H:%M") for slot in slots]


def slots_between(recurrence: Recurrence, start_ms: int, end_ms: int) -> list[int]:
    slots = []
    slot = recurrence.next_after(start_ms)
    while slot <= end_ms:
        slots.append(slot)
        slot = recurrence.next_after(slot)
    return slots

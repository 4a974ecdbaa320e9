"""How far a verb has come that takes many calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from taskq.flows import Flow
from taskq.protocol.operation import Operation

T = TypeVar("T")

# how many more are done now, and what is being done if that has changed
Advance = Callable[[int, str], None]


def watched(flow: Flow[T], advance: Advance, script: str, count: Callable[[Any], int]) -> Flow[T]:
    """Pass on the steps of a flow, and tell how much each reply of one script has got done.

    Args:
        flow: of a verb.
        advance: as ``progress_bar`` yields it.
        script: name of the one that does it; the others only look.
        count: how much one of its replies has got done.
    """
    try:
        step = next(flow)
        while True:
            reply = yield step
            if isinstance(step, Operation) and step.script.name == script:
                advance(count(reply), "")
            step = flow.send(reply)
    except StopIteration as end:
        value: T = end.value
        return value

"""Teach a server the scripts, so that programs without the right to EVAL can call them."""

from __future__ import annotations

from taskq.protocol.operations import SCRIPTS
from taskq.transport.blocking import Transport
from taskq.transport.failures import check
from taskq.transport.wire import pack


def preload(transport: Transport) -> int:
    """Load every script of this release; return how many. A restart or a failover of the server forgets them.

    Raises:
        AccessDenied: if this user may not.
        ServerUnavailable: if no server answers.
    """
    with transport.wire() as wire:
        for script in SCRIPTS.values():
            check(wire.request(pack(("SCRIPT", "LOAD", script.source))))
    return len(SCRIPTS)

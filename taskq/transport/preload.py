"""Teach a server the scripts, so that programs without the right to EVAL can call them."""

from __future__ import annotations

from taskq.errors import ServerUnavailable
from taskq.protocol.operations import SCRIPTS
from taskq.transport.blocking import Transport
from taskq.transport.failures import Unsure, check
from taskq.transport.wire import pack


def preload(transport: Transport) -> int:
    """Load every script of this release; return how many. A restart or a failover of the server forgets them.

    Raises:
        AccessDenied: if this user may not.
        ServerUnavailable: if no server answers.
    """
    with transport.line() as line:
        try:
            for script in SCRIPTS.values():
                check(line.wire().request(pack(("SCRIPT", "LOAD", script.source))))
        except Unsure as doubt:
            line.close()
            raise ServerUnavailable(f"no usable answer from {transport.endpoint.shown}: {doubt}") from None
        except BaseException:
            line.close()
            raise
    return len(SCRIPTS)

"""Beats for a ``TaskWorker`` in somebody else's process: ``python -m taskq.worker.sidecar <descriptor> <pid>``."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
from typing import Any

from taskq.endings import ending_signals
from taskq.logs import set_up_logging
from taskq.queue import TaskQueue
from taskq.worker.guardian import Ward
from taskq.worker.guardians import AnyGuardian, guardian_for
from taskq.worker.link import SocketLink
from taskq.worker.options import from_wire
from taskq.worker.process import is_stopped


def main(arguments: list[str]) -> int:
    """Guard one process until it ends.

    Args:
        arguments: the descriptor of the link, and the process id that is guarded.
    """
    numbers = ending_signals()
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)  # it ends with the process it guards, not before
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    parent = int(arguments[1])
    sock = socket.socket(fileno=int(arguments[0]))
    os.set_inheritable(sock.fileno(), False)
    link = SocketLink(sock)
    messages = link.receive()
    if not messages:
        return 1
    settings, options = from_wire(messages[0])
    set_up_logging(settings)
    queue = TaskQueue(settings=settings)
    guardian = guardian_for(queue, options.partitions)
    guardian.start()
    _watch(link, parent, guardian, messages[1:])
    for worker in guardian.wards_of(link.tell):
        guardian.bury(worker, charge=True)
    guardian.stop(timeout_seconds=settings.lease_seconds)
    return 0


def _watch(link: SocketLink, parent: int, guardian: AnyGuardian, early: list[dict[str, Any]]) -> None:
    """Pass on what the worker says until its process ends or it closes the link."""
    link.unblock()
    with selectors.DefaultSelector() as selector:
        selector.register(link, selectors.EVENT_READ)
        if hasattr(os, "pidfd_open"):
            try:
                selector.register(os.pidfd_open(parent), selectors.EVENT_READ)
            except ProcessLookupError:
                return
        messages: list[dict[str, Any]] | None = early
        while messages is not None:
            for message in messages:
                _handle(message, link, parent, guardian)
            ready = selector.select(1.0)
            if os.getppid() != parent:
                messages = link.receive()  # its last words
                for message in messages or []:
                    _handle(message, link, parent, guardian)
                return
            messages = link.receive() if any(key.fileobj is link for key, _ in ready) else []


def _handle(message: dict[str, Any], link: SocketLink, parent: int, guardian: AnyGuardian) -> None:
    match message:
        case {"worker": worker, "token": token, **rest}:
            guardian.adopt(Ward(worker, token, link.tell, lambda: is_stopped(parent), rest.get("partition", 0)))
        case {"registered": worker}:
            guardian.confirm(worker)
        case {"bye": worker}:
            guardian.forget(worker)
        case {"card": worker, "fields": fields}:
            guardian.show(worker, fields)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

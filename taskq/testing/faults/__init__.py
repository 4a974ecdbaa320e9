"""Faults below the caller: on the wire, in processes, in the server, in its machine and in the network.

with Proxy(url) as proxy:
    proxy.strike("lose", "turn", skip=3)  # the reply of the fourth turn never arrives
"""

from taskq.testing.faults.fault import PROCESS_ACTIONS, WIRE_ACTIONS, Fault, name_of
from taskq.testing.faults.network import Island
from taskq.testing.faults.process import Command, Strike, WorkerCommand
from taskq.testing.faults.proxy import Proxy
from taskq.testing.faults.server import ServerProcess, free_port
from taskq.testing.faults.shim import ClockShim, DiskShim

__all__ = [
    "PROCESS_ACTIONS",
    "WIRE_ACTIONS",
    "ClockShim",
    "Command",
    "DiskShim",
    "Fault",
    "Island",
    "Proxy",
    "ServerProcess",
    "Strike",
    "WorkerCommand",
    "free_port",
    "name_of",
]

"""The console entry: ``taskq`` and ``python -m taskq``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

_INTERRUPTED = 130


def main(args: Sequence[str] | None = None, prog_name: str = "taskq") -> NoReturn:
    """Run the command ``taskq`` and end the process with its code.

    Ctrl+C while the code is still being loaded ends it without a word, as there is nothing yet to be ended in order.

    Args:
        args: the arguments; None: those of the process.
        prog_name: what it is called in its messages.
    """
    # somebody has it ignored who starts a program in the background
    eager = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if eager:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    from taskq.cli import main as program

    try:
        if eager:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.exit(program(args=args, prog_name=prog_name))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()

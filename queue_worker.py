"""``python queue_worker.py`` runs a worker: the same as ``taskq worker``, with the same flags."""

from __future__ import annotations

import sys

from taskq.__main__ import main

if __name__ == "__main__":
    try:
        main(["worker", *sys.argv[1:]], "queue_worker.py")
    except ModuleNotFoundError as error:
        if "taskq.cli" in sys.modules or error.name is None or error.name.partition(".")[0] == "taskq":
            raise
        sys.exit(
            f"queue_worker.py: the package {error.name!r} is missing, because taskq is not installed in {sys.prefix}.\n"
            "Run `make install` in this folder, or `python -m pip install .`, and start it again."
        )

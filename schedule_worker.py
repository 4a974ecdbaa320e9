"""``python schedule_worker.py``: the same as ``taskq scheduler``, with the same options."""

from __future__ import annotations

import sys

from taskq.__main__ import main

if __name__ == "__main__":
    main(args=["scheduler", *sys.argv[1:]], prog_name="schedule_worker.py")

"""The main job: index the Python standard library with two workers and a scheduler; the totals must be exact.

``make run`` calls it. Every source file is a task. A worker is killed in the middle; files that come late are retried,
and those that do not parse end in the dead letters. The exit code is 0 only if every total is exact.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from index_job import main  # Ctrl+C while modules are loaded should not end in a traceback either

        main()
    except KeyboardInterrupt:
        sys.exit(130)

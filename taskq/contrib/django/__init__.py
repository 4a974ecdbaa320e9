"""taskq in Django: settings, submits on commit, a backend for ``django.tasks``, and management commands.

Add ``"taskq.contrib.django"`` to ``INSTALLED_APPS``; docs/integrations.md begins at the beginning.
"""

from __future__ import annotations

from taskq.contrib.django.queues import get_queue, submit_on_commit

__all__ = ["get_queue", "submit_on_commit"]

"""A Django project as small as can be; the tests set its server and prefix by the environment."""

from __future__ import annotations

import importlib.util
import os

SECRET_KEY = "of a test"
USE_TZ = True
INSTALLED_APPS = ["taskq.contrib.django", "tests.contrib.site.shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("SITE_DATABASE", ":memory:")}}
TASKQ = {
    "REDIS_URL": os.environ.get("SITE_REDIS_URL", "redis://127.0.0.1:1/0"),
    "PREFIX": os.environ.get("SITE_PREFIX", "site"),
    "CALL_TIMEOUT_SECONDS": 5,
}
TASKS = {
    "default": {
        "BACKEND": "taskq.contrib.django.backend.TaskqBackend",
        "QUEUES": ["default", "mail"],
        "OPTIONS": {"max_retries": 0},
    },
    "committed": {
        "BACKEND": "taskq.contrib.django.backend.TaskqBackend",
        "OPTIONS": {"on_commit": True, "timeout": 30},
    },
}
if importlib.util.find_spec("django.tasks") is None:
    INSTALLED_APPS.append("django_tasks")

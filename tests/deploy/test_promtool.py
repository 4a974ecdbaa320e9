"""Rules, configuration, queries and scrapes as Prometheus itself reads them; where its ``promtool`` is installed.

Debian has it in the package ``prometheus``. Elsewhere ``test_metrics.py`` looks at their form.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from taskq import Task, TaskQueue
from taskq.metrics.exposition import namespace_families, page_of
from taskq.metrics.namespace import NamespaceReader
from tests.deploy.files import DEPLOY, queries

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def promtool(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["promtool", *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_rules() -> None:
    assert "rules found" in promtool("check", "rules", str(DEPLOY / "prometheus" / "alerts.yml"))


def test_the_configuration() -> None:
    assert "is valid" in promtool("check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))


def test_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"query_{number}", "expr": query.replace("$__rate_interval", "5m").replace("$prefix", "x")}
        for number, query in enumerate(queries().values())
    ]
    path = tmp_path / "queries.json"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(path))


def test_a_scrape(redis_url: str, prefix: str) -> None:
    with TaskQueue(redis_url, prefix=prefix) as queue:
        queue.submit_task(Task(task_type="x"))
        page = page_of(lambda: namespace_families(NamespaceReader(queue).read()))()
    text = page.body.decode()
    assert "taskq_queue_depth" in text
    promtool("check", "metrics", stdin=text)

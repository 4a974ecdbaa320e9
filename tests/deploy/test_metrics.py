"""Alert rules and dashboard: every metric they use is in a scrape of a live exporter or worker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from taskq import Task, TaskQueue
from tests.deploy.files import ROOT, panels, queries, rules
from tests.faults.commands import Command
from tests.metrics.scrape import get
from tests.waiting import eventually

_METRIC = re.compile(r"\btaskq_\w+")


@pytest.fixture(scope="module")
def scraped(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Sample -> its labels, of an exporter and of a worker that has run a task."""
    folder, environment = (
        tmp_path_factory.mktemp("metrics"),
        {"TASKQ_REDIS_URL": redis_url, "TASKQ_PREFIX": "t-scraped"},
    )
    started = [
        Command(["-m", "taskq", "exporter", "--port", "0"], environment, folder),
        Command(["-m", "taskq", "worker", "--metrics-port", "0"], environment, folder),
    ]
    try:
        pages = [command.sees(r"http://\S+/metrics").removeprefix("http://").partition("/")[0] for command in started]
        with TaskQueue(redis_url, prefix="t-scraped") as queue:
            queue.set_sla("urgent", age=5)
            queue.set_queue_limit(max_tasks=100, max_bytes=100_000)
            passed = queue.submit_task(Task(task_type="unknown"))
            eventually(lambda: queue.get_task_status(passed)["status"] == "waiting", what="a task that is passed over")
            queue.wait_for_result(queue.submit_task(Task(task_type="echo")), 30)
        eventually(lambda: "taskq_worker_runs_total{" in get(pages[1], "/metrics")[1], what="the report of the worker")
        text = "".join(get(page, "/metrics")[1] for page in pages)
    finally:
        for command in started:
            command.stop()
            command.destroy()
    return {
        name: set(re.findall(r"(\w+)=", labels))
        for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", text, re.MULTILINE)
    }


def test_every_metric_of_a_query_is_scraped(scraped: dict[str, set[str]]) -> None:
    found = queries()
    assert len(found) > 35
    unknown = {
        f"{where}: {metric}"
        for where, query in found.items()
        for metric in _METRIC.findall(query)
        if metric not in scraped
    }
    assert unknown == set()


def test_every_label_of_a_query_is_scraped(scraped: dict[str, set[str]]) -> None:
    for where, query in queries().items():
        for metric, matchers in re.findall(r"(taskq_\w+)\{([^}]*)\}", query):
            used = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', matchers))
            assert used <= scraped[metric], f"{where}: {metric} has {scraped[metric]}"
        for legend in re.findall(r"\{\{(\w+)\}\}", query):
            assert legend in {"queue", "priority", "type", "outcome", "status", "how"}


@pytest.mark.parametrize("query", queries().values(), ids=queries().keys())
def test_a_query_is_well_formed(query: str) -> None:
    """No parser of Prometheus is at hand: brackets that match, quotes that close, ranges where counters grow."""
    bare = re.sub(r'"[^"]*"', '""', query)
    assert query.count('"') % 2 == 0
    stack: list[str] = []
    for char in bare:
        if char in "([{":
            stack.append(char)
        elif char in ")]}":
            assert stack
            assert stack.pop() + char in ("()", "[]", "{}")
    assert stack == []
    for function, inside in re.findall(r"\b(rate|increase)\(([^()]*)\)", bare):
        assert re.search(r"\[(\$__rate_interval|\d+[smh])\]$", inside), f"{function} needs a range"
        assert re.search(r"taskq_\w+_(total|bucket)\b", inside), f"{function} is for counters"


def test_every_metric_of_the_page_is_scraped_and_the_other_way_round(scraped: dict[str, set[str]]) -> None:
    text = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(taskq_\w+)` \| (\w+) \|(.*?)\|(.*)\|$", text, re.MULTILINE)
    shown = {name for name, kind, _, _ in rows if kind != "histogram"}
    shown |= {
        f"{name}_{part}" for name, kind, _, _ in rows if kind == "histogram" for part in ("bucket", "count", "sum")
    }
    for _, _, _, meaning in rows:
        if meaning.strip().startswith("likewise"):
            shown |= {f"taskq_tasks_{word}_total" for word in re.findall(r"`(\w+)`", meaning)}
    known = {name for name in scraped if not name.endswith("_created")}
    assert shown == known
    for name, kind, labels, _ in rows:
        sample = f"{name}_count" if kind == "histogram" else name
        wanted = set(re.findall(r"`(\w+)`", labels))
        assert wanted == scraped[sample] - {"prefix"}, name


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "warn")
        assert rule["annotations"].keys() == {"summary", "do"}


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_the_folder_is_named_in_the_page() -> None:
    text = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    for name in ("deploy/prometheus", "deploy/grafana"):
        assert name in text
        assert (ROOT / Path(name)).is_dir()

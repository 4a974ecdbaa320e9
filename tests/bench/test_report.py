"""The page: cells, what failed, and that a new run replaces its own part only."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as Tree

import pytest

from bench.compare.__main__ import merge, with_kills
from bench.compare.catalogue import PEERS, find
from bench.compare.report import BEGIN, BESIDE, EMPTY_PAGE, END, beside, plot, replace_part, tables
from bench.compare.run import Record

ABOUT = {
    "date": "2030-01-01",
    "cpu": "Some CPU",
    "cores": 2,
    "memory_gib": 8,
    "system": "Linux 6",
    "python": "3.11",
    "server": "Redis 7.0.15",
    "commit": "abc1234",
    "rounds": 3,
    "seconds": 2.0,
    "minutes": 1.0,
    "load_at_start": 0.1,
}


def record(**readings: dict[str, list[dict[str, Any]]]) -> Record:
    names = {name for peers in readings.values() for name in peers}
    return Record(ABOUT, readings={"check": {name: [{}] for name in names}} | readings)


def row(text: str, name: str, heading: str) -> list[str]:
    section = text.split(f"### {heading}\n")[1].split("\n### ", maxsplit=1)[0]
    found = next(line for line in section.splitlines() if line.startswith((f"| {name} ", f"| **{name}** ")))
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_a_cell_has_median_ends_and_the_ratio_to_taskq() -> None:
    ours = [{"rate": 1000.0}, {"rate": 3000.0}, {"rate": 2000.0}]
    theirs = [{"rate": 500.0}, {"rate": 1500.0}, {"rate": 1100.0}]
    text = tables(record(submit={"taskq": ours, "rq": theirs}))
    assert row(text, "taskq", "Submit")[1] == "2,000 (1,000–3,000)"
    assert row(text, "RQ", "Submit")[1] == "1,100 (500–1,500) ×0.500"


def test_what_a_peer_cannot_do_is_a_dash_and_what_went_wrong_is_told() -> None:
    text = tables(record(batch={"taskq": [{"rate": 5.0}], "huey": [{}], "rq": [{"error": "it | broke"}]}))
    assert row(text, "Huey", "Submit")[1] == "–"
    assert row(text, "RQ", "Submit")[1] == "failed"
    assert "- RQ, batch: it | broke" in text.split("### What went wrong")[1]


def test_a_peer_that_could_not_be_installed_has_its_row() -> None:
    readings = {"check": {"taskq": [{}], "arq": [{"error": "no such version"}]}, "submit": {"taskq": [{"rate": 1.0}]}}
    text = tables(Record(ABOUT, readings=readings))
    assert row(text, "arq", "Submit")[1] == "failed"
    assert "- arq, check: no such version" in text


def test_tasks_that_ran_twice_are_told() -> None:
    text = tables(record(drain_noop={"taskq": [{"rate": 1.0, "runs": 1.0}], "saq": [{"rate": 1.0, "runs": 1.05}]}))
    assert "SAQ ran up to 5.0% of the tasks of a drain twice" in text
    assert "taskq ran" not in text


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [
        ("taskq", {"seconds": 31.26}, "31.3 s"),
        ("celery", {"beyond": 90.0}, "not within 90 s (documented, not measured: 3,600 s)"),
        ("huey", {"beyond": 90.0}, "lost"),
    ],
)
def test_a_recovery_that_was_not_waited_for_is_marked(name: str, entry: dict[str, float], expected: str) -> None:
    (peer,) = find([name])
    assert row(tables(record(recovery={name: [entry]})), peer.title, "Recover")[1] == expected


def test_a_new_run_replaces_its_own_part_only() -> None:
    page = replace_part(f"# Mine\n\nbefore\n\n{BEGIN}\nold\n{END}\n\nafter\n", "new")
    assert page == f"# Mine\n\nbefore\n\n{BEGIN}\nnew\n{END}\n\nafter\n"
    assert replace_part(page, "new") == page
    assert replace_part("# No markers\n", "new") == f"# No markers\n\n{BEGIN}\nnew\n{END}\n"
    assert replace_part(EMPTY_PAGE, "x").count(BEGIN) == 1


def test_the_plot_has_a_bar_for_each_figure() -> None:
    root = Tree.fromstring(plot(record(drain_noop={"taskq": [{"rate": 2.0}], "rq": [{"rate": 1.0}]})))
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 2


def test_every_version_is_pinned_and_every_peer_says_what_it_promises() -> None:
    assert len({peer.name for peer in PEERS}) == len(PEERS)
    for peer in PEERS:
        mark = "@" if peer.registry == "npm" else "=="
        assert all(mark in package for package in peer.packages), peer.name
        assert peer.remark, peer.name
        assert (peer.recovery_seconds is None) == peer.guarantee.startswith("none"), peer.name
    with pytest.raises(ValueError, match="no peer is called nobody"):
        find(["nobody"])


def test_a_later_run_of_one_work_replaces_that_work_and_says_so() -> None:
    whole = record(submit={"taskq": [{"rate": 10.0}]}, recovery={"taskq": [{"beyond": 90.0}]})
    whole.about = dict(ABOUT)
    part = record(recovery={"taskq": [{"seconds": 31.0}]})
    part.about = {**ABOUT, "date": "2030-02-02", "commit": "def5678", "cap_seconds": 90.0}
    whole.variants = {"taskq": {"noop": {"slots": 50}, "sleep": {"slots": 50}}}
    part.variants = {"taskq": {"sleep": {"slots": 200}}, "bare": {"sleep": {"threads": 50}}}
    text = tables(merge(whole, part))
    assert whole.variants == {
        "taskq": {"noop": {"slots": 50}, "sleep": {"slots": 200}},
        "bare": {"sleep": {"threads": 50}},
    }
    assert row(text, "taskq", "Recover")[1] == "31.0 s"
    assert row(text, "taskq", "Submit")[1] == "10.0"
    assert "Measured in a run of its own: recovery on 2030-02-02 at commit def5678." in text


def test_a_queue_that_forgets_what_is_done_has_no_ratio() -> None:
    text = tables(record(memory={"taskq": [{"pending": 400.0, "completed": 800.0}], "wakaq": [{"completed": 0.02}]}))
    assert row(text, "WakaQ", "Cost")[2] == "0"


def test_who_supervises_a_process_that_was_killed_alone_has_a_figure() -> None:
    recovery = {"taskq": [{"seconds": 31.0}], "arq": [{"beyond": 90.0}], "wakaq": [{"beyond": 90.0}]}
    child = {"taskq": [{"seconds": 0.25}], "wakaq": [{"beyond": 90.0}], "dramatiq": [{"beyond": 90.0}]}
    text = tables(record(recovery=recovery | {"dramatiq": [{"seconds": 150.0}]}, child=child))
    assert row(text, "taskq", "Recover")[1:3] == ["31.0 s", "0.250 s"]
    assert row(text, "arq", "Recover")[2] == "–"
    assert row(text, "WakaQ", "Recover")[2] == "lost"
    assert row(text, "Dramatiq", "Recover")[2] == "not within 90 s"
    assert len(row(tables(record(recovery=recovery)), "arq", "Recover")) == 3, "no column without figures"


def test_a_run_on_another_server_stands_below_that_of_the_first() -> None:
    readings = {"submit": {"taskq": [{"rate": 10.0}], "huey": [{"rate": 5.0}, {"error": "it broke"}]}}
    text = beside(record(**readings))
    assert text.startswith("## On Redis 7.0.15\n")
    assert "\n### " not in text, "the tables of the first run are found by their headings"
    assert "| **taskq** | 10.0 |" in text
    assert "**What went wrong**\n\n- Huey, submit: it broke" in text
    assert "performance.svg" not in text
    page = replace_part(replace_part("# Mine\n", "first"), text, BESIDE)
    assert replace_part(page, text, BESIDE) == page
    assert page.index("first") < page.index("## On Redis")


def test_a_run_that_kills_nobody_keeps_what_was_found_about_that() -> None:
    kept = record(submit={"taskq": [{"rate": 1.0}]}, recovery={"taskq": [{"seconds": 31.0}]})
    kept.about = {**ABOUT, "cap_seconds": 90.0, "later": {"recovery": {"date": "2029-05-05", "commit": "old1234"}}}
    new = record(submit={"taskq": [{"rate": 7.0}]})
    new.about = dict(ABOUT)
    text = tables(with_kills(new, kept))
    assert row(text, "taskq", "Submit")[1] == "7.00"
    assert row(text, "taskq", "Recover")[1] == "31.0 s"
    assert "Measured in a run of its own: recovery on 2029-05-05 at commit old1234." in text

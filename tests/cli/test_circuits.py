"""``taskq circuit``, and ``taskq queue pause`` of types and of everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq.model.circuit import Circuit
from taskq.queue import TaskQueue
from tests.cli.conftest import Run


def test_set_drive_and_remove(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    assert "there is no circuit" in run("circuit", "ls").stderr
    told = run("circuit", "set", "type:mail", "--failures", "3", "--within", "2m", "--open-for", "10s")
    assert told.stdout == "type:mail opens after 3 failures within 2m, for 10.0 s\n"
    assert [info.circuit for info in queue.list_circuits()] == [Circuit("type:mail", 3, 120, 10)]
    assert "closed" in run("circuit", "ls").stdout
    assert run("circuit", "open", "type:mail", "--for", "1h").exit_code == 0
    shown = run("circuit", "ls").stdout.splitlines()[1]
    assert "type:mail  3 in 2m, open 10.0 s       0  type:mail  open" in shown
    assert run_json("circuit", "ls")[0]["state"] == "open"
    assert run_json("circuit", "close", "type:mail") == {"key": "type:mail", "state": "closed", "changed": True}
    assert run("circuit", "close", "type:mail").stdout == "type:mail is closed: its tasks start, as before\n"
    assert run("circuit", "rm", "type:mail").exit_code == 0
    gone = run("circuit", "rm", "type:mail")
    assert (gone.exit_code, "there is no circuit type:mail" in gone.stderr) == (1, True)
    none = run("circuit", "open", "type:mail")
    assert (none.exit_code, "taskq circuit set" in none.stderr) == (1, True)


def test_a_share(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    told = run("circuit", "set", "host", "--failures", "10", "--share", "12.5%")
    assert told.stdout == "host opens after 10 failures that are 12.5 % of the attempts within 1m, for 30.0 s\n"
    assert [info.circuit for info in queue.list_circuits()] == [Circuit("host", 10, share=0.125)]
    assert "host  10 and 12.5 % in 1m, open 30.0 s  0 of 0" in run("circuit", "ls").stdout
    assert run_json("circuit", "set", "host", "--share", "0.5")["share"] == 0.5
    assert run_json("circuit", "ls")[0]["share"] == 0.5
    for wrong, why in (("half", "write 0.5, or 50%"), ("50", "share is 50: use a number from 0.001 to 1")):
        refused = run("circuit", "set", "host", "--share", wrong)
        assert (refused.exit_code, why in refused.stderr) == (2, True)


def test_types_and_everything_are_paused(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    assert run("queue", "pause", "--type", "resize").stdout == "type resize is paused\n"
    assert run("queue", "pause", "--type", "resize").stdout == "type resize is paused: it was so before\n"
    assert "paused types: resize" in run("queue", "ls").stderr
    assert run("queue", "pause", "--all").stdout == "everything is paused\n"
    assert all(item.paused for item in queue.get_queue_stats().lists)
    resumed = run("queue", "resume", "--all")
    assert resumed.stdout == "everything is running\n"
    assert "still paused by themselves: type resize" in resumed.stderr
    assert run_json("queue", "resume", "--type", "resize") == {
        "type": "resize",
        "everything": False,
        "paused": False,
        "changed": True,
    }
    both = run("queue", "pause", "mail", "--all")
    assert (both.exit_code, "name one of them" in both.stderr) == (2, True)

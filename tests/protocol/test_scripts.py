"""The loader: a script, its header and its caller must agree, or it is not loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from taskq.errors import ProtocolError
from taskq.protocol import scripts
from taskq.protocol.operations import ARGUMENTS, SCRIPTS, load_scripts
from taskq.protocol.scripts import Scripts, load, parse_header

GOOD = """\
-- give: hand something over
-- FLAGS   allow-oom
-- USES    task queue
-- INCLUDE part
-- ARGV    id count:number rest*
-- REPLY   1 done,
--         0 not
-- A note for the reader.
local first = ARGV[first_rest]
if call('EXISTS', TASK .. id) == 1 and count > 0 then return helper(QUEUE, first) end
return 0
"""
PART = """\
-- part: a fragment
-- USES status
local function helper(key, word) return STATUS .. key .. word end
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the loader takes for the one of the package."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "give.lua").write_text(GOOD)
    (tmp_path / "lib" / "part.lua").write_text(PART)
    monkeypatch.setattr(scripts, "LUA", tmp_path)
    return tmp_path


ARGV = ("id", "count", "rest*")


def edit(folder: Path, old: str, new: str, name: str = "give.lua") -> None:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_two_functions_of_one_name(folder: Path) -> None:
    edit(folder, "local first =", "local function helper() return 1 end\nlocal first =")
    with pytest.raises(ProtocolError, match="two functions helper"):
        load("give", ARGV)


@pytest.mark.usefixtures("folder")
def test_a_good_script() -> None:
    script = load("give", ARGV)
    shebang, bindings, *body = script.source.splitlines()
    assert shebang == "#!lua flags=allow-oom"
    assert bindings == (
        "local call, NS = redis.call, KEYS[1]; "
        "local id = ARGV[1]; local count = tonumber(ARGV[2]); local first_rest = 3"
    )
    assert body[0].startswith("local function helper")
    assert body[-1] == "return 0"
    assert script.sha == hashlib.sha1(script.source.encode()).hexdigest()
    assert (script.name, script.argv, script.read_only) == ("give", ARGV, False)


def test_the_header(folder: Path) -> None:
    header, body = parse_header((folder / "give.lua").read_text(), "give.lua")
    assert (header.name, header.summary) == ("give", "hand something over")
    assert (header.flags, header.uses, header.includes) == (("allow-oom",), ("task", "queue"), ("part",))
    assert header.argv == ("id", "count:number", "rest*")
    assert header.reply == "1 done, 0 not"
    assert body.count("\n") == GOOD.rstrip().count("\n"), "line numbers in error messages stay those of the file"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-- give: hand", "-- hand", "the first line must read"),
        ("-- give:", "-- take:", "speaks of 'take'"),
        ("USES    task queue", "USES    task queues_", "names no key family of keys.py: queues_"),
        ("USES    task queue", "USES    task queue dead", "never uses: DEAD"),
        ("QUEUE, first", "'QUEUE', first --QUEUE", "never uses: QUEUE"),
        ("-- ARGV    id", "-- ARGV    id first", "takes id first count rest\\*, its caller passes id count rest\\*"),
        ("count > 0", "true", "never uses: count"),
        ("id count:number rest*", "id rest* count:number", "its caller passes id count rest\\*"),
        ("id count:number", "id number:number", "never uses: number"),
        ("TASK .. id", "KEYS[1] .. TASK .. id", "spells a position"),
        ("ARGV[first_rest]", "ARGV[3]", "spells a position"),
        ("-- REPLY   1 done,\n--         0 not\n", "", "does not say what it replies"),
    ],
)
def test_what_does_not_agree_is_refused(folder: Path, old: str, new: str, message: str) -> None:
    edit(folder, old, new)
    with pytest.raises(ProtocolError, match=message):
        load("give", ARGV)


def test_an_empty_file_is_refused(folder: Path) -> None:
    (folder / "give.lua").write_text("")
    with pytest.raises(ProtocolError, match="first line"):
        load("give", ARGV)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("argv", [(), ("id", "count"), ("count", "id", "rest*"), ("id", "count", "rest")])
def test_a_caller_that_passes_something_else_is_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(ProtocolError, match="its caller passes"):
        load("give", argv)


def test_an_argument_that_repeats_must_be_the_last(folder: Path) -> None:
    edit(folder, "id count:number rest*", "id rest* count:number")
    with pytest.raises(ProtocolError, match="only the last argument may repeat"):
        load("give", ("id", "rest*", "count"))


def test_fragments_are_checked_too(folder: Path) -> None:
    edit(folder, "-- USES status", "-- USES status dead", "lib/part.lua")
    with pytest.raises(ProtocolError, match=r"part.lua.*DEAD"):
        load("give", ARGV)


def test_a_fragment_comes_once_and_after_what_it_includes(folder: Path) -> None:
    edit(folder, "-- USES status", "-- USES status\n-- INCLUDE base", "lib/part.lua")
    (folder / "lib" / "base.lua").write_text("-- base: the base\nlocal base = 1\n")
    edit(folder, "INCLUDE part", "INCLUDE part base")
    source = load("give", ARGV).source
    assert source.count("local base = 1") == 1
    assert source.index("local base") < source.index("local function helper")


def test_another_clock_takes_the_place_of_the_clock() -> None:
    assert "test_clock_shift_ms" not in SCRIPTS["turn"].source
    shifted = load_scripts("shifted_clock")
    assert "test_clock_shift_ms" in shifted["turn"].source
    assert shifted["pause"].source == SCRIPTS["pause"].source, "a script without the time needs no other one"


def test_only_scripts_that_write_nothing_say_so() -> None:
    read_only = {name for name, script in SCRIPTS.items() if script.read_only}
    looks = {
        "cards",
        "check",
        "gather",
        "exchanges",
        "hear",
        "history",
        "read_limits",
        "read_circuits",
        "read_sla",
        "explain",
        "ids",
        "indexes",
        "inspect",
        "lengths",
        "lineup",
        "ages",
        "recall",
        "scales",
        "result",
        "rows",
        "snapshot",
        "stats",
    }
    looks |= {"survey"}
    assert read_only == looks


def test_a_full_server_refuses_what_adds() -> None:
    """Everything that drains may go on at maxmemory; what adds something is refused before its first write."""
    may_not = {name for name, s in SCRIPTS.items() if not s.read_only and "allow-oom" not in s.source.splitlines()[0]}
    assert may_not == {"submit", "fire", "replay", "checkpoint", "fanout", "graph", "commit", "signal", "exchange"}


def test_each_is_loaded_when_it_is_asked_for(folder: Path) -> None:
    some = Scripts({"give": " ".join(ARGV), "gone": "id"}, "read_clock")
    assert (list(some), len(some)) == (["give", "gone"], 2)
    assert some["give"] is some["give"]
    with pytest.raises(ProtocolError, match="takes id count rest\\*, its caller passes id"):
        Scripts({"give": "id"}, "read_clock")["give"]
    with pytest.raises(KeyError):
        some["another"]


def test_what_is_installed_under_a_running_process_is_not_loaded(folder: Path) -> None:
    scripts.keep_texts()
    edit(folder, "return 0", "return 9")
    assert load("give", ARGV).source.endswith("return 0\n")


def test_every_file_is_loaded() -> None:
    assert {name: script.name for name, script in SCRIPTS.items()} == {name: name for name in ARGUMENTS}
    files = {path.name.removesuffix(".lua") for path in scripts.LUA.iterdir() if path.name.endswith(".lua")}
    assert files == ARGUMENTS.keys()

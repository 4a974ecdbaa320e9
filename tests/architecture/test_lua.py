"""The scripts: every file is used, and every name in one is declared before it is used.

The server refuses an undeclared global only when it comes by, perhaps in the one branch that no test has taken.
"""

from __future__ import annotations

import re

import pytest

from taskq.protocol.operations import SCRIPTS
from taskq.protocol.scripts import LUA, Script, parse_header

_TOKEN = re.compile(
    r"(?P<skip>--[^\n]*|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|\b\d[\w.]*)"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<sign>\.\.\.|\.\.|==|~=|<=|>=|[^\s\w])"
)
_KEYWORDS = frozenset(
    """and break do else elseif end false for function if in local nil not or repeat return then true until
    while""".split()  # noqa: SIM905 - a list of words
)
_LUA = "string table math tonumber tostring type error ipairs pairs next unpack pcall"
_GIVEN = frozenset(["redis", "KEYS", "ARGV", *_LUA.split(" ")])


def undeclared(source: str) -> list[str]:
    """Return the names in a script that are used before anything declares them."""
    tokens = [(m.lastgroup or "", m.group()) for m in _TOKEN.finditer(source) if m.lastgroup != "skip"]
    known, found, declaring = set(_GIVEN | _KEYWORDS), [], False
    for at, (kind, word) in enumerate(tokens):
        before = tokens[at - 1][1] if at else ""
        after = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if word in ("local", "for") or (word == "(" and "function" in (before, tokens[at - 2][1])):
            declaring = True
        elif word in ("=", "in", ")"):
            declaring = False
        elif kind == "name" and word not in _KEYWORDS:
            is_field = before in (".", ":") or (before in ("{", ",") and after == "=" and not declaring)
            if declaring:
                known.add(word)
                # a local without a value ends with its line, which tokens do not show
                declaring = after in (",", "=", "in", ")") or before == "function"
            elif not is_field and word not in known:
                found.append(word)
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("local a = 1\nreturn a", []),
        ("return a", ["a"]),
        ("local function f(x, y) return x + y end\nreturn f(1, 2)", []),
        ("local function f(x) return g(x) end\nlocal function g(x) return x end", ["g"]),
        ("for i, v in ipairs({1}) do local w = v + i end", []),
        ("for i = 1, n do end", ["n"]),
        ("local t = {a = 1, b = c}\nreturn t.a .. t.d", ["c"]),
        ("local call = redis.call; local x, y = 1, 2; return call(x, y, 'z', \"z\") -- z", []),
        ("local a\na = 1\nb = 2", ["b"]),
        ("local f = {string = function(key) return key end}\nreturn f", []),
    ],
)
def test_the_check_itself(source: str, expected: list[str]) -> None:
    assert undeclared(source) == expected


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_every_name_is_declared_before_it_is_used(script: Script) -> None:
    assert undeclared(script.source.partition("\n")[2]) == []


def test_every_fragment_is_used() -> None:
    texts = [path.read_text() for path in LUA.iterdir() if path.name.endswith(".lua")]
    fragments = {path.name.removesuffix(".lua"): path.read_text() for path in (LUA / "lib").iterdir()}
    headers = [parse_header(text, "")[0] for text in [*texts, *fragments.values()]]
    included = {name for header in headers for name in (*header.includes, *header.branches)}
    assert fragments.keys() - included == {"shifted_clock"}, "the one that stands in for the clock in tests"


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_nothing_grows_with_the_namespace(script: Script) -> None:
    """Commands whose time grows with all keys, or with a whole collection, have no place in a running system."""
    slow = re.findall(r"'(KEYS|SCAN|FLUSHDB|FLUSHALL|SORT|SUNION|HKEYS|HVALS)'", script.source)
    # SCAN is a bounded step; for taskq fsck, not for a running system
    assert slow == {"snapshot": ["KEYS"], "survey": ["SCAN"]}.get(script.name, [])


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_time_is_the_servers(script: Script) -> None:
    assert not re.search(r"\bos\.(time|clock)\b|math\.random", script.source)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_what_users_submit_is_never_parsed(script: Script) -> None:
    """cjson would turn 12345678901234567 into a float, and an empty list into an object."""
    assert not re.search(r"\bcjson\b|\bcmsgpack\b", script.source)

"""Load the Lua scripts and check that header, body and caller agree.

A script is one file per transition. Its header is the contract, and the only place where positions are named:

    -- <name>: <one sentence>
    -- FLAGS   <script flags of the server, if any>
    -- USES    <key families of keys.py>
    -- INCLUDE <fragments of lua/lib>
    -- BRANCH  <fragments that only one branch needs, and copies with COPY>
    -- ARGV    <name> <name:number> ... [<rest>*]
    -- REPLY   <what comes back>
    --         <more of it>

From it the loader writes the shebang and one line of ``local`` bindings, so a body never says ``ARGV[7]``. The only
KEY of each script is the root of the namespace, which keeps a call short and all of a namespace in one cluster slot.
A family in capitals stands for its key: ``STATUS .. 'pending'`` becomes ``NS..'status:' .. 'pending'``, one string
made where it is needed, and none where it is not. The fragments come before the body, or where it says
``-- FRAGMENTS``; the clock alone where it says ``-- CLOCK``, and what a single branch of a short way needs as a copy
there, where it says ``-- COPY <fragments>``; so does a branch behind the fragments with what stands in ``BRANCH``.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from taskq.errors import ProtocolError
from taskq.protocol.keys import FAMILIES

_FIELDS = ("FLAGS", "USES", "INCLUDE", "BRANCH", "ARGV", "REPLY")
_FIELD_LINE = re.compile(rf"-- ({'|'.join(_FIELDS)}) +(\S.*)\Z")
_CONTINUATION = re.compile(r"--  +(\S.*)\Z")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING_OR_COMMENT = re.compile(r"--[^\n]*|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_MARKER = "-- FRAGMENTS\n"
# a short way that needs the time takes the fragment for it already here
_CLOCK_MARKER = "-- CLOCK\n"
# and what it seldom needs into the branch that does, so that the others do not pay for it
_FUNCTION = re.compile(r"^local function (\w+)", re.MULTILINE)
_COPY = re.compile(r"-- COPY ([a-z_ ]+)\n")
_TOKEN = re.compile(rf"{_STRING_OR_COMMENT.pattern}|{_WORD.pattern}")
_KEYS = {family.upper(): suffix for family, suffix in FAMILIES.items()}
LUA = resources.files("taskq.protocol") / "lua"
_kept: dict[object, str] = {}


@dataclass(frozen=True, slots=True)
class Header:
    """What the comment block at the top of a Lua file promises."""

    name: str
    summary: str
    flags: tuple[str, ...]
    uses: tuple[str, ...]
    includes: tuple[str, ...]
    branches: tuple[str, ...]
    argv: tuple[str, ...]
    reply: str


@dataclass(frozen=True, slots=True)
class Script:
    """One transition, ready to be sent.

    Attributes:
        name: the file's name without ``.lua``.
        argv: names of the arguments in order; the last one may stand for any number (``rest*``).
        source: what the server compiles.
        sha: what EVALSHA is called with.
        read_only: whether it carries the ``no-writes`` flag.
    """

    name: str
    argv: tuple[str, ...]
    source: str
    sha: str
    read_only: bool


def parse_header(text: str, filename: str) -> tuple[Header, str]:
    """Split a Lua file into its header and its body.

    Raises:
        ProtocolError: if the header lacks its first line or has a line it should not have.
    """
    lines = text.splitlines()
    fields: dict[str, list[str]] = {field: [] for field in _FIELDS}
    first = re.match(r"-- ([a-z_]+): (.+)\Z", lines[0]) if lines else None
    if first is None:
        raise ProtocolError(f"{filename}: the first line must read '-- <name>: <one sentence>'")
    end, field = 1, None
    while end < len(lines) and lines[end].startswith("--"):
        if opening := _FIELD_LINE.match(lines[end]):
            field = opening[1]
            fields[field].append(opening[2])
        elif field and (more := _CONTINUATION.match(lines[end])):
            fields[field].append(more[1])
        else:
            field = None
        end += 1
    words = {name: tuple(" ".join(fields[name]).split()) for name in _FIELDS}
    header = Header(
        name=first[1],
        summary=first[2],
        flags=words["FLAGS"],
        uses=words["USES"],
        includes=words["INCLUDE"],
        branches=words["BRANCH"],
        argv=words["ARGV"],
        reply=" ".join(fields["REPLY"]),
    )
    return header, "\n".join([""] * end + lines[end:])


def _read(place: str, stem: str) -> tuple[Header, str]:
    """Read and check a file of ``lua/``, given as ``name.lua`` or ``lib/name.lua``."""
    path = LUA / place
    return _check(_text(path), path.name, stem)


def _text(path: Traversable) -> str:
    if path not in _kept:
        _kept[path] = path.read_text(encoding="utf-8")
    return _kept[path]


def keep_texts() -> None:
    """Read all files now: what an upgrade puts in their place under a running process is of another release."""
    for folder in (LUA, LUA / "lib"):
        for path in folder.iterdir():
            if path.name.endswith(".lua"):
                _text(path)


@functools.cache  # most fragments are included by many scripts
def _check(text: str, filename: str, stem: str) -> tuple[Header, str]:
    header, body = parse_header(text, filename)
    if header.name != stem:
        raise ProtocolError(f"{filename}: the header speaks of {header.name!r}")
    unknown = [family for family in header.uses if family not in FAMILIES]
    if unknown:
        raise ProtocolError(f"{filename}: USES names no key family of keys.py: {', '.join(unknown)}")
    words = set(_WORD.findall(_STRING_OR_COMMENT.sub(" ", body)))
    names = [family.upper() for family in header.uses] + [_bare(arg) for arg in header.argv if not arg.endswith("*")]
    unused = [name for name in names if name not in words]
    if unused:
        raise ProtocolError(f"{filename}: the header names what the body never uses: {', '.join(unused)}")
    undeclared = sorted(word for word in words if word in _KEYS and word.lower() not in header.uses)
    if undeclared:
        raise ProtocolError(f"{filename}: the body uses families that USES does not name: {', '.join(undeclared)}")
    if re.search(r"\bKEYS\s*\[", body) or re.search(r"\bARGV\s*\[\s*\d", body):
        raise ProtocolError(f"{filename}: the body spells a position; name it in the header")
    return header, _spell_keys(body)


def _bare(argument: str) -> str:
    return argument.removesuffix(":number").removesuffix("*")


def _spell_keys(text: str) -> str:
    """Replace families in capitals by the expressions of their keys; strings and comments stay as they are."""

    def spell(found: re.Match[str]) -> str:
        suffix = _KEYS.get(found[0])
        if suffix is None:
            return found[0]
        return f"NS..'{suffix}'" if suffix else "NS"

    return _TOKEN.sub(spell, text)


def _bindings(argv: tuple[str, ...]) -> str:
    parts = ["local call, NS = redis.call, KEYS[1]"]
    for position, argument in enumerate(argv, start=1):
        if argument.endswith("*"):
            if position != len(argv):
                raise ProtocolError(f"only the last argument may repeat: {argument}")
            parts.append(f"local first_{_bare(argument)} = {position}")
        elif argument.endswith(":number"):
            parts.append(f"local {_bare(argument)} = tonumber(ARGV[{position}])")
        else:
            parts.append(f"local {argument} = ARGV[{position}]")
    return "; ".join(parts)


def load(name: str, argv: tuple[str, ...], clock: str = "read_clock") -> Script:
    """Read ``lua/<name>.lua`` and its fragments and return the script.

    Args:
        name: of the script.
        argv: the arguments as the caller will pass them, in order, with ``*`` on one that repeats.
        clock: the fragment that stands in for ``read_clock``; tests pass one that can be moved by hand.

    Raises:
        ProtocolError: if header, body and caller disagree.
    """
    header, body = _read(f"{name}.lua", name)
    stated = tuple(argument.removesuffix(":number") for argument in header.argv)
    if stated != argv:
        raise ProtocolError(f"{name}.lua takes {' '.join(stated)}, its caller passes {' '.join(argv)}")
    if not header.reply:
        raise ProtocolError(f"{name}.lua: the header does not say what it replies")
    fragments = _texts(_closure(header.includes), clock)
    branches = _texts(tuple(name for name in _closure(header.branches) if name not in fragments), clock)
    if _CLOCK_MARKER in body:
        body = body.replace(_CLOCK_MARKER, fragments.pop("read_clock") + "\n")
    # a copy may have copies in it
    while found := _COPY.search(body):
        names = tuple(found[1].split())
        there = branches if set(names) <= set(header.branches) else fragments
        body = body[: found.start()] + "".join(f"{text}\n" for text in _copies(names, there)) + body[found.end() :]
    shebang = "#!lua" + (f" flags={','.join(header.flags)}" if header.flags else "")
    # a short way may stand before the fragments, so that it does not pay for them
    before, marker, after = body.strip().rpartition(_MARKER)
    texts = list(fragments.values())
    _check_functions(name, [*texts, after])
    text = "\n".join([before.strip(), *texts, after.strip()] if marker else [*texts, body.strip()])
    source = "\n".join([shebang, _bindings(header.argv), text, ""])
    return Script(
        name=name,
        argv=argv,
        source=source,
        sha=hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest(),
        read_only="no-writes" in header.flags,
    )


class Scripts(Mapping[str, Script]):
    """Scripts by name, each loaded when it is first asked for: most programs need a few of them.

    Args:
        arguments: by name, as their callers will pass them, in one string.
        clock: as for ``load``.

    Raises:
        ProtocolError: as ``load``, by whatever asks for that script.
    """

    def __init__(self, arguments: Mapping[str, str], clock: str) -> None:
        self._arguments = arguments
        self._clock = clock
        self._loaded: dict[str, Script] = {}

    def __getitem__(self, name: str) -> Script:
        try:
            return self._loaded[name]
        except KeyError:
            argv = tuple(self._arguments[name].split())
        # of two threads that load it at once both get the same one
        return self._loaded.setdefault(name, load(name, argv, self._clock))

    def __iter__(self) -> Iterator[str]:
        return iter(self._arguments)

    def __len__(self) -> int:
        return len(self._arguments)


def _check_functions(name: str, texts: list[str]) -> None:
    """Refuse two functions of one name: the later one would be called in the place of the other, without a word."""
    seen: set[str] = set()
    for function in itertools.chain.from_iterable(map(_FUNCTION.findall, texts)):
        if function in seen:
            raise ProtocolError(f"{name}.lua and its fragments have two functions {function}: rename one")
        seen.add(function)


def _texts(names: Iterable[str], clock: str) -> dict[str, str]:
    """Return the fragments of these names, the one that tells the time as it is to be."""
    return {name: _read(f"lib/{_stem(name, clock)}.lua", _stem(name, clock))[1].strip() for name in names}


def _copies(includes: tuple[str, ...], fragments: dict[str, str]) -> list[str]:
    """Return fragments and what they include, but for what stands there already; the time was taken before."""
    return [fragments[name] for name in _closure(includes) if name in fragments and name != "clock"]


def _stem(include: str, clock: str) -> str:
    return clock if include == "read_clock" else include


def _closure(includes: tuple[str, ...]) -> list[str]:
    """Return the fragments in an order in which each comes after those that it includes itself."""
    ordered: list[str] = []
    for include in includes:
        header, _ = _read(f"lib/{include}.lua", include)
        ordered += [name for name in [*_closure(header.includes), include] if name not in ordered]
    return ordered

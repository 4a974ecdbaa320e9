"""What each kind of program may do on the server, worked out from the scripts that it calls. No I/O here.

A script runs with the rights of its caller: each of its commands is checked as if the caller had sent it. So a role is
the list of the scripts it calls, and its rights are the commands and key families that stand in their text. Each script
becomes a selector of its own, so that a command of one script cannot be used on the keys of another; its commands that
overwrite become another one, so that who may add to a list may not delete it.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from taskq.protocol.keys import FAMILIES, SCHEDULER_BELL, Keys
from taskq.protocol.operations import SCRIPTS
from taskq.protocol.scripts import Script

_CALL = re.compile(r"\bp?call\('([A-Z]+)'(?:, '([A-Z]+)')?")
_KEY = re.compile(r"(?:\bp?call\('([A-Z]+)', )?\bNS\.\.'([^']*)'")
# several whole keys of one command
_MORE_KEYS = re.compile(r"(\bp?call\('[A-Z]+', )(NS\.\.'[^':]*'), (?=NS\.\.')")
_FAMILY_OF = {suffix: family for family, suffix in FAMILIES.items()}
# what works on a key of any type, and so could delete or replace a list that a script only adds to
_OVERWRITES = frozenset({"del", "unlink", "set", "mset", "msetnx", "pexpire", "pexpireat"})
# where all ids are, which no script overwrites; so a family that does not stand beside its command is none of these
_NEVER_OVERWRITTEN = frozenset({"queue", "processing", "status"})
# What a connection says before it is of use, and to look whether it still is.
_CONNECTION = ("auth", "hello", "ping", "select", "client|setname", "role", "evalsha")
_CLUSTER = ("cluster|slots", "cluster|shards", "cluster|nodes", "command", "readonly", "info")
_READS = frozenset(
    """exists get getrange hexists hget hgetall hlen hmget hscan lindex llen lpos lrange mget pttl scan scard sismember
    smembers smismember srandmember hrandfield sscan strlen time type zcard zmscore zrange zrangebyscore zrank zrevrange
    zrevrangebyscore zscan zscore""".split()  # noqa: SIM905 - a list of words
)


class EveryPartition(Keys):
    """The keys of all partitions of a queue, as the patterns of an ACL."""

    __slots__ = ()

    @property
    def root(self) -> str:
        """A pattern of what every key begins with."""
        name = f"{self.prefix}:[0-9]*"
        return f"{{{name}}}:" if self.hash_tag else f"{name}:"


class Role(StrEnum):
    """What a program is to the namespace."""

    PRODUCER = "producer"
    WORKER = "worker"
    SCHEDULER = "scheduler"
    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Duties:
    """What a role does.

    Attributes:
        scripts: that it calls; the first one is checked first by the server, so it is the one called most often.
        blocks_on: beginnings of the names of the lists it waits on.
        listens: whether it follows the events.
        plain: commands without a key that it sends besides.
        read_only: whether it only reads, also with scripts that could write.
        without: commands of a script that it goes without, as (script, command); the script answers that it may not.
    """

    scripts: tuple[str, ...]
    blocks_on: tuple[str, ...] = ()
    listens: bool = False
    plain: tuple[str, ...] = ()
    read_only: bool = False
    without: tuple[tuple[str, str], ...] = ()


_SUBMITS = (
    "submit",
    "cancel",
    "await",
    "result",
    "inspect",
    "checkpoint",
    "recall",
    "fanout",
    "graph",
    "report",
    "gather",
    "signal",
    "exchange",
    "exchanges",
)
_LOOKS = (
    "inspect",
    "rows",
    "result",
    "recall",
    "gather",
    "exchanges",
    "hear",
    "stats",
    "history",
    "ids",
    "cards",
    "schedules",
    "read_limits",
    "read_sla",
    "read_circuits",
    "explain",
)
_STEERS = ("limits", "bounds", "weigh", "circuits", "pause", "gate", "wish")
# without survey: its SCAN would show the names of all keys on the server, also those of others
_CHECKS = ("check", "lineup", "indexes", "scales")
_MENDS = ("mend", "mend_place", "mend_expiry")
_PURGES = ("purge", "purge_waiting")
DUTIES: dict[Role, Duties] = {
    Role.PRODUCER: Duties(
        (*_SUBMITS, "lengths"),
        ("reply:*", "bell:@room:*"),
        listens=True,
        # whoever knows the id of a task may cancel it, so who only submits must not list those in a queue; this is what
        # only shedding needs
        without=(("submit", "lrange"),),
    ),
    Role.WORKER: Duties(
        (
            "turn",
            "submit",
            "beat",
            "register",
            "settle",
            "progress",
            "reap",
            "evict",
            "repair",
            "sweep",
            "stats",
            "check",
            "notice",
            "takeover",
            "card",
            "remember",
            "watch",
            "lengths",
            "ages",
            "cards",
            "inspect",
            *("checkpoint", "recall", "fanout", "graph", "gather", "report", "cancel", "commit", "signal", "hear"),
            *("exchange", "exchanges"),
        ),
        ("bell:*",),
    ),
    Role.SCHEDULER: Duties(
        ("promote", "schedules", "fire", "beat", "reap", "sweep", "remember", "watch"), (f"bell:{SCHEDULER_BELL}",)
    ),
    Role.VIEWER: Duties(_LOOKS, listens=True, plain=("info", "time"), read_only=True),
    Role.OPERATOR: Duties(
        (*_SUBMITS, *_LOOKS, *_STEERS, "sla", *_PURGES, "replay", "discard", *_CHECKS, *_MENDS),
        ("reply:*", "bell:@room:*"),
        listens=True,
        plain=("info", "time"),
    ),
}


@functools.cache
def commands_of(script: Script) -> frozenset[str]:
    """Return the commands that stand in a script, as an ACL names them."""
    found = _CALL.findall(script.source)
    return frozenset(f"{word}|{sub}".lower() if word == "PUBSUB" else word.lower() for word, sub in found)


def families_of(script: Script) -> dict[str, bool]:
    """Return the key families that stand in a script, and whether it may write to them.

    A family is only read if each time it stands in the text it is the key of a command that reads. The channel of the
    events is no family here.
    """
    found: dict[str, bool] = {}
    for command, family in _uses(script):
        found[family] = found.get(family, False) or command not in _READS
    return found


@functools.cache  # several roles call it, and what it overwrites is asked apart
def _uses(script: Script) -> tuple[tuple[str, str], ...]:
    """Return each use of a family in a script, with its command; the command is empty where it is not beside it."""
    text = script.source
    while (spread := _MORE_KEYS.sub(r"\1\2) \1", text)) != text:
        text = spread
    uses = [(command.lower(), _FAMILY_OF[suffix]) for command, suffix in _KEY.findall(text)]
    return tuple((command, family) for command, family in uses if family != "events")


def _overwritten(script: Script) -> set[str]:
    """Return the families that a script may delete, replace or let expire."""
    uses = _uses(script)
    apart = {family for command, family in uses if not command} - _NEVER_OVERWRITTEN
    return apart | {family for command, family in uses if command in _OVERWRITES}


def rules(roles: tuple[Role, ...], keys: Keys, *, preloaded: bool = False) -> list[str]:
    """Return the rules of an ACL user, in the order in which the server has to read them.

    Args:
        roles: one or more; their rights add up.
        keys: the names of the keys of the namespace.
        preloaded: leave ``EVAL`` out; the scripts have to be loaded by somebody else after each start of the server.

    Returns:
        Words for ``ACL SETUSER``, or for a line of an ACL file.
    """
    duties = [DUTIES[role] for role in roles]
    plain = {word for duty in duties for word in duty.plain}
    plain |= {*_CONNECTION, *(() if preloaded else ("eval",)), *(_CLUSTER if keys.hash_tag else ())}
    words = ["resetkeys", "resetchannels", "-@all", *(f"+{word}" for word in sorted(plain))]
    # the one KEY of each script is the root of the namespace, under which nothing is stored
    words.append(f"~{keys.root}")
    if any(duty.listens for duty in duties):
        words += [f"&{keys.key('events')}", "+subscribe", "+unsubscribe"]
    seen: set[str] = set()
    for duty in duties:
        for name in duty.scripts:
            # of a role that may write, what another one only reads is no further right
            words += [word for word in _selectors(SCRIPTS[name], keys, duty) if word not in seen]
            seen.update(words)
    lists = sorted({name for duty in duties for name in duty.blocks_on})
    if lists:
        words.append(f"(+blpop {' '.join(f'~{keys.root}{name}' for name in lists)})")
    if any("ids" in duty.scripts for duty in duties):
        words.append(f"(+zscore +hgetall +hexists %R~{keys.key('scheduled')} %R~{keys.key('meta')})")
    return words


def _selectors(script: Script, keys: Keys, duty: Duties) -> list[str]:
    """Return what a script needs; commands that overwrite stand apart, with the keys that it overwrites."""
    commands = commands_of(script) - {command for name, command in duty.without if name == script.name}
    if duty.read_only:
        commands &= _READS
    words = [f"+{command}" for command in sorted(commands - _OVERWRITES)]
    for family, writes in sorted(families_of(script).items()):
        mode = "~" if writes and not duty.read_only and not script.read_only else "%R~"
        words.append(f"{mode}{_pattern(family, keys)}")
    if "publish" in commands:
        words.append(f"&{keys.key('events')}")
    selectors = [f"({' '.join(words)})"]
    if overwrites := sorted(commands & _OVERWRITES):
        patterns = (f"~{_pattern(family, keys)}" for family in sorted(_overwritten(script)))
        selectors.append(f"({' '.join([*(f'+{command}' for command in overwrites), *patterns])})")
    return selectors


def _pattern(family: str, keys: Keys) -> str:
    return keys.key(family) + ("*" if FAMILIES[family].endswith(":") else "")


def password_hash(password: str) -> str:
    """Return a password as an ACL file may hold it: only its SHA-256."""
    return f"#{hashlib.sha256(password.encode()).hexdigest()}"


def user_line(user: str, roles: tuple[Role, ...], keys: Keys, password: str | None, *, preloaded: bool = False) -> str:
    """Return a line for an ACL file.

    Args:
        user: name of the user.
        roles: as for ``rules``.
        keys: as for ``rules``.
        password: of the user; None: nobody can log in before one is set.
        preloaded: as for ``rules``.
    """
    secret = ["resetpass"] if password is None else ["resetpass", password_hash(password)]
    return " ".join(["user", user, "on", *secret, *rules(roles, keys, preloaded=preloaded)])

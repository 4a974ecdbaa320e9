"""Which commands the scripts and the transports send, so that a user's rights can be tried without sending them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from taskq.protocol.acl import DUTIES, Role
from taskq.protocol.keys import FAMILIES
from taskq.protocol.operations import SCRIPTS
from taskq.states import Durability

PRODUCERS = ("submit", "cancel", "await", "result", "inspect")
WORKERS = ("register", "turn", "settle", "beat", "reap", "evict", "repair", "progress", "promote", "sweep", "remember")

_CALL = re.compile(r"call\('([A-Z]+)'(?:, *'(NUMSUB|NUMPAT)')?(?:, *NS\.\.'([^']*)')?")

# what follows the key, for the number of words to be right
_REST: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("HDEL", "HEXISTS", "HGET", "HMGET", "LINDEX", "LPOS", "LPUSH", "RPUSH", "SADD", "SREM", "SISMEMBER"), ("1",)
    ),
    **dict.fromkeys(
        (
            "SMISMEMBER",
            "ZREM",
            "LPOS",
            "ZSCORE",
            "ZMSCORE",
            "SET",
            "PEXPIRE",
            "PEXPIREAT",
            "PUBLISH",
            "SSCAN",
            "MSET",
            "MSETNX",
        ),
        ("1",),
    ),
    **dict.fromkeys(("HSET", "HSETNX", "HINCRBY", "LRANGE", "LTRIM", "LREM", "GETRANGE", "ZADD", "ZRANGE"), ("1", "1")),
    **dict.fromkeys(("ZREVRANGE", "ZRANGEBYSCORE", "ZREVRANGEBYSCORE"), ("1", "1")),
}
_NO_KEY = ("TIME",)
_TWO_KEYS = {"LMOVE": ("LEFT", "RIGHT"), "SMOVE": ("1",)}


def commands_of(scripts: Iterable[str], root: str) -> set[tuple[str, ...]]:
    """Return an example of each command that some scripts send, with a key of each family that it is used on.

    Args:
        scripts: their names.
        root: of the namespace.
    """
    found: set[tuple[str, ...]] = set()
    for name in scripts:
        script = SCRIPTS[name]
        found |= {("EVALSHA", script.sha, "1", root), ("EVAL", "return 1", "1", root)}
        for command, subcommand, suffix in _CALL.findall(script.source):
            if subcommand:
                found.add((command, subcommand))
            elif suffix or command in ("MGET", "MSET"):
                found.add(_example(command, root, suffix or FAMILIES["task"]))
            elif command in _NO_KEY:
                found.add((command,))
    return found


def _example(command: str, root: str, suffix: str) -> tuple[str, ...]:
    key = f"{root}{suffix}{'x' if suffix.endswith(':') else ''}"
    if command in _TWO_KEYS:
        return command, key, key, *_TWO_KEYS[command]
    return command, key, *_REST.get(command, ())


def producer_commands(root: str, durability: str) -> set[tuple[str, ...]]:
    """Return what a submitter sends: scripts, the wait for results and the wait for durability."""
    wanted = commands_of(PRODUCERS, root)
    without = {command.upper() for _, command in DUTIES[Role.PRODUCER].without}
    wanted = {command for command in wanted if command[0] not in without}
    wanted.add(("BLPOP", f"{root}{FAMILIES['reply']}x", "1"))
    if durability == Durability.REPLICATED:
        wanted.add(("WAIT", "0", "1"))
    if durability == Durability.FSYNC:
        wanted.add(("WAITAOF", "1", "0", "1"))
    return wanted


def worker_commands(root: str) -> set[tuple[str, ...]]:
    """Return what a worker sends: scripts and the wait on the bells."""
    return commands_of(WORKERS, root) | {("BLPOP", f"{root}{FAMILIES['bell']}x", "1")}

"""The pattern of everything that users name: what fits it needs no escaping in a key or in JSON."""

from __future__ import annotations

import os
import re
from functools import lru_cache

from taskq.errors import InvalidTask

MAX_VERSION = 1_000_000
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}\Z")


def check_name(value: object, what: str) -> str:
    """Return ``value`` if it may become a part of a key or stand unescaped in JSON.

    Args:
        value: an id or a name given by a user.
        what: what it is, for the message ("task id", "queue name").

    Raises:
        InvalidTask: if it is no string or does not fit the pattern.
    """
    if isinstance(value, str) and NAME.match(value):
        return value
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
    raise InvalidTask(
        f"{shown} cannot be used as {'an' if what[0] in 'aeio' else 'a'} {what}: use 1 to 128 letters, digits, "
        "'_', '-' or '.', beginning with a letter, a digit or '_'"
    )


def check_keys(**keys: object) -> None:
    """Check the keys of a task, by the names of their fields; None is no key.

    Raises:
        InvalidTask: if one of them is no name.
    """
    for name, key in keys.items():
        if key is not None:
            check_name(key, name.replace("_", " "))


def check_version(value: object) -> int:
    """Return a version of payloads.

    Raises:
        InvalidTask: if it is none.
    """
    if type(value) is not int or not 1 <= value <= MAX_VERSION:
        raise InvalidTask(f"version is {value!r:.60}: use a whole number from 1 to {MAX_VERSION:,}")
    return value


_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def new_id() -> str:
    """Return a random UUID (version 4), at a third of the price of ``str(uuid.uuid4())``."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANTS[digits[16]]}{digits[17:20]}-{digits[20:]}"


# There are few types, and each stands in many tasks.
@lru_cache(maxsize=256)
def checked_type(name: str) -> str:
    """Return a task type, checked.

    Raises:
        InvalidTask: as ``check_name``.
    """
    return check_name(name, "task type")

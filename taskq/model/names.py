"""The pattern of everything that users name: what fits it needs no escaping in a key or in JSON."""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache

from taskq.errors import InvalidTask

MAX_VERSION = 1_000_000
_AT_ONCE = 128
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}\Z")


def in_words(value: object) -> str:
    """Return a value as an error message says it, to whom wrote it in a program or on a command line."""
    if value is None:
        return "not given"
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value!r:.60}"


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


_HEX_DIGITS = [at for at in range(36) if at not in (8, 13, 18, 23)]
_VARIANTS = bytes.maketrans(b"0123456789abcdef", b"89ab" * 4)


def _random_ids(count: int) -> list[str]:
    digits = os.urandom(16 * count).hex().encode()
    text = bytearray(b"00000000-0000-4000-8000-000000000000" * count)
    for n, at in enumerate(_HEX_DIGITS):
        text[at::36] = digits[n::32]
    text[14::36] = b"4" * count
    text[19::36] = text[19::36].translate(_VARIANTS)
    ids = text.decode()
    return [ids[at : at + 36] for at in range(0, len(ids), 36)]


# When ids were made together, and those of them that nobody has yet.
_lot: tuple[float, list[str]] = (0.0, [])


def _forget() -> None:
    global _lot  # noqa: PLW0603 - a child must not give out the ids of its parent
    _lot = (0.0, [])


os.register_at_fork(after_in_child=_forget)


def new_id() -> str:
    """Return a random UUID (version 4), in a burst at a tenth of the price of ``str(uuid.uuid4())``.

    To ask the system for random bytes costs more than all the rest, so a burst asks for those of many ids. They are
    given out within a second: a copy of the whole machine that starts later does not give them out again.
    """
    global _lot  # noqa: PLW0603 - one for the process; replaced as a whole, for other threads
    now = time.time()
    made_at, ids = _lot
    in_burst = 0 <= now - made_at < 1
    if in_burst:
        try:
            return ids.pop()
        except IndexError:
            pass
    ids = _random_ids(_AT_ONCE if in_burst else 1)
    first = ids.pop()
    _lot = (now, ids)
    return first


def plain_type(value: object) -> str:
    """Return a task type, checked; a member of an enum of strings becomes plain text.

    Raises:
        InvalidTask: as ``check_name``.
    """
    return checked_type(str(value) if isinstance(value, str) else check_name(value, "task type"))


# There are few types, and each stands in many tasks.
@lru_cache(maxsize=256)
def checked_type(name: str) -> str:
    """Return a task type that is plain text, checked.

    Raises:
        InvalidTask: as ``check_name``.
    """
    return check_name(name, "task type")

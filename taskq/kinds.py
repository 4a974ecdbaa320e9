"""Kinds of values that a setting can have: how the text is read, and how to say what is accepted."""

from __future__ import annotations

import binascii
import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

SINGLE_SERVER_SCHEMES = ("redis", "rediss")
URL_SCHEMES = (
    *SINGLE_SERVER_SCHEMES,
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)


class Kind(NamedTuple):
    """How the values of a setting are read.

    Attributes:
        accepts: what is accepted, as the end of the sentence "expected ...".
        parse: takes text or a value of the right type, returns the latter; raises ValueError or
            TypeError for anything else.
    """

    accepts: str
    parse: Callable[[Any], Any]


LEAST_TOKEN_CHARS = 16


class Secret(str):
    """Text that must not be seen: it is shown as ``***``, whatever prints it; ``reveal`` returns it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def reveal(self) -> str:
        """Return the text itself."""
        return "".join(self)


KEY_BYTES = 64
_SECONDS_PER_UNIT = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES_PER_UNIT = {"": 1, "b": 1, "k": 2**10, "kb": 2**10, "kib": 2**10, "m": 2**20, "mb": 2**20, "mib": 2**20}
_BYTES_PER_UNIT |= {"g": 2**30, "gb": 2**30, "gib": 2**30}
_NO_VALUE = ("none", "never", "0")
_HUNDRED_YEARS_SECONDS = 100 * 365 * 86400.0
_SWITCH_WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _quantity(value: Any, units: Mapping[str, float]) -> float:
    if isinstance(value, bool):
        raise TypeError("a number is wanted")
    if isinstance(value, int | float):
        return float(value)
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", str(value))
    if match is None:
        raise ValueError("not a number with a unit")
    factor = units.get(match[2].lower())
    if factor is None:
        raise ValueError("unknown unit")
    return float(match[1]) * factor


def _within(number: float, low: float, high: float) -> float:
    if not low <= number <= high:
        raise ValueError("out of range")
    return number


def whole(low: int, high: int | None = None) -> Kind:
    """Return the kind of whole numbers from ``low`` to ``high``, both included."""

    def parse(value: Any) -> int:
        if isinstance(value, float | bool):
            raise TypeError("a whole number is wanted")
        return int(_within(int(value), low, math.inf if high is None else high))

    return Kind(f"a whole number, at least {low}" if high is None else f"a whole number from {low} to {high}", parse)


def seconds(low: float = 0.001) -> Kind:
    """Return the kind of durations of at least ``low`` seconds; the value is a float of seconds."""

    def parse(value: Any) -> float:
        return _within(_quantity(value, _SECONDS_PER_UNIT), low, _HUNDRED_YEARS_SECONDS)

    return Kind(f"a number of seconds, at least {low:g}, or one with a unit such as 500ms, 30s, 5m, 2h, 14d", parse)


def optional(kind: Kind) -> Kind:
    """Return the kind that accepts None, ``none``, ``never`` and ``0`` for no value beside what ``kind`` accepts."""

    def parse(value: Any) -> Any:
        return None if value is None or value == 0 or str(value).strip().lower() in _NO_VALUE else kind.parse(value)

    return Kind(f"{kind.accepts}, or none", parse)


def size(low: int, high: int) -> Kind:
    """Return the kind of sizes from ``low`` to ``high`` bytes; the value is an int of bytes."""

    def parse(value: Any) -> int:
        return int(_within(_quantity(value, _BYTES_PER_UNIT), low, high))

    return Kind(
        f"a number of bytes from {low} to {high}, or one with a unit such as 512KB or 1MB (1MB = 1048576)", parse
    )


def choice(*words: str, fold: Callable[[str], str] = str.lower) -> Kind:
    """Return the kind that accepts only ``words``; ``fold`` brings the text to their case."""

    def parse(value: Any) -> str:
        return words[words.index(fold(str(value).strip()))]

    return Kind(f"one of {', '.join(words)}", parse)


def matching(pattern: str, accepts: str) -> Kind:
    """Return the kind of texts that match the whole ``pattern``; ``accepts`` says so in words."""

    def parse(value: Any) -> str:
        text = str(value).strip()
        if re.fullmatch(pattern, text) is None:
            raise ValueError("does not match")
        return text

    return Kind(accepts, parse)


def split_keys(text: str) -> Secret:
    """Return keys with commas between them; they are given with commas, spaces or lines, ``#`` begins a remark.

    Raises:
        ValueError: if there is none, one of them is no key, or one is there twice. No message shows a key.
    """
    bare = text.reveal() if isinstance(text, Secret) else text
    words = re.split(r"[\s,]+", re.sub(r"#[^\n]*", "", bare).strip(" \t\r\n,"))
    for number, word in enumerate(words, start=1):
        try:
            size = len(urlsafe_b64decode(word + "=" * (-len(word) % 4))) if re.fullmatch(r"[\w-]+=*", word) else 0
        except binascii.Error:
            size = 0
        if size != KEY_BYTES:
            raise ValueError(f"key {number} of {len(words)} is not {KEY_BYTES} bytes in base64 for URLs")
    keys = [word.rstrip("=") for word in words]
    if len(set(keys)) < len(keys):
        raise ValueError("a key is there twice")
    return Secret(",".join(keys))


def _parse_switch(value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in _SWITCH_WORDS:
        raise ValueError("neither on nor off")
    return _SWITCH_WORDS[word]


def _parse_path(value: Any) -> Path:
    if not str(value).strip():
        raise ValueError("empty")
    return Path(str(value).strip()).expanduser().absolute()


def _check_single_server(parts: SplitResult) -> None:
    # `port` raises ValueError for what is no number: often the rest of a password with a raw "/" in it.
    if not parts.hostname or parts.port == 0 or re.fullmatch(r"(?:/\d*)?", parts.path) is None:
        raise ValueError("not an address")


def _parse_url(value: Any) -> str:
    url = str(value).strip()
    parts = urlsplit(url)
    if parts.scheme not in URL_SCHEMES:
        raise ValueError("unknown scheme")
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("no path")
    elif not parts.netloc.rpartition("@")[2]:
        raise ValueError("no host")
    elif parts.scheme in SINGLE_SERVER_SCHEMES:
        _check_single_server(parts)
    return url


def _parse_token(value: Any) -> Secret:
    token = value.reveal() if isinstance(value, Secret) else str(value).strip()
    if len(token) < LEAST_TOKEN_CHARS:
        raise ValueError("too short")
    return Secret(token)


SWITCH = Kind("1, true, yes or on; 0, false, no or off", _parse_switch)
PATH = Kind("a path", _parse_path)
TEXT = Kind("any text", str)
PORT = whole(1, 65535)
TOKEN = Kind(
    f"at least {LEAST_TOKEN_CHARS} characters that nobody guesses; such a token is made by: "
    "python -c 'import secrets; print(secrets.token_urlsafe(24))'",
    _parse_token,
)
KEYS = Kind(
    f"keys of {KEY_BYTES} random bytes in base64 for URLs with commas between them, the newest first; one is made by: "
    "python -c 'import secrets; print(secrets.token_urlsafe(64))'",
    split_keys,
)
URL = Kind(
    f"a URL such as redis://user:password@host:6379/0 with one of the schemes {', '.join(URL_SCHEMES)}; "
    "characters such as @ / ? # in a password are percent-encoded",
    _parse_url,
)

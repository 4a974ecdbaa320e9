"""JSON in and out, with the guards that a queue needs: size, depth, NaN, types that JSON does not have."""

from __future__ import annotations

import json
import math
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import accumulate
from time import monotonic
from typing import Any

from taskq.errors import CorruptTask, InvalidTask

# what Python hashes with where there is no OpenSSL: the first from 3.12 on, the second before
try:
    from _sha2 import sha256 as _sha256_after_a_pause  # type: ignore[import-not-found]  # it has no stubs
except ImportError:
    try:
        from _sha256 import sha256 as _sha256_after_a_pause  # type: ignore[import-not-found]  # it has no stubs
    except ImportError:
        _sha256_after_a_pause = sha256

# Lists and dicts inside one another. Python's own limit depends on its version, on who calls, and on a setting that
# users raise; so it would accept a task here that the worker cannot read.
MAX_DEPTH = 200
# A text needs as many characters to be nested more deeply.
_SHALLOW_CHARS = 2 * MAX_DEPTH


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_make_encoder: Any = getattr(json.encoder, "c_make_encoder", None)


def _to_chunks() -> Callable[[Any, int], Sequence[str]]:
    """Return what makes the parts of the text that ``_encoder`` would make: the C encoder, if there is one, which is
    made once instead of once a call.

    It does not look for cycles: they end in a ``RecursionError``.
    """
    if _make_encoder is None:
        return lambda value, _: (_encoder.encode(value),)
    chunks: Callable[[Any, int], Sequence[str]] = _make_encoder(
        None, _encoder.default, encode_string, None, ":", ",", False, False, False
    )
    return chunks


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]  # its stub leaves it out


encode_string = json.encoder.encode_basestring
_chunks = _to_chunks()


def encode(value: Any, what: str) -> str:
    """Return ``value`` as compact JSON.

    Args:
        value: anything that JSON can say.
        what: what it is, for the message ("payload", "result").

    Raises:
        InvalidTask: if it holds NaN, a cycle, too deep a nesting or a type that JSON does not have.
    """
    try:
        text = "".join(_chunks(value, 0))
        if not text.isascii():
            text.encode("utf-8")
    except RecursionError as error:
        raise InvalidTask(_why_not(value, what, _cycle_in(value) or error)) from None
    except (TypeError, ValueError, UnicodeEncodeError) as error:
        raise InvalidTask(_why_not(value, what, error)) from None
    if len(text) > _SHALLOW_CHARS and too_deep(text):
        raise InvalidTask(f"the {what} is not JSON: it is nested too deeply, more than {MAX_DEPTH} levels")
    return text


def encode_each(values: Sequence[Any], what: str) -> list[str]:
    """Return each of many values as compact JSON, as ``encode`` does.

    Raises:
        InvalidTask: as ``encode``.
    """
    try:
        texts = ["".join(_chunks(value, 0)) for value in values]
        if all(map(str.isascii, texts)) and max(map(len, texts), default=0) <= _SHALLOW_CHARS:
            return texts
    except (RecursionError, TypeError, ValueError):
        pass  # the closer look tells which, and why
    return [encode(value, what) for value in values]


def _cycle_in(value: Any) -> ValueError | None:
    try:
        _encoder.encode(value)
    except ValueError as error:
        return error
    except RecursionError:
        return None
    return None


def too_deep(text: str) -> bool:
    """Return whether a JSON text has more than ``MAX_DEPTH`` lists and dicts inside one another.

    Nearly every text is too short for it, or has too few brackets. The rest is stripped of its strings and counted up
    and down, without a loop in Python over its characters.
    """
    if len(text) <= _SHALLOW_CHARS or text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    bare = "".join(text.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    steps = bare.encode("ascii", "replace").translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > MAX_DEPTH


# as signed bytes: one up, one down
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _why_not(value: Any, what: str, error: Exception) -> str:
    place = _find_offender(value, what)
    if place is None:
        cause = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        return f"the {what} is not JSON: {cause}"
    path, offender = place
    return (
        f"the {what} is not JSON: {path} is {offender}; send numbers, strings, booleans, None, lists and dicts, "
        "for example a datetime as .isoformat() and bytes as base64"
    )


def _find_offender(value: Any, path: str, depth: int = 0) -> tuple[str, str] | None:
    """Return path and description of the first part that JSON cannot say."""
    if depth > 50:
        return None
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str | int | float | bool | None):
                return f"{path} key {key!r:.60}", f"a {type(key).__name__}"
            if found := _find_offender(item, f"{path}[{key!r}]", depth + 1):
                return found
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if found := _find_offender(item, f"{path}[{index}]", depth + 1):
                return found
    elif isinstance(value, float) and not math.isfinite(value):
        return path, str(value)
    elif not isinstance(value, str | int | float | bool | None):
        return path, f"a {type(value).__name__}"
    return None


def decode(text: str | bytes, what: str) -> Any:
    """Return the value that a JSON text stands for.

    Raises:
        CorruptTask: if it is no valid JSON, too deep, or has a number too long to be read.
    """
    try:
        plain = text if isinstance(text, str) else text.decode("utf-8")
        if len(plain) > _SHALLOW_CHARS and too_deep(plain):
            raise ValueError(f"it is nested too deeply, more than {MAX_DEPTH} levels")
        try:
            value, end = _scan(plain, 0)
        except StopIteration:
            end = -1
        # it looks for white space on both sides first, and nearly always there is none
        return value if end == len(plain) else _decoder.decode(plain)
    except (ValueError, RecursionError) as error:
        raise CorruptTask(f"the stored {what} cannot be read as JSON: {str(error)[:200]}") from None


def decode_at(text: str, start: int, what: str) -> tuple[Any, int]:
    """Return the JSON value that begins at ``start`` and the index just behind it.

    Raises:
        CorruptTask: as ``decode``.
    """
    try:
        if too_deep(text):
            raise ValueError(f"it is nested too deeply, more than {MAX_DEPTH} levels")
        return _decoder.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise CorruptTask(f"the stored {what} cannot be read as JSON: {str(error)[:200]}") from None


# OpenSSL looks the algorithm up each time. In a burst that takes no time, and it is the faster one; after milliseconds
# of other programs it takes 20 µs, for a submit and again for the run, and somebody waits.
_BURST_SECONDS = 0.001
_SMALL_BYTES = 512
_hashed_at = 0.0


def checksum(payload_json: str) -> str:
    """Return the checksum of a payload as it stands in the envelope: the first 128 bits of its SHA-256, in base64
    without padding.

    It finds damage, not forgery; with all 256 bits a task of common size needs the next larger block of memory.
    """
    global _hashed_at  # noqa: PLW0603 - a guess; whichever of two threads it is of
    data, now = payload_json.encode(), monotonic()
    paused = now - _hashed_at > _BURST_SECONDS and len(data) <= _SMALL_BYTES
    _hashed_at = now
    made = _sha256_after_a_pause(data) if paused else sha256(data)
    return b2a_base64(made.digest()[:16]).decode()[:22]


def checksums(payloads: Sequence[str]) -> list[str]:
    """Return the checksum of each of many payloads, as ``checksum`` does, for two thirds of the price."""
    # 16 bytes and two of nothing are 24 characters, of which the first 22 say all, so one call writes all of them
    digests = b"".join([sha256(payload.encode()).digest()[:16] + b"\0\0" for payload in payloads])
    text = b2a_base64(digests).decode()
    return [text[at : at + 22] for at in range(0, 24 * len(payloads), 24)]

"""The protocol between driver and adapters: one JSON object a line, one answer per request. Standard library only.

Request ``{"do": verb, ...arguments}``; answer ``{"ok": value}`` or ``{"error": text}``. The first line of an
adapter, before any request, is an answer too: its value names the versions in use.
"""

from __future__ import annotations

import json
from typing import Any


class AdapterError(Exception):
    """An adapter said that it failed, ended, or did not speak the protocol."""


def request(verb: str, arguments: dict[str, Any]) -> bytes:
    """Return the line that asks for a verb.

    Args:
        verb: such as ``submit``.
        arguments: of the verb, as JSON can say them.
    """
    return json.dumps({**arguments, "do": verb}).encode() + b"\n"


def read_request(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return verb and arguments of a line.

    Raises:
        AdapterError: if it is not a request.
    """
    message = _read(line)
    verb = message.pop("do", None)
    if not isinstance(verb, str):
        raise AdapterError(f"a request names its verb in 'do', this one does not: {line!r}")
    return verb, message


def answer(value: Any) -> bytes:
    """Return the line that answers with a value."""
    return json.dumps({"ok": value}).encode() + b"\n"


def failure(error: BaseException) -> bytes:
    """Return the line that says what went wrong."""
    return json.dumps({"error": f"{type(error).__name__}: {error}"[:500]}).encode() + b"\n"


def read_answer(line: bytes) -> Any:
    """Return the value of an answer.

    Raises:
        AdapterError: if it says that something failed, or is no answer.
    """
    message = _read(line)
    if "error" in message:
        raise AdapterError(str(message["error"]))
    if "ok" not in message:
        raise AdapterError(f"neither 'ok' nor 'error' in an answer: {line!r}")
    return message["ok"]


def _read(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise AdapterError(
            f"the other side ended in the middle of a line: {line!r}" if line else "the adapter has ended"
        )
    try:
        message = json.loads(line)
    except ValueError as error:
        raise AdapterError(f"no JSON: {line!r}") from error
    if not isinstance(message, dict):
        raise AdapterError(f"no JSON object: {line!r}")
    return message

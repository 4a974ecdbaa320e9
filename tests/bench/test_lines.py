"""The protocol between driver and adapters."""

from __future__ import annotations

import pytest

from bench.compare.lines import AdapterError, answer, failure, read_answer, read_request, request


def test_a_request_arrives_as_it_was_sent() -> None:
    line = request("submit", {"first": 7, "kind": "noop", "seconds": 0.5})
    assert line.count(b"\n") == 1
    assert read_request(line) == ("submit", {"first": 7, "kind": "noop", "seconds": 0.5})


@pytest.mark.parametrize("value", [None, 3, [1, 2], {"rate": 1.5}, "two\nlines"])
def test_an_answer_is_one_line_and_arrives_as_it_was_sent(value: object) -> None:
    line = answer(value)
    assert line.count(b"\n") == 1
    assert read_answer(line) == value


def test_an_error_of_a_peer_is_raised_with_its_name_and_text() -> None:
    with pytest.raises(AdapterError, match="KeyError: 'x'"):
        read_answer(failure(KeyError("x")))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "has ended"),
        (b'{"ok"', "middle of a line"),
        (b"Traceback (most recent call last)\n", "no JSON"),
        (b"[1]\n", "no JSON object"),
        (b"{}\n", "neither"),
    ],
)
def test_what_is_no_answer_is_refused(line: bytes, why: str) -> None:
    with pytest.raises(AdapterError, match=why):
        read_answer(line)


def test_a_request_without_a_verb_is_refused() -> None:
    with pytest.raises(AdapterError, match="names its verb"):
        read_request(b'{"first": 1}\n')

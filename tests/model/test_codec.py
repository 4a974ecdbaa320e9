"""JSON in and out, and what is refused on the way."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import CorruptTask, InvalidTask
from taskq.model import codec
from taskq.model.codec import (
    MAX_DEPTH,
    checksum,
    checksums,
    decode,
    decode_at,
    encode,
    encode_each,
    encode_string,
    too_deep,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


@given(JSON.filter(encodable))
def test_what_json_can_say_comes_back(value: Any) -> None:
    assert decode(encode(value, "payload"), "payload") == value
    assert decode(encode(value, "payload").encode(), "payload") == value


@given(st.lists(JSON.filter(encodable), max_size=4))
def test_many_are_encoded_as_each_of_them(values: list[Any]) -> None:
    texts = [encode(value, "payload") for value in values]
    assert encode_each(values, "payload") == texts
    assert checksums(texts) == [checksum(text) for text in texts]


@pytest.mark.parametrize("value", ["\ud800", [[]], math.nan, {1, 2}])
def test_one_of_many_that_cannot_be_encoded(value: Any) -> None:
    deep = value == [[]]
    value = nested(MAX_DEPTH + 1) if deep else value
    with pytest.raises(InvalidTask, match="nested too deeply" if deep else "the payload is not JSON"):
        encode_each([1, value], "payload")


@given(JSON.filter(encodable), st.text(max_size=5))
def test_a_value_inside_a_text_is_found_with_its_end(value: Any, rest: str) -> None:
    text = f"##{encode(value, 'payload')}"
    assert decode_at(f"{text},{rest}", 2, "payload") == (value, len(text))


def test_compact_and_readable() -> None:
    assert encode({"a": [1, "Grüße"]}, "payload") == '{"a":[1,"Grüße"]}'
    assert encode_string('a"b\n') == '"a\\"b\\n"'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), r"payload is nan; send numbers"),
        ({"a": [0, math.inf]}, r"payload\['a'\]\[1\] is inf"),
        ({"when": datetime(2026, 1, 1, tzinfo=UTC)}, r"payload\['when'\] is a datetime; .*as \.isoformat\(\)"),
        ([b"x"], r"payload\[0\] is a bytes; .*base64"),
        ({"a": {1, 2}}, r"payload\['a'\] is a set"),
        ({(1, 2): 3}, r"payload key \(1, 2\) is a tuple"),
        ({"a": object()}, r"payload\['a'\] is a object"),
        ("\ud800", "surrogates not allowed"),
    ],
)
def test_what_json_cannot_say_is_named_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(InvalidTask, match=rf"the payload is not JSON: .*{message}"):
        encode(value, "payload")


def test_a_cycle() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidTask, match="the payload is not JSON"):
        encode(loop, "payload")


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_too_deep_a_nesting() -> None:
    with pytest.raises(InvalidTask, match="nested too deeply"):
        encode(nested(200_000), "payload")
    with pytest.raises(CorruptTask, match="the stored payload cannot be read"):
        decode("[" * 200_000, "payload")
    with pytest.raises(CorruptTask):
        decode_at("[" * 200_000, 0, "payload")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_the_depth_that_is_allowed(opening: str, closing: str) -> None:
    deepest = f"{opening * MAX_DEPTH}1{closing * MAX_DEPTH}"
    assert encode(decode(deepest, "payload"), "payload") == deepest
    assert decode_at(deepest, 0, "payload")[1] == len(deepest)
    deeper = f"{opening}{deepest}{closing}"
    for read in (decode, lambda text, what: decode_at(text, 0, what)):
        with pytest.raises(CorruptTask, match="nested too deeply, more than 200 levels"):
            read(deeper, "payload")
    with pytest.raises(InvalidTask, match="nested too deeply, more than 200 levels"):
        encode(json.loads(deeper), "payload")


@given(JSON.filter(encodable))
def test_width_is_no_depth(value: Any) -> None:
    text = json.dumps([value, "[" * 500, '"{\\', {'"]': "\\"}] * 100, ensure_ascii=False)
    assert not too_deep(text)


def test_the_depth_is_pythons_own_count() -> None:
    for text, levels in (("[]" * 300, 1), ("[" * 300, 300), ('["[[[\\"[[["]' + "[" * 199, 199), ("[[]]" * 200, 2)):
        assert too_deep(f"{text}{' ' * 500}") is (levels > MAX_DEPTH)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}'])
def test_constants_that_are_no_json(text: str) -> None:
    with pytest.raises(CorruptTask, match="is no JSON"):
        decode(text, "payload")
    with pytest.raises(CorruptTask, match="is no JSON"):
        decode_at(text, 0, "payload")


def test_an_integer_too_long_to_be_read() -> None:
    with pytest.raises(InvalidTask):
        encode(10**5000, "payload")
    with pytest.raises(CorruptTask, match="the stored payload cannot be read as JSON"):
        decode("9" * 5000, "payload")


def test_white_space_around_is_no_matter() -> None:
    assert decode(b' \n{"a": [1]}\t ', "envelope") == {"a": [1]}


@pytest.mark.parametrize("text", ["", "{", "nonsense", b"\xff", "[1] 2", "{'a': 1}"])
def test_what_is_no_json(text: str | bytes) -> None:
    with pytest.raises(CorruptTask, match="the stored envelope cannot be read as JSON"):
        decode(text, "envelope")


def test_the_message_does_not_repeat_a_large_text() -> None:
    with pytest.raises(CorruptTask) as caught:
        decode("x" * 100_000, "envelope")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["", "1", "x" * 511, "ä" * 256, "ä" * 257, "x" * 5000], ids=len)
@pytest.mark.parametrize("last", [-math.inf, math.inf], ids=["after a pause", "in a burst"])
def test_a_checksum_is_the_same_after_a_pause(monkeypatch: pytest.MonkeyPatch, text: str, last: float) -> None:
    monkeypatch.setattr(codec, "_hashed_at", last)
    assert checksum(text) == base64.b64encode(hashlib.sha256(text.encode()).digest()[:16]).decode().rstrip("=")

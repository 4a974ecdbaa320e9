"""Plain data is read out of pickles; nothing else is, and nothing is ever called."""

from __future__ import annotations

import contextlib
import datetime
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.migrate.plain import NotPlain, read_plain

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_PLAIN = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def as_json(value: Any) -> Any:
    """The value with lists for tuples, and nothing in it twice."""
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    return {key: as_json(inner) for key, inner in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@given(value=_PLAIN)
def test_plain_data_comes_out_as_it_went_in(protocol: int, value: Any) -> None:
    assert as_json(read_plain(pickle.dumps(as_json(value), protocol))) == as_json(value)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_every_protocol(protocol: int) -> None:
    value = ("shop.add", None, (1, -5, 2**80, 1.5, "ü"), {"b": [True, False, None, (), [], {}]})
    assert read_plain(pickle.dumps(value, protocol)) == value


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_nothing_is_called(protocol: int, tmp_path: Path) -> None:
    data = pickle.dumps(["a", {"b": Evil(tmp_path / "made")}], protocol)
    with pytest.raises(NotPlain, match="holds an object"):
        read_plain(data)
    assert list(tmp_path.iterdir()) == []
    pickle.loads(data)
    assert list(tmp_path.iterdir()) != [], "the pickle has to be a live one"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (datetime.date(2020, 1, 1), "datetime.date"),
        (OrderedDict(a=1), "collections.OrderedDict"),
        (b"raw", "bytes|_codecs.encode"),
        (bytearray(b"raw"), "BYTEARRAY|bytes|object"),
        ({1, 2}, "SET|object"),
        ({1: 2}, "keys that are no text"),
        ([[1]] * 2, "twice"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_json_cannot_say_is_refused(value: Any, reason: str, protocol: int) -> None:
    with pytest.raises(NotPlain, match=reason):
        read_plain(pickle.dumps(value, protocol))


def test_a_small_pickle_does_not_become_a_large_value() -> None:
    bomb: list[Any] = []
    for _ in range(40):
        bomb = [bomb, bomb]
    with pytest.raises(NotPlain, match="twice"):
        read_plain(pickle.dumps(bomb))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for candidate in (data, b"\x80\x04" + data + b"."):
        with contextlib.suppress(NotPlain):
            read_plain(candidate)

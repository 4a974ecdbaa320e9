"""Kinds of values: what each accepts, and what it makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from taskq import kinds

INF, NAN = float("inf"), float("nan")

ACCEPTED: list[tuple[kinds.Kind, Any, Any]] = [
    (kinds.whole(1, 9), " 9 ", 9),
    (kinds.whole(0), "123456789012", 123_456_789_012),
    (kinds.seconds(), "0.001", 0.001),
    (kinds.seconds(), ".5", 0.5),
    (kinds.seconds(), 3, 3.0),
    (kinds.seconds(), "250ms", 0.25),
    (kinds.seconds(), "30 s", 30.0),
    (kinds.seconds(), "2M", 120.0),
    (kinds.seconds(), "1.5h", 5400.0),
    (kinds.seconds(), "14d", 1_209_600.0),
    (kinds.optional(kinds.seconds()), "none", None),
    (kinds.optional(kinds.seconds()), " Never", None),
    (kinds.optional(kinds.seconds()), "0", None),
    (kinds.optional(kinds.seconds()), 0.0, None),
    (kinds.optional(kinds.seconds()), None, None),
    (kinds.optional(kinds.seconds()), "5", 5.0),
    (kinds.size(1, 2**20), "1048576", 1_048_576),
    (kinds.size(1, 2**20), "1MB", 1_048_576),
    (kinds.size(1, 2**20), "1 mb", 1_048_576),
    (kinds.size(1, 2**20), "0.5MiB", 524_288),
    (kinds.size(1, 2**20), "64k", 65_536),
    (kinds.size(1, 2**20), "9b", 9),
    (kinds.choice("Ab", fold=str.title), "aB", "Ab"),
    (kinds.matching("[a-z]+", "letters"), " abc ", "abc"),
    (kinds.SWITCH, "Yes", True),
    (kinds.SWITCH, "off", False),
    (kinds.SWITCH, True, True),
    (kinds.SWITCH, 0, False),
    (kinds.PATH, "/a b/c", Path("/a b/c")),
    (kinds.PATH, Path("/a"), Path("/a")),
    (kinds.PORT, "65535", 65_535),
    *(
        (kinds.URL, url, url)
        for url in (
            "redis://localhost",
            "redis://me:p%40w@[::1]:6379/0?protocol=3",
            "rediss://example.org:6380/",
            "unix:///var/run/redis/redis.sock",
            "unix://:pw@/run/redis.sock?db=1",
            "redis+sentinel://a:26379,b:26379/mymaster/0?sentinel_password=x",
            "redis+cluster://a:7000,b:7001",
        )
    ),
]

REFUSED: list[tuple[kinds.Kind, Any]] = [
    *((kinds.whole(1, 9), value) for value in ("0", "10", "1.5", "", "x", True, 2.0, NAN, INF, None)),
    *(
        (kinds.seconds(), value)
        for value in ("0", "-1", "nan", "inf", "1e3", "5 parsecs", "", True, NAN, INF, -1, None)
    ),
    *((kinds.optional(kinds.seconds()), value) for value in ("soon", "-1", "")),
    *((kinds.size(2, 2**20), value) for value in ("1", "2MB", "1TB", "many", "")),
    *((kinds.choice("a", "b"), value) for value in ("c", "", None)),
    *((kinds.matching("[a-z]+", "letters"), value) for value in ("a1", "a\nb", "")),
    *((kinds.SWITCH, value) for value in ("perhaps", "", 2)),
    *((kinds.PATH, value) for value in ("", "  ")),
    *((kinds.PORT, value) for value in ("0", "65536")),
    *(
        (kinds.URL, url)
        for url in (
            "",
            "localhost:6379",
            "http://localhost",
            "redis://",
            "redis://:6379",
            "redis://user:pw@",
            "redis://host:port/0",
            "redis://host:0",
            "redis://host/orders",
            "redis://:pass/word@host",
            "redis://:pass?word@host",
            "redis+sentinel:///primary",
            "unix://",
        )
    ),
]


@pytest.mark.parametrize(("kind", "given", "value"), ACCEPTED, ids=lambda part: repr(part)[:40])
def test_accepted(kind: kinds.Kind, given: Any, value: Any) -> None:
    parsed = kind.parse(given)
    assert parsed == value
    assert type(parsed) is type(value)
    assert kind.parse(parsed) == value, "a value of the right type is accepted again"


@pytest.mark.parametrize(("kind", "given"), REFUSED, ids=lambda part: repr(part)[:40])
def test_refused(kind: kinds.Kind, given: Any) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        kind.parse(given)

"""What people read: tables, ages, and text that cannot steer their terminal."""

from __future__ import annotations

import pytest

from taskq.cli.output import duration_text, error_line, plural, printable, size_text, table

TRACEBACK = """Traceback (most recent call last):
  File "a.py", line 1, in f
    raise KeyError("x")
  File "b.py", line 2, in g
    first()
pkg.BadInput: two lines:
  of detail
(no retry left)"""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0004, "0.4 ms"),
        (0.25, "250 ms"),
        (3.21, "3.2 s"),
        (59.97, "1m"),
        (303, "5m 3s"),
        (7_260, "2h 1m"),
        (2 * 86_400 + 4 * 3_600 + 59, "2d 4h"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(512, "512 B"), (1536, "1.5 KB"), (3 * 2**40, "3.0 TB")])
def test_size(size: int, text: str) -> None:
    assert size_text(size) == text


def test_plural() -> None:
    assert [plural(1, "task"), plural(2000, "task")] == ["1 task", "2,000 tasks"]


def test_table_aligns_and_cuts_nothing() -> None:
    long_id = "x" * 128
    assert table(("ID", "N"), [(long_id, 1), (None, 12_345)], right=("N",)).splitlines() == [
        f"{'ID':128}       N",
        f"{long_id}       1",
        f"{'-':128}  12,345",
    ]


@pytest.mark.parametrize("steering", ["\x1b[31m", "\x9b2J", "\x07", "\u202e", "\ud800"])
def test_untrusted_text_cannot_steer_a_terminal(steering: str) -> None:
    shown = printable(f"a{steering}b\n\tc")
    assert shown.startswith("a\\")
    assert shown.endswith("b\n\tc")
    assert not set("\x1b\x9b\x07\u202e\ud800") & set(shown)


def test_the_line_of_a_traceback_that_names_the_error() -> None:
    assert error_line(TRACEBACK) == "pkg.BadInput: two lines:"
    assert error_line("poison: 3 workers died\nmore") == "poison: 3 workers died"
    assert error_line(None) == ""
    assert error_line("y" * 100) == "y" * 57 + "..."

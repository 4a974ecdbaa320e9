"""Users' type checkers see what tasks take and return. mypy runs here, pyright in ``make release-check``."""

from __future__ import annotations

from tests.typing.checker import ERROR, differences, expected, said_by_mypy


def test_mypy_sees_arguments_and_results() -> None:
    wanted = expected()
    assert sum(kind == ERROR for kind in wanted.values()) > 15
    assert len(wanted) > 40
    assert differences(wanted, said_by_mypy()) == []


def test_the_comparison_itself() -> None:
    wanted = expected()
    line = next(number for number, kind in wanted.items() if kind == ERROR)
    assert len(differences(wanted, {**wanted, line: "int"})) == 1
    assert len(differences(wanted, {number: kind for number, kind in wanted.items() if number != line})) == 1

from __future__ import annotations

import pytest

from taskq.errors import InvalidTask
from taskq.model.names import check_name


@pytest.mark.parametrize("name", ["a", "A-1", "_x", "mail.send", "x" * 128, "0", "a..b"])
def test_good_names(name: str) -> None:
    assert check_name(name, "queue name") == name


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:b", "-a", ".a", "ä", "a\n", "a\x00", 'a"b', "a{b}", "a*", "x" * 129, None, 5, b"a"]
)
def test_names_that_could_break_a_key_or_json(name: object) -> None:
    with pytest.raises(InvalidTask, match=r"cannot be used as a queue name: use 1 to 128 letters, digits"):
        check_name(name, "queue name")


def test_a_long_name_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidTask) as caught:
        check_name("x" * 10_000 + " ", "task id")
    assert len(str(caught.value)) < 250

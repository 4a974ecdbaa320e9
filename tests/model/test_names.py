from __future__ import annotations

import os
import time
import uuid

import pytest

from taskq.errors import InvalidTask
from taskq.model import names
from taskq.model.names import check_name, new_id


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


def test_made_up_ids_are_random_uuids() -> None:
    made = [new_id() for _ in range(2000)]
    assert len(set(made)) == 2000
    for text in made:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)
    # each digit that may differ does
    assert [len(set(column)) for column in zip(*made, strict=True)] == [
        {8: 1, 13: 1, 14: 1, 18: 1, 19: 4, 23: 1}.get(at, 16) for at in range(36)
    ]


def test_a_child_gives_out_no_id_of_its_parent() -> None:
    for _ in range(3):
        new_id()  # a burst, so that there are some to give out
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, " ".join(new_id() for _ in range(300)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        theirs = set(pipe.read().split())
    assert os.waitpid(child, 0)[1] == 0
    assert len(theirs) == 300
    assert not theirs & {new_id() for _ in range(300)}


@pytest.mark.parametrize("seconds", [1.0, 3600.0, -1.0])
def test_a_copy_of_the_machine_gives_out_no_id_of_the_first(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made before the copy was taken is left there, once its clock says so."""
    for _ in range(3):
        new_id()
    copied = set(names._lot[1])
    assert copied
    later = time.time() + seconds
    monkeypatch.setattr("taskq.model.names.time.time", lambda: later)
    assert not copied & {new_id() for _ in range(300)}

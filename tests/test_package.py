"""The description on a package index: the README, with links that hold there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import setup

README = (Path(setup.__file__).parent / "README.md").read_text(encoding="utf-8")
SOURCE = "https://source.example/taskq"


def targets(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", text)


def test_links_lead_to_the_version_they_came_with() -> None:
    text = setup.described(README, f"{SOURCE}/", "1.2.3")
    assert len(targets(text)) == len(targets(README)) > 50
    assert [target for target in targets(text) if "://" not in target] == []
    assert f"]({SOURCE}/blob/v1.2.3/docs/tutorial.md)" in text
    assert f"]({SOURCE}/raw/v1.2.3/docs/images/session.svg)" in text, "a picture has to be the file itself"


def test_without_an_address_links_are_words_and_pictures_are_left_out() -> None:
    text = setup.described(README, "", "1.2.3")
    assert targets(text) == []
    assert "Tutorial · Releases and deprecations" in text
    assert "docs/images" not in text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("[a](https://elsewhere.example/x)", "[a](https://elsewhere.example/x)"),
        ("[a](#limits)", f"[a]({SOURCE}/blob/v1/README.md#limits)"),
        ("[a](docs/x.md#y)", f"[a]({SOURCE}/blob/v1/docs/x.md#y)"),
    ],
)
def test_each_kind_of_link(given: str, expected: str) -> None:
    assert setup.described(given, SOURCE, "1") == expected


def test_the_package_is_described() -> None:
    assert setup.description().startswith("# taskq\n")

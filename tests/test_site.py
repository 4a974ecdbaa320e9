"""The pages of the site as they are assembled: every link leads somewhere, every page has its place.

mkdocs itself, with the reference from docstrings, runs in ``make docs``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import taskq
from scripts import docs_site
from taskq.protocol.operations import SCRIPTS

CONFIG = (docs_site.ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Path in the site -> text, of every page."""
    folder = tmp_path_factory.mktemp("site") / "docs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(docs_site, "PAGES", folder)
        docs_site.assemble()
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*.md")}


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_every_link_leads_to_a_page(pages: dict[str, str]) -> None:
    anchors = {name: {slug(found) for found in re.findall(r"^#+ (.+)$", text, re.M)} for name, text in pages.items()}
    broken, checked = [], 0
    for name, text in pages.items():
        for target in re.findall(
            r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)
        ):
            if "://" in target:
                continue
            to, _, anchor = target.partition("#")
            linked = (Path("/") / Path(name).parent / to).resolve().relative_to("/").as_posix() if to else name
            checked += 1
            if linked not in pages or (anchor and anchor not in anchors[linked]):
                broken.append(f"{name}: {target}")
    assert broken == []
    assert checked > 150


def test_every_page_has_its_place(pages: dict[str, str]) -> None:
    nav = set(re.findall(r": ([\w./-]+\.md)$", CONFIG, re.MULTILINE))
    assert nav == {name for name in pages if not re.match(r"decisions/0", name)}


def test_the_reference_is_whole(pages: dict[str, str]) -> None:
    told = "".join(text for name, text in pages.items() if name.startswith("reference/"))
    for name in taskq.__all__:
        assert re.search(rf"::: [\w.]+\.{name}$|`{name}`", told, re.MULTILINE) or name.startswith("Async"), name
    assert re.findall(r"^## (\w+)$", pages["reference/scripts.md"], re.MULTILINE) == sorted(SCRIPTS)
    assert "### taskq submit" in pages["reference/commands.md"]
    assert "--dry-run" in pages["reference/commands.md"]

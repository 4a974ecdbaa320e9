"""The pages of the site: those of ``docs``, those beside the code, and a reference made from the code.

``make docs`` runs it before mkdocs. Links between pages are kept; a link to a file that is no page becomes its name.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click

import taskq
from taskq.cli import COMMANDS
from taskq.cli import main as program
from taskq.protocol.operations import SCRIPTS
from taskq.protocol.scripts import LUA

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "build" / "docs"
SITE = ROOT / "build" / "site"
# pages that do not stand in docs -> where they are in the site
BESIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "deploy/README.md": "deploy/index.md",
    "examples/README.md": "examples/index.md",
}
# what a reader looks for first
_FIRST = ("Task", "TaskQueue", "TaskHandle", "TaskScheduler", "TaskWorker", "TaskContext", "RetryPolicy")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^( *```.*?^ *```)", re.MULTILINE | re.DOTALL)


def assemble() -> None:
    """Write all pages into ``build/docs``."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES, ignore=shutil.ignore_patterns("mkdocs.yml"))
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")} | BESIDE.keys()
    for source in sorted(sources):
        target = PAGES / place_of(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(relink(source, (ROOT / source).read_text(encoding="utf-8")), encoding="utf-8")
    reference = PAGES / "reference"
    reference.mkdir()
    for name, lines in (
        ("commands", commands_page()),
        ("python", python_page(workers=False)),
        ("workers", python_page(workers=True)),
        ("errors", errors_page()),
        ("scripts", scripts_page()),
    ):
        (reference / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def place_of(source: str) -> str:
    """Return where a page of the repository is in the site."""
    return BESIDE.get(source) or source.removeprefix("docs/")


def relink(source: str, text: str) -> str:
    """Return a page with the links that hold in the site."""
    here = Path(place_of(source)).parent

    def change(found: re.Match[str]) -> str:
        image, words, target = found.groups()
        name, hash_sign, anchor = target.partition("#")
        if "://" in target or not name:
            return found[0]
        linked = os.path.normpath((ROOT / source).parent / name)
        path = Path(linked).relative_to(ROOT).as_posix()
        if path.startswith("docs/") or path in BESIDE:
            return f"{image}[{words}]({os.path.relpath(place_of(path), here)}{hash_sign}{anchor})"
        readme = f"{path}/README.md"
        if readme in BESIDE:
            return f"[{words}]({os.path.relpath(place_of(readme), here)})"
        return words if words.startswith("`") or words in path else f"{words} (`{path}`)"

    parts = _FENCE.split(text)
    return "".join(part if at % 2 else _LINK.sub(change, part) for at, part in enumerate(parts))


def python_page(*, workers: bool) -> Iterator[str]:
    """Yield the reference of the public names, from their docstrings."""
    yield f"# {'Handlers and workers' if workers else 'Queues, tasks and schedules'}"
    yield ""
    yield "Everything here is imported from `taskq`. `Async...` classes have the same verbs as those without, awaited."
    for name in sorted(taskq.__all__, key=lambda name: (name not in _FIRST, name)):
        value = getattr(taskq, name)
        home = getattr(value, "__module__", "taskq")
        if is_error(value) or name.startswith("Async") or home == "builtins":
            continue
        if home.startswith(("taskq.worker", "taskq.agent", "taskq.channels", "taskq.model.retry")) is workers:
            yield f"\n::: {home}.{name}"


def errors_page() -> Iterator[str]:
    """Yield the tree of errors."""
    yield "# Errors"
    yield ""
    yield "| error | is a | means |"
    yield "|---|---|---|"
    for name in sorted(taskq.__all__):
        value = getattr(taskq, name)
        if is_error(value):
            parents = ", ".join(f"`{parent.__name__}`" for parent in value.__bases__)
            yield f"| `{name}` | {parents} | {first_paragraph(value.__doc__)} |"


def is_error(value: object) -> bool:
    """Return whether a public name is an exception."""
    return isinstance(value, type) and issubclass(value, BaseException)


def first_paragraph(text: str | None) -> str:
    """Return the first paragraph of a docstring in one line, fit for a table."""
    return " ".join((text or "").strip().partition("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")


def commands_page() -> Iterator[str]:
    """Yield each command with its help, as ``--help`` prints it."""
    yield "# Commands"
    context = click.Context(program, info_name="taskq", max_content_width=100, terminal_width=100)
    for section, rows in COMMANDS.items():
        yield f"\n## {section}"
        for name in rows:
            command = program.get_command(context, name)
            assert command is not None
            yield from command_section(command, click.Context(command, info_name=name, parent=context), 3)


def command_section(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    """Yield a command and those below it."""
    text = command.get_help(context).partition("Options of every command:")[0].rstrip()
    yield f"\n{'#' * level} {context.command_path}\n\n```text\n{text}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from command_section(below, click.Context(below, info_name=name, parent=context), level + 1)


def scripts_page() -> Iterator[str]:
    """Yield the contract of each Lua script, from its header."""
    yield "# Scripts"
    yield ""
    yield "What changes or reads the state in Redis, one script a transition; `taskq/protocol/lua` has the bodies."
    yield "`KEYS[1]` is always the root of the namespace."
    for name in sorted(SCRIPTS):
        lines = (LUA / f"{name}.lua").read_text(encoding="utf-8").splitlines()
        header = []
        for line in lines:
            if not line.startswith("--"):
                break
            header.append(line.removeprefix("--").removeprefix(" "))
        summary = header[0].partition(": ")[2]
        yield f"\n## {name}\n\n{summary[:1].upper()}{summary[1:]}.\n\n```text"
        yield from header[1:]
        yield "```"


def check_output() -> None:
    """Take out of the theme what it would load from elsewhere, and refuse a site that still does.

    The theme has scripts for diagrams and for browsers without ``ResizeObserver``; no page needs either.

    Raises:
        SystemExit: with the first places where it does.
    """
    loads = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=\"?((?:https?:)?//[^\">\s]+)")
    styles = re.compile(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)")
    found = []
    for path in SITE.rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        if "unpkg.com" in text:
            path.write_text(re.sub(r"https://unpkg\.com/[^\"']*", "about:blank", text), encoding="utf-8")
    for path in SITE.rglob("*"):
        if path.suffix in (".html", ".css"):
            text = path.read_text(encoding="utf-8")
            for url in (loads if path.suffix == ".html" else styles).findall(text):
                if 'rel="canonical"' not in text.partition(url)[0][-80:]:
                    found.append(f"{path.relative_to(SITE)}: {url}")
    if found:
        sys.exit("the site would load from elsewhere:\n" + "\n".join(found[:20]))
    print(f"{sum(1 for _ in SITE.rglob('*.html'))} pages in {SITE.relative_to(ROOT)}, nothing is loaded from elsewhere")


if __name__ == "__main__":
    {"assemble": assemble, "check": check_output}[sys.argv[1]]()

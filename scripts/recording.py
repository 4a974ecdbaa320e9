"""Record the terminal of a real session as an animated picture: ``python -m scripts.recording [file.svg]``.

Runs the commands below in tmux, with a server of its own, and looks at the screen several times a second. Each line
that was seen is drawn once and shown wherever it was; the picture needs no script, and no font that is not there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.server import running

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "session.svg"
COLUMNS, LINES = 92, 26
CHAR, LINE, MARGIN = 8.0, 18, 14
LOOK_SECONDS = 0.12
GROUND, INK = "#14181d", "#d8dee4"
# the eight colours of a terminal, in its order
COLOURS = ("#4b5563", "#f0685e", "#4fbf80", "#e3a94a", "#5aaef5", "#ab94ea", "#4bbcc6", INK)

SHOP = """
import random, time
from taskq import TaskQueue

app = TaskQueue()

@app.task(name="mail.send", priority="high")
def send(number):
    time.sleep(random.uniform(0.05, 0.4))

@app.task(name="report.build", pass_ctx=True, max_retries=0)
def build(ctx, number):
    for page in range(20):
        ctx.progress(page / 20, f"page {page}")
        time.sleep(0.2)
    if number % 3 == 0:
        raise ValueError(f"no figures for week {number}")

if __name__ == "__main__":
    for number in range(12):
        build.delay(number)
    for number in range(600):
        send.delay(number)
"""
# what is typed, and for how many seconds it is then watched
SESSION = (
    ("taskq worker --handlers shop --concurrency 4 &", 3.0),
    ('clear; taskq submit echo \'{"hello": "world"}\' --wait', 2.5),
    ("python shop.py", 2.5),
    ("taskq monitor", 9.0),
)
KEYS = (("Tab", 1.0), ("Enter", 3.0), ("Escape", 1.0), ("BTab", 1.0), ("p", 3.0), ("p", 2.0), ("q", 1.0))


class Film:
    """Screens, each with the seconds for which it was seen."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self.frames: list[tuple[list[str], float]] = []

    def tmux(self, *words: str) -> str:
        """Run a command of tmux and return what it says."""
        return subprocess.run(["tmux", "-L", self._socket, *words], check=True, capture_output=True, text=True).stdout

    def watch(self, seconds: float) -> None:
        """Look at the screen for some time."""
        end = time.monotonic() + seconds
        before = time.monotonic()
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            screen = self.tmux("capture-pane", "-e", "-p", "-t", "s").split("\n")[:LINES]
            passed, before = time.monotonic() - before, time.monotonic()
            if self.frames and self.frames[-1][0] == screen:
                self.frames[-1] = (screen, self.frames[-1][1] + passed)
            else:
                self.frames.append((screen, passed))

    def type(self, text: str) -> None:
        """Type a command as a person does, some letters at a time."""
        for start in range(0, len(text), 4):
            self.tmux("send-keys", "-t", "s", "-l", text[start : start + 4])
            self.watch(LOOK_SECONDS)
        self.tmux("send-keys", "-t", "s", "Enter")


def shoot(url: str, folder: Path) -> Film:
    """Play the session and return what was seen."""
    film = Film(f"taskq-{os.getpid()}")
    (folder / "shop.py").write_text(SHOP)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"REDIS_URL": url, "PATH": path, "PS1": "$ ", "TERM": "tmux-256color"}
    words = ["env", *(f"{name}={value}" for name, value in environment.items()), "bash", "--noprofile", "--norc", "+m"]
    size = ("-x", str(COLUMNS), "-y", str(LINES))
    film.tmux("-f", "/dev/null", "new-session", "-d", "-s", "s", *size, "-c", str(folder), *words)
    try:
        time.sleep(0.5)
        for text, seconds in SESSION:
            film.type(text)
            film.watch(seconds)
        for key, seconds in KEYS:
            film.tmux("send-keys", "-t", "s", key)
            film.watch(seconds)
        film.tmux("send-keys", "-t", "s", "kill $!", "Enter")
        time.sleep(2)
    finally:
        film.tmux("kill-server")
    return film


def drawn(line: str) -> str:
    """Return a line of a terminal as SVG, empty if it is blank."""
    parts, column = [], 0
    for segment in Text.from_ansi(line).render(Console(width=COLUMNS, color_system="standard")):
        text = segment.text.rstrip("\n")
        style = segment.style
        if text.strip() or (style and style.reverse):
            colour = INK
            if style and style.color and style.color.number is not None:
                colour = COLOURS[style.color.number % 8]
            x, width = column * CHAR, len(text) * CHAR
            if style and style.reverse:
                parts.append(f'<rect x="{x:g}" y="3" width="{width:g}" height="{LINE}" fill="{colour}"/>')
                colour = GROUND
            more = ' font-weight="bold"' if style and style.bold else ""
            more += ' opacity=".65"' if style and style.dim else ""
            parts.append(
                f'<text x="{x:g}" y="{LINE - 2}" fill="{colour}" textLength="{width:g}"{more}>{escape(text)}</text>'
            )
        column += len(text)
    return "".join(parts)


def svg(film: Film) -> str:
    """Return the film as one picture: a strip of screens that moves in steps."""
    known: dict[str, str] = {}
    strip, moves = [], []
    total = sum(seconds for _, seconds in film.frames)
    height, width = LINES * LINE, COLUMNS * CHAR
    stride = height + LINE  # so that nothing of the next screen is seen
    at = 0.0
    for number, (screen, seconds) in enumerate(film.frames):
        moves.append(f"{at / total:.3%}{{transform:translateY(-{number * stride}px)}}")
        at += seconds
        for row, line in enumerate(screen):
            body = drawn(line)
            if body:
                name = known.setdefault(body, f"l{len(known)}")
                strip.append(f'<use href="#{name}" y="{number * stride + row * LINE}"/>')
    lines = "".join(f'<g id="{name}">{body}</g>' for body, name in known.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 2 * MARGIN:g} {height + 2 * MARGIN:g}" '
        f'width="{width + 2 * MARGIN:g}" role="img" font-family="ui-monospace,Menlo,Consolas,\'DejaVu Sans Mono\','
        f'monospace" font-size="13.3"><title>A worker, a task and the monitor in a terminal</title>'
        f"<style>text{{white-space:pre}}.strip{{animation:play {total:.1f}s steps(1,end) infinite}}"
        f"@keyframes play{{{''.join(moves)}}}</style>"
        f'<defs>{lines}</defs><rect width="100%" height="100%" rx="8" fill="{GROUND}"/><svg x="{MARGIN}" y="{MARGIN}" '
        f'width="{width:g}" height="{height}"><g class="strip">{"".join(strip)}</g></svg></svg>\n'
    )


def main(path: Path) -> None:
    """Record the session and write it to a file."""
    with running() as (url, _), tempfile.TemporaryDirectory() as folder:
        film = shoot(url, Path(folder))
    path.write_text(svg(film), encoding="utf-8")
    print(f"{path}: {len(film.frames)} screens, {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)

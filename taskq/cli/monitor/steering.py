"""What the keys of the monitor do."""

from __future__ import annotations

from typing import Any

from taskq.cli.card import card_text, read_card
from taskq.cli.monitor.reading import Rates, Reading
from taskq.cli.monitor.screen import View, selectable
from taskq.cli.monitor.tables import Section, sections
from taskq.cli.output import printable
from taskq.errors import TaskqError
from taskq.queue import TaskQueue

_STEPS = {"up": -1, "down": 1, "k": -1, "j": 1, "page up": -10, "page down": 10}


class Steering:
    """Acts on a view, and on the namespace.

    Args:
        queue: of the namespace.
        view: what is selected.

    Attributes:
        ended: whether the user has quit.
        changed: whether something was changed that the next reading shows.
    """

    def __init__(self, queue: TaskQueue, view: View) -> None:
        self._queue = queue
        self._view = view
        self._task_id = ""
        self.ended = False
        self.changed = False

    def press(self, key: str, reading: Reading) -> None:
        """Do what a key asks for; what the server refuses is said on the screen."""
        self._view.message = ""
        if self._view.help or key == "?":
            self._view.help = not self._view.help
            return
        try:
            if self._view.card:
                self._in_card(key)
            else:
                self._in_overview(key, reading)
        except TaskqError as error:
            self._view.message = printable(str(error), keep="")

    def _in_card(self, key: str) -> None:
        view = self._view
        if key in ("escape", "q", "enter"):
            view.card, view.scroll = [], 0
        elif key in _STEPS:
            view.scroll += _STEPS[key]
        elif key == "r":
            self._replay(self._task_id)
            self._open(self._task_id)
        elif key == "c":
            view.message = f"{self._task_id}: {self._queue.cancel_task(self._task_id)}"
            self._open(self._task_id)

    def _in_overview(self, key: str, reading: Reading) -> None:
        parts = {section.name: section for section in sections(reading, Rates(), wide=True)}
        names = selectable(parts.values())
        view = self._view
        if key == "q":
            self.ended = True
        elif not names:
            return
        elif key in ("tab", "back tab"):
            at = names.index(view.focus) if view.focus in names else -1
            view.focus = names[(at + (1 if key == "tab" else -1)) % len(names)]
        elif view.focus in names:
            self._in_section(key, parts[view.focus])

    def _in_section(self, key: str, section: Section) -> None:
        chosen = section.index(self._view.selected.get(section.name))
        subject = section.rows[chosen].subject
        if key in _STEPS:
            chosen = max(0, min(chosen + _STEPS[key], len(section.rows) - 1))
            self._view.selected[section.name] = section.rows[chosen].subject
        elif key == "enter" and isinstance(subject, str):
            self._open(subject)
        elif key == "p" and section.name == "lists":
            self._pause(subject)
        elif key == "r" and section.name == "letters":
            self._replay(subject)
        elif key in ("p", "r"):
            self._view.message = "p acts on a list, r on a dead letter: tab leads to the panel"

    def _open(self, task_id: str) -> None:
        self._task_id = task_id
        self._view.card = [printable(line, keep="") for line in card_text(read_card(self._queue, task_id)).splitlines()]

    def _pause(self, name: Any) -> None:
        queue, priority = name
        if self._queue.pause(queue, priority):
            self._view.message = f"the {priority} list of {queue} is paused; p resumes it"
        else:
            self._queue.resume(queue, priority)
            self._view.message = f"the {priority} list of {queue} runs again"
        self.changed = True

    def _replay(self, task_id: str) -> None:
        done = self._queue.replay_dead([task_id])
        self._view.message = f"{task_id} runs again" if done else f"{task_id} is no dead letter any more"
        self.changed = True

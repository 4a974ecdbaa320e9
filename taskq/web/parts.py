"""The parts of pages that are live, by topic."""

from __future__ import annotations

import re

from taskq.errors import TaskNotFound
from taskq.web.board import SPANS, Board
from taskq.web.bulk import Jobs
from taskq.web.lists import Wanted
from taskq.web.rendering import Pages

TOPIC = re.compile(
    r"(?:nav|queues|workers|schedules|limits|circuits|bulk|halt|overview:\d{1,4}|task:[\w.\-]{1,128}|job:[0-9a-f]{16}"
    r"|tasks:[\w.\-%+=&*]{1,900}|sagas:[a-z]{0,20}|groups:[0-9a-f]{0,16}|letters:[0-9a-f]{0,16})\Z",
    re.ASCII,
)


class Parts:
    """Renders topics for the hub.

    Args:
        board: reads.
        pages: renders.
        jobs: the work on many tasks.
    """

    def __init__(self, board: Board, pages: Pages, jobs: Jobs) -> None:
        self._board = board
        self._pages = pages
        self._jobs = jobs

    async def render(self, key: str) -> str:
        """Return the HTML of a topic.

        Args:
            key: the root path of the app, ``|``, and the topic; it fits ``TOPIC``.

        Raises:
            TaskNotFound: if what it is about is gone.
        """
        root, _, topic = key.rpartition("|")
        name, _, detail = topic.partition(":")
        board = self._board
        if name == "overview":
            context = await board.overview(int(detail) if int(detail) in SPANS else 60)
        elif name == "task":
            context = await board.task(detail)
        elif name == "job":
            context = {"job": self._jobs.get(detail)}
            if context["job"] is None:
                raise TaskNotFound("this work is not known any more: the dashboard was started anew")
        elif name == "nav":
            context = {**await board.navigation(), "section": ""}
        elif name in ("bulk", "halt"):
            context = await board.navigation()
        elif name == "tasks":
            wanted = Wanted.of_topic(detail)
            context = wanted.context(await board.tasks(wanted))
        elif name == "sagas":
            context = {"page": await board.sagas(detail), "state": detail}
        elif name in ("groups", "letters"):
            context = await (board.groups if name == "groups" else board.letters)(detail)
        else:
            read = {
                "queues": board.queues,
                "workers": board.workers,
                "schedules": board.schedules,
                "limits": board.limits,
                "circuits": board.circuits,
            }[name]
            context = await read()
        return self._pages.part(name, root, **context)

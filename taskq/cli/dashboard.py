"""``taskq dashboard``."""

from __future__ import annotations

from typing import Any

import click

from taskq.cli import values
from taskq.cli.commands import TaskqCommand
from taskq.cli.output import show
from taskq.cli.session import Session, with_session
from taskq.errors import SettingsError
from taskq.logs import set_up_logging
from taskq.queue import TaskQueue
from taskq.transport.server_info import why_not_connected

_TOKEN_VARIABLE = "TASKQ_DASHBOARD_TOKEN"  # noqa: S105 - the name of a variable


@click.command(cls=TaskqCommand)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option("--port", type=values.WholeNumber(0, 65535), default=8080, show_default=True, help="0: any that is free.")
@click.option("--allow-actions", is_flag=True, help="Let visitors pause, purge, cancel, replay; else it only shows.")
@click.option(
    "--token",
    metavar="TOKEN",
    help=f"What visitors have to know; better in {_TOKEN_VARIABLE}, where no `ps` shows it.",
)
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="Name it is reached under; may be repeated.")
@click.option("--hide-payloads", is_flag=True, help="Show no payload, result, progress or checkpoint.")
@with_session
def dashboard(session: Session, /, **options: Any) -> None:
    """Serve the dashboard for a browser until Ctrl+C.

    It is bound to this machine and only shows, unless told otherwise. On any other address a token is asked for: as the
    password, with any user name.

    \b
    Examples:
      taskq dashboard
      taskq dashboard --allow-actions --port 9000
      TASKQ_DASHBOARD_TOKEN=... taskq dashboard --host 0.0.0.0 --allow-host tasks.example.com
    """
    try:
        from taskq.web.options import DashboardOptions
        from taskq.web.serving import check_binding, serve
    except ImportError as error:
        raise SettingsError(f"the dashboard needs the extra web ({error}): pip install 'taskq[web]'") from None
    token = options["token"]
    if token is not None:
        session.note(
            f"everybody on this machine can read the token in --token (ps): put it into {_TOKEN_VARIABLE}",
            kind="warning",
        )
    token = token or session.settings.dashboard_token
    check_binding(options["host"], token)
    chosen = DashboardOptions(
        token=token,
        trusted=token is None,
        allow_actions=options["allow_actions"],
        hosts=options["hosts"],
        hide_payloads=options["hide_payloads"],
    )
    set_up_logging(session.settings)

    def ready(url: str) -> None:
        show(f"Dashboard ready: {url}")
        if not options["allow_actions"]:
            session.note("it only shows; --allow-actions lets visitors change something")

    # kept open: where no server is configured, it holds the one that belongs to this process
    with TaskQueue(settings=session.settings) as queue:
        why = why_not_connected(queue.transport)
        if why:
            session.note(
                f"no answer from {queue.namespace.endpoint.shown} yet ({why}): the pages say so until it answers",
                kind="warning",
            )
        serve(session.settings, chosen, options["host"], options["port"], ready)

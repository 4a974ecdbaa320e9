"""``taskq acl``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from taskq.cli.commands import TaskqCommand
from taskq.cli.output import plural, show, show_json
from taskq.cli.session import Session, with_session
from taskq.protocol.acl import EveryPartition, Role, rules, user_line
from taskq.protocol.keys import Keys
from taskq.transport.preload import preload


@click.command(cls=TaskqCommand)
@click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role], case_sensitive=False),
    multiple=True,
    help="What the user may do; may be repeated, the rights add up.",
)
@click.option("--user", metavar="NAME", help="Name of the user; without it that of the role.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Its first line is the password, of which only a hash is printed; - reads the standard input.",
)
@click.option("--preloaded", is_flag=True, help="Leave EVAL out: the scripts are loaded with --load-scripts.")
@click.option("--load-scripts", is_flag=True, help="Load the scripts into the server, as an administrator.")
@with_session
def acl(session: Session, /, roles: tuple[str, ...], **options: Any) -> None:
    """Print a line for the server's ACL file: a user who may do what a role does, and nothing else.

    It is worked out from the scripts of this release, for the prefix that is set. Nothing is sent to a server, except
    with --load-scripts.

    \b
    Examples:
      taskq acl --role worker >> users.acl
      taskq acl --role producer --role viewer --user web --password-file -
      redis-cli ACL LOAD
    """
    if options["load_scripts"]:
        session.note(
            f"{plural(preload(session.queue.transport), 'script')} loaded; a restart of the server forgets them"
        )
    elif not roles:
        raise click.UsageError(f"Say what the user is to be: --role {' or --role '.join(Role)}.")
    if roles:
        _print_user(session, roles, options)


def _print_user(session: Session, roles: tuple[str, ...], options: dict[str, Any]) -> None:
    user = options["user"] or "-".join(dict.fromkeys(roles))
    if not user.isprintable() or " " in user:
        raise click.UsageError("the name of a user has no spaces and no control characters.")
    clustered = "+cluster" in (session.settings.redis_url or "").partition("://")[0]
    kind = Keys if session.settings.partitions == 1 else EveryPartition
    keys = kind(session.settings.prefix, clustered)
    wanted = tuple(dict.fromkeys(Role(role) for role in roles))
    password = _password(options["password_file"])
    if session.json:
        show_json({"user": user, "rules": rules(wanted, keys, preloaded=options["preloaded"])})
    else:
        show(user_line(user, wanted, keys, password, preloaded=options["preloaded"]))
    if password is None and not session.json:
        session.note(f"nobody can log in yet: give --password-file, or `ACL SETUSER {user} >password` to the server")


def _password(file: Path | None) -> str | None:
    if file is None:
        return None
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    password = text.splitlines()[0] if text.strip() else ""
    if not password:
        raise click.UsageError("the password is empty.")
    return password

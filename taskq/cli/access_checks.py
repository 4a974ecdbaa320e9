"""The checks of ``taskq doctor`` on who may do what: rights of the user, passwords, encryption. No I/O here."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from taskq.cli.server_checks import BAD, OK, WARN, Finding
from taskq.transport.server_info import ServerReading

_ROLES = {"submit": "submit tasks and read results", "work": "run workers"}
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "")


def examine_access(address: str, reading: ServerReading) -> list[Finding]:
    """Return what there is to say about rights and passwords.

    Args:
        address: as it may be shown.
        reading: what the server says about itself.
    """
    return [*_rights(reading), *_password(address, reading), *_encryption(address)]


def _rights(reading: ServerReading) -> Iterator[Finding]:
    access = reading.access
    if not access.tried:
        why = reading.refused.get("ACL", "the server does not say")
        yield Finding(
            "rights",
            WARN,
            f"cannot be tried: ACL DRYRUN gave {why!r}",
            "run taskq doctor as a user who may: ACL SETUSER <user> +acl|dryrun +acl|whoami +acl|getuser",
        )
        return
    missing = {role: commands for role, commands in access.refused.items() if commands}
    for role, commands in missing.items():
        shown = ", ".join(commands[:6]) + (f" and {len(commands) - 6} more" if len(commands) > 6 else "")
        names = " ".join(f"+{name.lower()}" for name in dict.fromkeys(command.split()[0] for command in commands))
        yield Finding(
            "rights",
            # a submitter need not be able to work, but who cannot submit can do nothing here
            BAD if role == "submit" else WARN,
            f"the user {access.user} cannot {_ROLES[role]}: {shown}",
            f"ACL SETUSER {access.user} {names} ~<prefix>:* &<prefix>:* , or use another user for it",
        )
    if not missing:
        yield Finding("rights", OK, f"the user {access.user} may send every command that taskq uses")


def _password(address: str, reading: ServerReading) -> Iterator[Finding]:
    if reading.access.open_to_all is None:
        return
    if not reading.access.open_to_all:
        yield Finding("password", OK, "the default user needs a password, or is off")
        return
    protected = reading.config.get("protected-mode") == "yes"
    bound = reading.config.get("bind", "").replace("-", "").split()
    local = bool(bound) and all(_is_local(host) for host in bound)
    if local or address.startswith("unix:"):
        yield Finding("password", OK, "none, but only programs of the server's machine can reach it")
    elif protected:
        yield Finding("password", OK, "none, but protected-mode lets in only programs of the server's machine")
    else:
        yield Finding(
            "password",
            BAD,
            "none: whoever reaches the port can read, change and delete all tasks",
            "CONFIG SET requirepass <password>, in the configuration too, and put it into REDIS_URL",
        )


def _encryption(address: str) -> Iterator[Finding]:
    split = urlsplit(address)
    if not split.scheme.startswith("redis") or split.scheme.startswith("rediss"):
        return
    hosts = [host.rpartition(":")[0] or host for host in split.netloc.rpartition("@")[2].split(",")]
    far = [host for host in hosts if not _is_local(host.strip("[]"))]
    if far:
        yield Finding(
            "encryption",
            WARN,
            f"none on the way to {far[0]}",
            "use a rediss:// address, unless the network between is yours alone",
        )


def _is_local(host: str) -> bool:
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""Settings of one process: flag, then environment, then ``.env`` in the current folder, then default.

The fields of :class:`Settings` are the one table of all settings: loading, error messages and
``docs/configuration.md`` are driven by it.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from dotenv import dotenv_values

from taskq import kinds
from taskq.errors import SettingsError
from taskq.kinds import Kind, Secret
from taskq.states import Durability

Flag = str | int | float | Path | None

HEARTBEATS_PER_LEASE = 6

_HOST = r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?"
_PLAIN_ADDRESS = re.compile(rf"(?:{_HOST}(?:,{_HOST})*)?(?:/[^@]*)?")
_SECRET_PARAMETER = re.compile(r"(?i)([^&=;]*(?:pass|secret|auth|token)[^=&;]*=)([^&;]*)")


def redact_url(url: str) -> str:
    """Return a server URL that is safe to print, without the passwords in its user part and query.

    A password that should have been percent-encoded (``@``, ``/`` or ``?`` in it) makes a URL
    ambiguous; then more is hidden rather than less.

    Args:
        url: any text that was given as a URL, well formed or not.

    Returns:
        The text with ``***`` in the place of everything that may be secret.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    head, question, query = rest.partition("?")
    shown_query = _SECRET_PARAMETER.sub(r"\1***", query)
    if scheme == "unix" and head.startswith("/"):
        return f"{scheme}{separator}{head}{question}{shown_query}"
    user_part, at, address = head.rpartition("@")
    if "@" in shown_query or not _PLAIN_ADDRESS.fullmatch(address):
        return f"{scheme}{separator}***"
    user = user_part.partition(":")[0] if ":" in user_part else ""
    shown_user = f"{user}:***@" if at else ""
    return f"{scheme}{separator}{shown_user}{address}{question}{shown_query}"


class Spec(NamedTuple):
    """One row of the table of settings: how a field of :class:`Settings` is found and read.

    Attributes:
        name: the field; its default stands in the class.
        env: names of the environment variables, the strongest first.
        unit: what a bare number counts; empty where there is none.
    """

    name: str
    env: tuple[str, ...]
    kind: Kind
    unit: str
    help: str

    def read(self, value: Any, origin: str) -> Any:
        """Return the value in its own type.

        Args:
            value: text, or a value that has the right type already.
            origin: where the value came from, for the message.

        Raises:
            SettingsError: if the value is not accepted; the message never shows a password.
        """
        try:
            return self.kind.parse(value)
        except (ValueError, TypeError, OverflowError, RuntimeError):
            if self.kind in (_KEYS, _TOKEN):
                raise SettingsError(f"{self.name} cannot be used ({origin}): expected {self.kind.accepts}") from None
            text = str(value)
            may_hold_password = self.kind is _SERVER or "://" in text or "@" in text
            shown = redact_url(text) if may_hold_password else text
            raise SettingsError(f"{self.name} cannot be {shown!r} ({origin}): expected {self.kind.accepts}") from None


def _row(name: str, env: str, kind: Kind, unit: str = "", help_text: str = "") -> Spec:
    return Spec(name, tuple(env.split()), kind, unit, help_text)


_SERVER = kinds.optional(kinds.URL)
_KEYS = kinds.optional(kinds.KEYS)
_FILE = kinds.optional(kinds.PATH)
_TOKEN = kinds.optional(kinds.TOKEN)
_PREFIX = kinds.matching(r"[A-Za-z0-9_.{}-]+", "letters, digits and the signs _ . { } -")
_SECONDS = kinds.seconds()
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LEVEL = kinds.choice(*LOG_LEVELS, fold=str.upper)
_FORMAT = kinds.choice("console", "json")
_DURABILITY = kinds.choice(*(level.value for level in Durability))
_REPLICAS = kinds.whole(0, 100)
_CONNECTIONS = "TASKQ_MAX_CONNECTIONS REDIS_MAX_CONNECTIONS"
_REPLY = "TASKQ_SOCKET_TIMEOUT REDIS_SOCKET_TIMEOUT"
_CONNECT = "TASKQ_CONNECT_TIMEOUT REDIS_SOCKET_CONNECT_TIMEOUT"

FIELDS = (
    _row("redis_url", "TASKQ_REDIS_URL REDIS_URL", _SERVER, "", "Address of the server."),
    _row("prefix", "TASKQ_PREFIX", _PREFIX, "", "First part of every key; systems with different prefixes never meet."),
    _row("partitions", "TASKQ_PARTITIONS", kinds.whole(1, 4096), "namespaces", "Over how many a queue is spread."),
    _row("max_connections", _CONNECTIONS, kinds.whole(1, 100_000), "", "Most connections of one process."),
    _row("socket_timeout_seconds", _REPLY, _SECONDS, "seconds", "Longest wait for one reply."),
    _row("connect_timeout_seconds", _CONNECT, _SECONDS, "seconds", "Longest wait for a connection."),
    _row(
        "call_timeout_seconds", "TASKQ_CALL_TIMEOUT", _SECONDS, "seconds", "How long a call is repeated in an outage."
    ),
    _row("max_message_bytes", "TASKQ_MAX_MESSAGE_SIZE", kinds.size(512, 512 * 2**20), "bytes", "Largest encoded task."),
    _row("message_ttl_seconds", "TASKQ_MESSAGE_TTL", kinds.optional(_SECONDS), "seconds", "Default of `expires_in`."),
    _row(
        "max_queue_length",
        "TASKQ_MAX_QUEUE_LENGTH",
        kinds.whole(0),
        "tasks",
        "Most waiting tasks of one priority list.",
    ),
    _row("batch_size", "TASKQ_BATCH_SIZE", kinds.whole(1, 1000), "tasks", "Most tasks that one call carries."),
    _row("result_ttl_seconds", "TASKQ_RESULT_TTL", _SECONDS, "seconds", "How long a result stays readable."),
    _row("dead_ttl_seconds", "TASKQ_DEAD_TTL", _SECONDS, "seconds", "How long a dead letter is kept."),
    _row("durability", "TASKQ_DURABILITY", _DURABILITY, "", "How safe a task must be before its submit returns."),
    _row(
        "durable_replicas", "TASKQ_DURABLE_REPLICAS", kinds.whole(1, 100), "", "Replicas that `replicated` waits for."
    ),
    _row("fsync_replicas", "TASKQ_FSYNC_REPLICAS", _REPLICAS, "", "Replicas that must have synced too, for `fsync`."),
    _row("durable_timeout_seconds", "TASKQ_DURABLE_TIMEOUT", _SECONDS, "seconds", "Longest wait for durability."),
    _row("heartbeat_interval_seconds", "TASKQ_HEARTBEAT_INTERVAL", _SECONDS, "seconds", "Pause between signs of life."),
    _row(
        "lease_seconds", "TASKQ_LEASE", _SECONDS, "seconds", "Silence that makes a worker dead; 6 heartbeats or more."
    ),
    _row("max_crashes", "TASKQ_MAX_CRASHES", kinds.whole(1, 1000), "workers", "Worker deaths that make a task poison."),
    _row("signing_keys", "TASKQ_SIGNING_KEYS", _KEYS, "", "Keys that sign tasks; unsigned ones are not run."),
    _row("signing_keys_file", "TASKQ_SIGNING_KEYS_FILE", _FILE, "", "File with these keys instead."),
    _row("encryption_keys", "TASKQ_ENCRYPTION_KEYS", _KEYS, "", "Keys that encrypt payloads and results."),
    _row("encryption_keys_file", "TASKQ_ENCRYPTION_KEYS_FILE", _FILE, "", "File with these keys instead."),
    _row("data_dir", "TASKQ_DATA_DIR", kinds.PATH, "", "Folder for the data of the embedded server."),
    _row("dashboard_token", "TASKQ_DASHBOARD_TOKEN", _TOKEN, "", "What visitors of the dashboard have to know."),
    _row("log_level", "TASKQ_LOG_LEVEL", _LEVEL, "", "Least severe message that is logged."),
    _row("log_format", "TASKQ_LOG_FORMAT", _FORMAT, "", "Form of the log lines."),
    _row("embedded", "TASKQ_EMBEDDED", kinds.SWITCH, "", "Whether a server is started where none is configured."),
    _row("embedded_port", "TASKQ_EMBEDDED_PORT", kinds.PORT, "", "Port of the embedded server, on 127.0.0.1."),
    _row("server_binary", "TASKQ_SERVER_BINARY", _FILE, "", "Program of the embedded server."),
)

_HOST_NAME = kinds.matching(r"[^\s/@]+", "a host name or an IP address; a whole URL goes into REDIS_URL")
_SERVER_PORT = kinds.PORT._replace(
    accepts=f"{kinds.PORT.accepts} (tcp://... comes from Kubernetes, for a service named redis: set REDIS_URL instead)"
)
# The separate names that many projects have already, with their defaults; they count only where no URL is given.
SERVER_PARTS = (
    (_row("REDIS_HOST", "REDIS_HOST", _HOST_NAME), "localhost"),
    (_row("REDIS_PORT", "REDIS_PORT", _SERVER_PORT), "6379"),
    (_row("REDIS_DB", "REDIS_DB", kinds.whole(0)), "0"),
    (_row("REDIS_USERNAME", "REDIS_USERNAME", kinds.TEXT), ""),
    (_row("REDIS_PASSWORD", "REDIS_PASSWORD", kinds.TEXT), ""),
    (_row("REDIS_SSL", "REDIS_SSL", kinds.SWITCH), "0"),
)
_ADDRESS_PARTS = ("REDIS_HOST", "REDIS_PORT")


def default_data_dir() -> Path:
    """Return ``$XDG_DATA_HOME/taskq`` or ``~/.local/share/taskq``; ``.taskq`` in the current folder without a home."""
    data_home = Path(os.environ.get("XDG_DATA_HOME", ""))
    if data_home.is_absolute():  # the XDG specification tells to ignore a relative path
        return data_home / "taskq"
    try:
        return Path.home() / ".local" / "share" / "taskq"
    except RuntimeError:  # a container that runs under a user id without an account
        return Path.cwd() / ".taskq"


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """Every setting, checked; :data:`FIELDS` says where :meth:`load` finds each and what it means.

    Attributes:
        redis_url: None if nothing is configured: the server on localhost, or the embedded one.
        message_ttl_seconds: None means that tasks do not expire.
        max_queue_length: 0 means any number of tasks.
        server_binary: None means that one is looked for.
        warnings: sentences for the user, such as one about a misspelt name.

    Raises:
        SettingsError: for a value that is not accepted, and for a lease too short for the heartbeat.
    """

    redis_url: str | None = None
    prefix: str = "agent_queue"
    partitions: int = 1
    max_connections: int = 100
    socket_timeout_seconds: float = 5.0
    connect_timeout_seconds: float = 5.0
    call_timeout_seconds: float = 30.0
    max_message_bytes: int = 1_048_576
    message_ttl_seconds: float | None = None
    max_queue_length: int = 0
    batch_size: int = 100
    result_ttl_seconds: float = 3600.0
    dead_ttl_seconds: float = 14 * 86400.0
    durability: str = "memory"
    durable_replicas: int = 1
    fsync_replicas: int = 0
    durable_timeout_seconds: float = 5.0
    heartbeat_interval_seconds: float = 5.0
    lease_seconds: float = 30.0
    max_crashes: int = 3
    signing_keys: Secret | None = None
    signing_keys_file: Path | None = None
    encryption_keys: Secret | None = None
    encryption_keys_file: Path | None = None
    data_dir: Path = field(default_factory=default_data_dir)
    dashboard_token: Secret | None = None
    log_level: str = "INFO"
    log_format: str = "console"
    embedded: bool = True
    embedded_port: int = 6379
    server_binary: Path | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for spec in FIELDS:
            object.__setattr__(self, spec.name, spec.read(getattr(self, spec.name), "argument of Settings"))
        shortest = HEARTBEATS_PER_LEASE * self.heartbeat_interval_seconds
        if self.lease_seconds < shortest:
            raise SettingsError(
                f"lease_seconds is {self.lease_seconds:g} and heartbeat_interval_seconds is "
                f"{self.heartbeat_interval_seconds:g}: a lease must last at least {HEARTBEATS_PER_LEASE} heartbeats, "
                f"or a short stall makes a live worker look dead. Raise TASKQ_LEASE to {shortest:g} or more, or lower "
                f"TASKQ_HEARTBEAT_INTERVAL to {self.lease_seconds / HEARTBEATS_PER_LEASE:g} or less"
            )

    def __repr__(self) -> str:
        shown = {spec.name: getattr(self, spec.name) for spec in FIELDS}
        if self.redis_url is not None:
            shown["redis_url"] = redact_url(self.redis_url)
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @classmethod
    def load(cls, **flags: Flag) -> Settings:
        """Return the settings of this process.

        Args:
            flags: values by field name, as text or in their own type; None means not given.

        Returns:
            The first value found for each field: flag, environment, ``.env`` in the current folder,
            default. A blank variable counts as not set.

        Raises:
            SettingsError: for an unknown flag and a value that is not accepted; the message names the
                setting, the value, its source and what is accepted.
        """
        _refuse_unknown_flags(flags)
        sources = (_Source("environment variable {}", os.environ), _read_dotenv(Path.cwd() / ".env"))
        values: dict[str, Any] = {}
        for spec in FIELDS:
            flag = flags.get(spec.name)
            if flag is not None:
                values[spec.name] = spec.read(flag, "flag")
            elif spec.name == "redis_url":
                values[spec.name] = _server_url(spec, sources)
            elif found := _first(spec.env, sources):
                values[spec.name] = spec.read(*found)
        warnings = (*_misspelt(sources), *_unused_password(values["redis_url"], sources))
        return cls(**values, warnings=warnings)


class _Source(NamedTuple):
    label: str
    values: Mapping[str, str | None]

    def get(self, name: str) -> tuple[str, str] | None:
        """Return the text and its origin; a blank text counts as not set (compose files pass blanks on)."""
        text = self.values.get(name)
        return (text, self.label.format(name)) if text and text.strip() else None


def _read_dotenv(path: Path) -> _Source:
    try:
        return _Source(f"{{}} in {path}", dotenv_values(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}. Mend or remove the file") from None


def _first(names: Iterable[str], sources: Iterable[_Source]) -> tuple[str, str] | None:
    return next((found for source in sources for name in names if (found := source.get(name))), None)


def _server_url(spec: Spec, sources: tuple[_Source, ...]) -> str | None:
    """A URL beats separate names of the same source; a host or port of the environment beats a URL in ``.env``."""
    for source in sources:
        if found := _first(spec.env, [source]):
            return str(spec.read(*found))
        if _first(_ADDRESS_PARTS, [source]):
            break
    found_parts = [_first(part.env, sources) for part, _ in SERVER_PARTS]
    if not any(found_parts):
        return None
    return _url_from_parts(
        {
            part.name: part.read(*(given or (default, "default")))
            for (part, default), given in zip(SERVER_PARTS, found_parts, strict=True)
        }
    )


def _url_from_parts(parts: Mapping[str, Any]) -> str:
    scheme = "rediss" if parts["REDIS_SSL"] else "redis"
    host = f"[{parts['REDIS_HOST']}]" if ":" in parts["REDIS_HOST"] else parts["REDIS_HOST"]
    user, password = quote(parts["REDIS_USERNAME"], safe=""), quote(parts["REDIS_PASSWORD"], safe="")
    credentials = f"{user}:{password}@" if password else f"{user}@" if user else ""
    return f"{scheme}://{credentials}{host}:{parts['REDIS_PORT']}/{parts['REDIS_DB']}"


def _refuse_unknown_flags(flags: Mapping[str, Flag]) -> None:
    names = [spec.name for spec in FIELDS]
    for flag in flags:
        if flag not in names:
            near = difflib.get_close_matches(flag, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(names)}"
            raise SettingsError(f"{flag} is not a setting: {hint}")


def _misspelt(sources: Iterable[_Source]) -> Iterable[str]:
    """Yield a warning for each ``TASKQ_`` name that is close to a setting but is none."""
    meant = {env.removeprefix("TASKQ_"): env for spec in FIELDS for env in spec.env if env.startswith("TASKQ_")}
    meant |= {spec.name.upper(): spec.env[0] for spec in FIELDS}
    for name in sorted({name for source in sources for name in source.values}):
        rest = name.removeprefix("TASKQ_")
        if rest == name or name in meant.values() or rest.startswith("TEST_"):
            continue
        if near := difflib.get_close_matches(rest, meant, n=1, cutoff=0.75):
            yield f"{name} is not a setting; did you mean {meant[near[0]]}?"


def _unused_password(url: str | None, sources: Iterable[_Source]) -> Iterable[str]:
    """Yield a warning where a password stands beside a ``REDIS_URL`` that has none: such a pair is easily misread."""
    plain_url, password = _first(["REDIS_URL"], sources), _first(["REDIS_PASSWORD"], sources)
    if plain_url and password and url == plain_url[0].strip() and redact_url(url) == url:
        yield "REDIS_PASSWORD is not used, because REDIS_URL is set and has no password in it; put it into the URL"

"""Settings: where each value comes from, what is accepted, and what a message says."""

from __future__ import annotations

import dataclasses
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from dotenv import dotenv_values

from taskq.errors import SettingsError
from taskq.kinds import Secret
from taskq.settings import FIELDS, SERVER_PARTS, Settings, Spec, default_data_dir, redact_url

ROOT = Path(__file__).resolve().parents[2]

KEY = urlsafe_b64encode(bytes(range(64))).rstrip(b"=").decode()

# For each field: a text as a user would write it, and the value that it means. No value is a default.
SAMPLES: dict[str, tuple[str, Any]] = {
    "redis_url": ("redis://:pw@example.org:7000/3", "redis://:pw@example.org:7000/3"),
    "prefix": ("{shop}.queue", "{shop}.queue"),
    "partitions": ("8", 8),
    "max_connections": ("17", 17),
    "socket_timeout_seconds": ("1.5", 1.5),
    "connect_timeout_seconds": ("250ms", 0.25),
    "call_timeout_seconds": ("2m", 120.0),
    "max_message_bytes": ("512KB", 524_288),
    "message_ttl_seconds": ("1h", 3600.0),
    "max_queue_length": ("5000", 5000),
    "batch_size": ("250", 250),
    "result_ttl_seconds": ("0.5d", 43_200.0),
    "dead_ttl_seconds": ("7d", 604_800.0),
    "durability": ("Replicated", "replicated"),
    "durable_replicas": ("2", 2),
    "fsync_replicas": ("1", 1),
    "durable_timeout_seconds": ("750ms", 0.75),
    "heartbeat_interval_seconds": ("2", 2.0),
    "lease_seconds": ("45s", 45.0),
    "max_crashes": ("9", 9),
    "signing_keys": (f"{KEY}, {KEY[::-1]}", Secret(f"{KEY},{KEY[::-1]}")),
    "signing_keys_file": ("/run/secrets/signing", Path("/run/secrets/signing")),
    "encryption_keys": (KEY, Secret(KEY)),
    "dashboard_token": ("correct-horse-battery", Secret("correct-horse-battery")),
    "encryption_keys_file": ("/run/secrets/encryption", Path("/run/secrets/encryption")),
    "data_dir": ("/srv/task data", Path("/srv/task data")),
    "log_level": ("warning", "WARNING"),
    "log_format": ("JSON", "json"),
    "embedded": ("off", False),
    "embedded_port": ("7777", 7777),
    "server_binary": ("/opt/bin/redis-server", Path("/opt/bin/redis-server")),
}


def test_table_and_class_name_the_same_fields_in_the_same_order() -> None:
    assert [spec.name for spec in FIELDS] == [f.name for f in dataclasses.fields(Settings) if f.name != "warnings"]
    assert set(SAMPLES) == {spec.name for spec in FIELDS}


def test_defaults() -> None:
    settings = Settings.load()
    assert settings == Settings()
    assert settings.redis_url is None
    assert (settings.prefix, settings.max_message_bytes, settings.embedded_port) == ("agent_queue", 1_048_576, 6379)
    assert (settings.heartbeat_interval_seconds, settings.lease_seconds, settings.max_crashes) == (5.0, 30.0, 3)
    assert settings.dead_ttl_seconds == 14 * 24 * 3600
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("spec", "name", "place"),
    [(spec, name, place) for spec in FIELDS for name in spec.env for place in ("environment", ".env")],
    ids=lambda part: part.name if isinstance(part, Spec) else part,
)
def test_every_name_is_read_from_every_place(spec: Spec, name: str, place: str, give: Callable[..., None]) -> None:
    text, value = SAMPLES[spec.name]
    assert getattr(Settings(), spec.name) != value
    give(place, **{name: text})
    assert Settings.load() == dataclasses.replace(Settings(), **{spec.name: value})


@pytest.mark.parametrize("name", SAMPLES)
def test_flags_are_read_as_text_and_in_their_own_type(name: str) -> None:
    text, value = SAMPLES[name]
    expected = dataclasses.replace(Settings(), **{name: value})
    assert Settings.load(**{name: text}) == Settings.load(**{name: value}) == expected


def test_flag_beats_environment_beats_dotenv_beats_default(give: Callable[..., None]) -> None:
    give(".env", TASKQ_PREFIX="from-file", TASKQ_BATCH_SIZE="7", TASKQ_MAX_CRASHES="4")
    give("environment", TASKQ_PREFIX="from-environment", TASKQ_BATCH_SIZE="8")
    settings = Settings.load(prefix="from-flag", batch_size=None)
    assert (settings.prefix, settings.batch_size, settings.max_crashes) == ("from-flag", 8, 4)
    assert settings.lease_seconds == 30.0


def test_own_name_beats_plain_name_but_not_a_stronger_place(give: Callable[..., None]) -> None:
    give(".env", TASKQ_SOCKET_TIMEOUT="1")
    give("environment", REDIS_SOCKET_TIMEOUT="2", TASKQ_MAX_CONNECTIONS="3", REDIS_MAX_CONNECTIONS="4")
    settings = Settings.load()
    assert (settings.socket_timeout_seconds, settings.max_connections) == (2.0, 3)


def test_blank_variable_counts_as_not_set(give: Callable[..., None]) -> None:
    give(".env", TASKQ_PREFIX="from-file")
    give("environment", TASKQ_PREFIX="", REDIS_URL=" ", REDIS_HOST="")
    settings = Settings.load()
    assert (settings.prefix, settings.redis_url) == ("from-file", None)


URL_CASES: list[tuple[str, dict[str, str], dict[str, str], str | None]] = [
    ("nothing", {}, {}, None),
    (
        "own URL first",
        {"TASKQ_REDIS_URL": "redis://a/1", "REDIS_URL": "redis://b", "REDIS_HOST": "c"},
        {},
        "redis://a/1",
    ),
    ("plain URL beats names", {"REDIS_URL": "redis://b", "REDIS_HOST": "c", "REDIS_PORT": "1"}, {}, "redis://b"),
    ("host only", {"REDIS_HOST": "c"}, {}, "redis://c:6379/0"),
    ("port only", {"REDIS_PORT": "6380"}, {}, "redis://localhost:6380/0"),
    ("db only", {"REDIS_DB": "4"}, {}, "redis://localhost:6379/4"),
    ("password only", {"REDIS_PASSWORD": "pw"}, {}, "redis://:pw@localhost:6379/0"),
    ("user", {"REDIS_USERNAME": "me", "REDIS_PASSWORD": "pw"}, {}, "redis://me:pw@localhost:6379/0"),
    ("user without password", {"REDIS_USERNAME": "me"}, {}, "redis://me@localhost:6379/0"),
    ("TLS", {"REDIS_HOST": "c", "REDIS_SSL": "true"}, {}, "rediss://c:6379/0"),
    ("IPv6", {"REDIS_HOST": "::1"}, {}, "redis://[::1]:6379/0"),
    ("names of both places", {"REDIS_PASSWORD": "pw"}, {"REDIS_HOST": "c", "REDIS_PORT": "2"}, "redis://:pw@c:2/0"),
    ("URL of the environment first", {"REDIS_URL": "redis://b"}, {"TASKQ_REDIS_URL": "redis://a"}, "redis://b"),
    (
        "host of the environment beats a URL in .env",
        {"REDIS_HOST": "c"},
        {"REDIS_URL": "redis://b"},
        "redis://c:6379/0",
    ),
    ("a lone password does not undo a URL", {"REDIS_PASSWORD": "pw"}, {"REDIS_URL": "redis://b"}, "redis://b"),
    ("connection limits name no server", {"REDIS_MAX_CONNECTIONS": "5", "REDIS_SOCKET_TIMEOUT": "5"}, {}, None),
]


@pytest.mark.parametrize(
    ("environment", "dotenv", "url"), [case[1:] for case in URL_CASES], ids=[c[0] for c in URL_CASES]
)
def test_server_url(
    environment: dict[str, str], dotenv: dict[str, str], url: str | None, give: Callable[..., None]
) -> None:
    give("environment", **environment)
    give(".env", **dotenv)
    assert Settings.load().redis_url == url


def test_flag_beats_every_url(give: Callable[..., None]) -> None:
    give("environment", TASKQ_REDIS_URL="redis://a", REDIS_HOST="b")
    assert Settings.load(redis_url="unix:///run/redis.sock?db=2").redis_url == "unix:///run/redis.sock?db=2"


@pytest.mark.parametrize("password", ["p@ss/w:r?d#1&2%3", " spaced ", "pässwörd", "${HOME}"])
def test_separate_password_is_percent_encoded(password: str, give: Callable[..., None]) -> None:
    give("environment", REDIS_HOST="h", REDIS_USERNAME="a:b", REDIS_PASSWORD=password)
    parts = urlsplit(Settings.load().redis_url or "")
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == ("a:b", password)
    assert (parts.hostname, parts.port, parts.path) == ("h", 6379, "/0")


BAD_VALUES = [
    ("redis_url", "localhost:6379", "a URL such as redis://"),
    ("redis_url", "http://localhost", "redis, rediss, unix"),
    ("redis_url", "redis://", "a URL such as"),
    ("redis_url", "redis://host:port/0", "a URL such as"),
    ("redis_url", "redis://host/orders", "a URL such as"),
    ("redis_url", "unix://", "a URL such as"),
    ("prefix", "my queue", "letters, digits and the signs _ . { } -"),
    ("prefix", "a*", "letters, digits"),
    ("max_connections", "0", "a whole number from 1"),
    ("batch_size", "ten", "a whole number from 1 to 1000"),
    ("batch_size", "1.5", "a whole number"),
    ("lease_seconds", "5 parsecs", "a number of seconds"),
    ("lease_seconds", "nan", "a number of seconds"),
    ("lease_seconds", "-1", "a number of seconds"),
    ("socket_timeout_seconds", "0", "at least 0.001"),
    ("max_message_bytes", "1GB", "512KB or 1MB"),
    ("message_ttl_seconds", "soon", "or none"),
    ("log_level", "loud", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ("log_format", "xml", "one of console, json"),
    ("embedded", "perhaps", "1, true, yes or on; 0, false, no or off"),
    ("embedded_port", "70000", "a whole number from 1 to 65535"),
]


@pytest.mark.parametrize(("name", "text", "accepted"), BAD_VALUES)
def test_bad_value_is_named_with_its_source(
    name: str, text: str, accepted: str, give: Callable[..., None], tmp_path: Path
) -> None:
    variable = next(spec.env[0] for spec in FIELDS if spec.name == name)
    _expect_refusal(name, text, accepted, origin="flag", flags={name: text})
    give(".env", **{variable: text})
    _expect_refusal(name, text, accepted, origin=f"{variable} in {tmp_path / '.env'}")
    give("environment", **{variable: text})
    _expect_refusal(name, text, accepted, origin=f"environment variable {variable}")


def _expect_refusal(name: str, text: str, accepted: str, origin: str, flags: dict[str, str] | None = None) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load(**(flags or {}))
    message = str(raised.value)
    shown = redact_url(text) if name == "redis_url" else text
    assert message.startswith(f"{name} cannot be {shown!r} ({origin}): expected ")
    assert accepted in message


def test_bad_separate_name_is_named(give: Callable[..., None]) -> None:
    give("environment", REDIS_PORT="tcp://10.0.0.1:6379")
    with pytest.raises(SettingsError, match=r"REDIS_PORT cannot be .* Kubernetes.* set REDIS_URL"):
        Settings.load()
    give("environment", REDIS_URL="redis://h")
    assert Settings.load().redis_url == "redis://h"


def test_values_given_to_the_class_are_checked_too() -> None:
    with pytest.raises(SettingsError, match=r"prefix cannot be 'a b' \(argument of Settings\): expected letters"):
        Settings(prefix="a b")


def test_unknown_flag() -> None:
    with pytest.raises(SettingsError, match=r"lease_second is not a setting: did you mean lease_seconds\?"):
        Settings.load(lease_second=3)


def test_lease_must_last_six_heartbeats(give: Callable[..., None]) -> None:
    assert Settings.load(lease_seconds=12, heartbeat_interval_seconds=2).lease_seconds == 12
    give("environment", TASKQ_LEASE="11.9", TASKQ_HEARTBEAT_INTERVAL="2")
    with pytest.raises(SettingsError) as raised:
        Settings.load()
    message = str(raised.value)
    assert "lease_seconds is 11.9" in message
    assert "heartbeat_interval_seconds is 2" in message
    assert "Raise TASKQ_LEASE to 12" in message
    assert "lower TASKQ_HEARTBEAT_INTERVAL to 1.98333" in message


def test_misspelt_names_are_warned_about(give: Callable[..., None]) -> None:
    give(".env", TASKQ_LEASE_SECONDS="40")
    give("environment", TASKQ_PREFX="a", TASKQ_TEST_SERVER="auto", TASKQ_ORCHARD="b", MY_PREFIX="c")
    assert Settings.load().warnings == (
        "TASKQ_LEASE_SECONDS is not a setting; did you mean TASKQ_LEASE?",
        "TASKQ_PREFX is not a setting; did you mean TASKQ_PREFIX?",
    )


@pytest.mark.parametrize(("url", "warns"), [("redis://h", True), ("redis://:pw@h", False)])
def test_password_beside_a_url_without_one_is_warned_about(url: str, warns: bool, give: Callable[..., None]) -> None:
    give("environment", REDIS_URL=url, REDIS_PASSWORD="hunter2")
    warnings = Settings.load().warnings
    assert bool(warnings) is warns
    assert "hunter2" not in str(warnings)
    assert Settings.load(redis_url="redis://other").warnings == ()


def test_unreadable_dotenv_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"TASKQ_PREFIX=\xff\xfe\n")
    with pytest.raises(SettingsError, match=re.escape(f"cannot read {tmp_path / '.env'}")):
        Settings.load()


def test_data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_data_dir() == Settings.load().data_dir == Path("/home/somebody/.local/share/taskq")
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    assert default_data_dir() == Path("/home/somebody/.local/share/taskq")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_data_dir() == Path("/data/taskq")
    monkeypatch.setenv("TASKQ_DATA_DIR", "~/queue")
    assert Settings.load().data_dir == Path("/home/somebody/queue")
    assert Settings.load(data_dir="here").data_dir == tmp_path / "here"


def _documented_table() -> list[str]:
    words = {"redis_url": "not set", "server_binary": "found by itself", "data_dir": "`~/.local/share/taskq`"}
    rows = ["| field and flag | environment and `.env` | default | unit | meaning |", "|---|---|---|---|---|"]
    for spec in FIELDS:
        value = getattr(Settings(), spec.name)
        if isinstance(value, bool | float):
            value = int(value)
        default = words.get(spec.name) or ("none" if value is None else f"`{value}`")
        names = ", ".join(f"`{name}`" for name in spec.env)
        rows.append(f"| `{spec.name}` | {names} | {default} | {spec.unit} | {spec.help} |")
    return rows


def test_documentation_has_the_table() -> None:
    documented = (ROOT / "docs" / "configuration.md").read_text()
    expected = "\n".join(_documented_table())
    assert expected in documented, f"docs/configuration.md must have this table:\n{expected}"
    assert all(f"`{part.name}`" in documented for part, _ in SERVER_PARTS)


def test_example_file_names_every_setting_with_its_default(tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text()
    assert not dotenv_values(ROOT / ".env.example"), "every line of the example is commented out"
    (tmp_path / ".env").write_text(re.sub(r"(?m)^#(?=[A-Z_]+=)", "", example))
    given = dotenv_values(tmp_path / ".env")
    assert {spec.env[0] for spec in FIELDS} == {name for name in given if name.startswith("TASKQ_")}
    assert {part.name for part, _ in SERVER_PARTS} <= set(given)
    unset = ("redis_url", "data_dir", "server_binary")
    loaded = dataclasses.asdict(Settings.load())
    defaults = dataclasses.asdict(Settings())
    assert {k: v for k, v in loaded.items() if k not in unset} == {k: v for k, v in defaults.items() if k not in unset}

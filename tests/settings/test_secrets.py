"""What a message or the text of settings never says: passwords and keys."""

from __future__ import annotations

import dataclasses
import traceback
from base64 import urlsafe_b64encode
from collections.abc import Callable

import pytest

from taskq.errors import SettingsError
from taskq.settings import Settings, redact_url

KEY = urlsafe_b64encode(bytes(range(64))).rstrip(b"=").decode()

REDACTED = [
    ("redis://localhost:6379/0", "redis://localhost:6379/0"),
    ("redis://:s3cret@h:1/0", "redis://:***@h:1/0"),
    ("redis://me:s3cret@h/0", "redis://me:***@h/0"),
    ("redis://s3cret@h/0", "redis://:***@h/0"),
    ("redis://me:s3c@r@et@h/0", "redis://me:***@h/0"),
    ("redis://me:s3c/ret@h/0", "redis://me:***@h/0"),
    ("redis://me:s3c#ret@h/0", "redis://me:***@h/0"),
    ("redis://me:s3c://ret@h/0", "redis://me:***@h/0"),
    ("redis://me:s3c?ret@h/0", "redis://***"),
    ("redis://me:a@s3c?ret@h/0", "redis://***"),
    ("redis://:s3cret", "redis://***"),
    ("redis://me:s3cret/0", "redis://***"),
    ("rediss://me:s3cret@[::1]:6379/0?ssl_ca_certs=/ca.pem", "rediss://me:***@[::1]:6379/0?ssl_ca_certs=/ca.pem"),
    ("unix:///run/a@b.sock?db=1", "unix:///run/a@b.sock?db=1"),
    ("unix://me:s3cret@/run/r.sock", "unix://me:***@/run/r.sock"),
    ("unix:///run/r.sock?password=s3cret&db=1", "unix:///run/r.sock?password=***&db=1"),
    ("redis://h/0?password=s3cret", "redis://h/0?password=***"),
    (
        "redis+sentinel://me:s3cret@a:26379,b:26379/main?sentinel_password=s3c@ret&sentinel_username=me",
        "redis+sentinel://me:***@a:26379,b:26379/main?sentinel_password=***&sentinel_username=me",
    ),
    ("me:s3cret@h:6379", "me:***@h:6379"),
    ("h:6379", "h:6379"),
    ("", ""),
]


@pytest.mark.parametrize(("url", "shown"), REDACTED)
def test_redact_url(url: str, shown: str) -> None:
    assert redact_url(url) == shown
    assert "s3c" not in shown


@pytest.mark.parametrize("url", [url for url, _ in REDACTED if "s3c" in url])
def test_no_password_in_repr_or_message(url: str, give: Callable[..., None]) -> None:
    give("environment", REDIS_URL=url)
    shown = _repr_or_message()
    assert shown
    assert "s3c" not in shown


def _repr_or_message() -> str:
    try:
        settings = Settings.load()
    except SettingsError as error:
        return "".join(traceback.format_exception(error))
    return f"{settings!r} {settings}"


@pytest.mark.parametrize("name", ["signing_keys", "encryption_keys"])
@pytest.mark.parametrize("text", [f"{KEY}s3c", "s3cret", f"{KEY},{KEY}", f"{KEY},s3c"])
def test_no_key_in_a_message(name: str, text: str, give: Callable[..., None]) -> None:
    give("environment", **{f"TASKQ_{name.upper()}": text})
    with pytest.raises(SettingsError, match=f"{name} cannot be used .*expected keys of 64 random bytes") as raised:
        Settings.load()
    shown = "".join(traceback.format_exception(raised.value))
    assert "s3c" not in shown
    assert KEY not in shown


def test_a_key_is_shown_as_stars() -> None:
    settings = Settings(signing_keys=KEY, encryption_keys=KEY)  # type: ignore[arg-type]  # text is accepted
    shown = f"{settings!r} {dataclasses.asdict(settings)} {settings.signing_keys} {settings.signing_keys:>90}"
    assert KEY not in shown
    assert "signing_keys='***'" in shown
    assert settings.signing_keys is not None
    assert settings.signing_keys.reveal() == KEY


def test_url_in_the_place_of_a_host_is_not_shown(give: Callable[..., None]) -> None:
    give("environment", REDIS_HOST="redis://:s3cret@h:6379")
    with pytest.raises(SettingsError, match="a whole URL goes into REDIS_URL") as raised:
        Settings.load()
    assert "s3cret" not in str(raised.value)

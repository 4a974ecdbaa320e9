"""Signed and encrypted tasks, for servers that others can read or write. Off unless keys are set.

A key is 64 random bytes. Its id, the beginning of a hash of it, stands beside everything that it has signed or
encrypted, so that keys can be replaced: the first key of a list is used for what is new, all of them for what is read.

Encryption is AES-256-SIV. It needs no random number, so a submit that is repeated stores the same bytes and stays one
task; and what it encrypts is bound to its context, so that the payload of one task cannot be put into another.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

from taskq.errors import BadSignature, CannotDecrypt, SettingsError
from taskq.kinds import Secret, split_keys
from taskq.settings import Settings

_SIGNED = b"taskq envelope 1\0"
_SIGNATURE = re.compile(r',"sig":"([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]{43})"\}\Z')
_SIGNATURE_HEAD = ',"sig":"'
_TOKEN = re.compile(r"taskq-sealed\.1\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]+)\Z")
_TOKEN_HEAD = "taskq-sealed.1."  # noqa: S105 - a mark, no password


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def key_id(key: bytes) -> str:
    """Return the public name of a key: eight characters that say nothing about the key itself."""
    return _text(hashlib.sha256(b"taskq key id\0" + key).digest()[:6])


class KeyRing:
    """Keys by id; the first one is used for what is new.

    Args:
        keys: 64 bytes each, newest first.
    """

    def __init__(self, keys: list[bytes]) -> None:
        self.by_id = {key_id(key): key for key in keys}
        self.newest = key_id(keys[0])

    def __repr__(self) -> str:
        return f"<KeyRing {self.known}>"

    @property
    def known(self) -> str:
        """The ids, for messages."""
        return ", ".join(self.by_id)


class Seal:
    """Signs envelopes and encrypts what users put into tasks and results.

    Args:
        signing: keys of the signatures; None: nothing is signed, and no signature is asked for.
        encryption: keys of the payloads; None: nothing is encrypted.

    Raises:
        SettingsError: if the package for encryption is missing.
    """

    def __init__(self, signing: KeyRing | None, encryption: KeyRing | None) -> None:
        self._signing = signing
        self._encryption = encryption
        self._ciphers: dict[str, Any] = {}
        if encryption is not None:
            make = _cipher_class()
            self._ciphers = {name: make(key) for name, key in encryption.by_id.items()}

    def __repr__(self) -> str:
        return f"<Seal {self.described}>"

    @property
    def described(self) -> str:
        """What is done with which keys, for people: only the ids of the keys are shown."""
        signing = f"runs signed tasks only ({self._signing.known})" if self._signing else "nothing is signed"
        encryption = f"encrypts ({self._encryption.known})" if self._encryption else "nothing is encrypted"
        return f"{signing}; {encryption}"

    @property
    def encrypts(self) -> bool:
        """Whether payloads and results are encrypted."""
        return self._encryption is not None

    @property
    def signs(self) -> bool:
        """Whether envelopes are signed, and run only with a good signature."""
        return self._signing is not None

    def sign(self, text: str) -> str:
        """Return a JSON object with a signature of all that stands before it; the text itself without keys."""
        if self._signing is None:
            return text
        head = text[:-1]
        return f'{head},"sig":"{self._signing.newest}.{_mac(self._signing.by_id[self._signing.newest], head)}"}}'

    def check(self, text: str, what: str) -> None:
        """Check the signature of a JSON object; do nothing without keys.

        Args:
            text: as it is stored.
            what: what it is, for the message ("task", "schedule").

        Raises:
            BadSignature: if it has none, one of an unknown key, or one that does not fit.
        """
        ring = self._signing
        if ring is None:
            return
        # the last place where one could begin: a pattern would be tried at each character of a large payload
        found = _SIGNATURE.match(text, text.rfind(_SIGNATURE_HEAD) % (len(text) + 1))
        if found is None:
            raise BadSignature(
                f"the {what} is not signed, and this process runs only what is: it was written by a program without "
                f"TASKQ_SIGNING_KEYS, or by somebody else. It is kept as it is for inspection"
            )
        name, mac = found.groups()
        key = ring.by_id.get(name)
        if key is None:
            raise BadSignature(
                f"the {what} is signed with the key {name}, which is not in TASKQ_SIGNING_KEYS ({ring.known}): add "
                "that key at the end of the list if it is one of yours"
            )
        if not hmac.compare_digest(_mac(key, text[: found.start()]), mac):
            raise BadSignature(
                f"the signature of the {what} does not fit: it was changed after the submit. It is kept as it is for "
                "inspection"
            )

    def encrypt(self, text: str, *context: str) -> str:
        """Return a text encrypted and bound to its context; the text itself without keys.

        Args:
            text: what to hide.
            context: words that must be the same at ``decrypt``: what it is, the id of its task.
        """
        if self._encryption is None:
            return text
        newest = self._encryption.newest
        hidden = self._ciphers[newest].encrypt(text.encode(), [word.encode() for word in context])
        return f"{_TOKEN_HEAD}{newest}.{_text(hidden)}"

    def decrypt(self, token: str, *context: str) -> str:
        """Return the text that ``encrypt`` was given.

        Raises:
            CannotDecrypt: if the key is unknown, or token or context are not what they were.
        """
        found = _TOKEN.match(token)
        if found is None:
            raise CannotDecrypt("what is stored as encrypted is not: it was cut or changed")
        name, hidden = found.groups()
        cipher = self._ciphers.get(name)
        if cipher is None:
            known = self._encryption.known if self._encryption is not None else "none is set"
            raise CannotDecrypt(
                f"the {context[0]} is encrypted with the key {name}, which is not in TASKQ_ENCRYPTION_KEYS ({known}): "
                "add that key at the end of the list"
            )
        try:
            shown: bytes = cipher.decrypt(_bytes(hidden), [word.encode() for word in context])
        except Exception:  # its own InvalidTag, and ValueError for what is too short
            raise CannotDecrypt(
                f"the {context[0]} cannot be decrypted: it was changed after it was written, or belongs to another task"
            ) from None
        return shown.decode()


def _mac(key: bytes, text: str) -> str:
    return _text(hmac.digest(key, _SIGNED + text.encode(), "sha256"))


def is_sealed(text: object) -> bool:
    """Return whether a value is what ``Seal.encrypt`` returns."""
    return isinstance(text, str) and text.startswith(_TOKEN_HEAD)


def hide(seal: Seal | None, text: str, *context: str) -> str:
    """Return a text encrypted, where there are keys for it."""
    return text if seal is None else seal.encrypt(text, *context)


def reveal(seal: Seal | None, text: str, *context: str) -> str:
    """Return the text behind what may be encrypted.

    Raises:
        CannotDecrypt: if it is encrypted, and not with a key of this process.
    """
    if not is_sealed(text):
        return text
    return (seal or Seal(None, None)).decrypt(text, *context)


def seal_of(settings: Settings) -> Seal | None:
    """Return what signs and encrypts as the settings say; None if they name no keys.

    Raises:
        SettingsError: if a file of keys cannot be read, or the package for encryption is missing.
    """
    signing = _ring(settings.signing_keys, settings.signing_keys_file)
    encryption = _ring(settings.encryption_keys, settings.encryption_keys_file)
    return Seal(signing, encryption) if signing or encryption else None


def _ring(keys: Secret | None, file: Path | None) -> KeyRing | None:
    if keys is None and file is not None:
        try:
            keys = split_keys(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot read the keys in {file}: {error}") from None
        except ValueError as error:
            raise SettingsError(f"the file {file} cannot be used: {error}") from None
    return None if keys is None else KeyRing([_bytes(key) for key in keys.reveal().split(",")])


def _cipher_class() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV
    except ImportError:
        raise SettingsError(
            "TASKQ_ENCRYPTION_KEYS is set, but the package cryptography is not installed: pip install 'taskq[crypto]'"
        ) from None
    return AESSIV

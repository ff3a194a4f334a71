"""The key store over a file: for one machine without an HSM.

1. The file is readable by its owner alone; one that others may read is refused, not repaired: it may have been read.
2. It is replaced whole (written beside, synced, renamed), so a crash leaves the old or the new one.
3. Processes share it: changes are made under a lock, and `current` sees another process's rotation at once.
4. A version is never removed: digests made under it must stay comparable.

    {"format": 1, "keys": {"voucher": {"1": "<base64 of 32 bytes>", "2": …}, …}}      the highest version is current
"""

from __future__ import annotations

import base64
import fcntl
import hmac
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mpss.ports.key_store import UnknownKey

KEY_NAMES = ("payment_password", "fingerprint", "voucher", "token", "seal", "card", "bank_transport", "identity")
SEAL_KEY = "seal"

_FORMAT = 1
_KEY_BYTES = 32
_NONCE_BYTES = 12
_LAST_VERSION = 255  # a sealed text names its key's version in one byte

_Keys = dict[str, dict[int, bytes]]


class KeyFileExposed(PermissionError):
    """Others than its owner may read or write the key file."""


class KeyFileDamaged(ValueError):
    """The key file is not of its form."""


class FileKeyStore:
    """Keys in a file of ours; implements `ports.key_store.KeyStore`."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            FileNotFoundError: there is no key file.
            KeyFileExposed: others may read it.
            KeyFileDamaged: it is not of its form.
        """
        self._path = path
        self._keys: _Keys = {}
        self._seen: tuple[int, int] = (0, 0)
        self._load()

    @classmethod
    def open_or_make(cls, path: Path) -> Self:
        """The store; at the first start of a center its key file is made, with one version of every key.

        A file of an earlier release is given the keys that have come since.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            if not path.exists():
                _replace(path, {name: {1: secrets.token_bytes(_KEY_BYTES)} for name in KEY_NAMES})
            found = cls(path)
            missing = [name for name in KEY_NAMES if name not in found._keys]
            if missing:
                _replace(path, found._keys | {name: {1: secrets.token_bytes(_KEY_BYTES)} for name in missing})
        return cls(path)

    def current(self, name: str) -> int:
        """The version new digests are made under, also when another process has just made it.

        Raises:
            UnknownKey: there is no such name.
        """
        status = self._path.stat()
        if (status.st_ino, status.st_mtime_ns) != self._seen:
            self._load()
        if name not in self._keys:
            raise UnknownKey(name=name, version=None)
        return max(self._keys[name])

    def mac(self, name: str, data: bytes, *, version: int | None = None) -> bytes:
        """HMAC-SHA-256 of `data` under the key, 32 bytes; `version` None is the current one.

        Raises:
            UnknownKey: there is no such name or version.
        """
        return hmac.digest(self._key(name, self.current(name) if version is None else version), data, "sha256")

    def seal(self, data: bytes) -> bytes:
        """Encrypt and authenticate: the key's version (1 byte), a nonce (12), the text and its tag (AES-256-GCM)."""
        version = self.current(SEAL_KEY)
        header = bytes([version])
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return header + nonce + AESGCM(self._key(SEAL_KEY, version)).encrypt(nonce, data, header)

    def unseal(self, sealed: bytes) -> bytes:
        """What was sealed.

        Raises:
            UnknownKey: the key it was sealed under is not here.
            ValueError: it was changed, or was never sealed.
        """
        header, nonce, body = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if len(nonce) < _NONCE_BYTES:
            raise ValueError("the sealed text is too short")
        try:
            return AESGCM(self._key(SEAL_KEY, header[0])).decrypt(nonce, body, header)
        except InvalidTag:
            raise ValueError("the sealed text was changed") from None

    def rotate(self, name: str) -> int:
        """Make a new current version, keep the old ones; its number.

        Raises:
            UnknownKey: there is no such name.
            OverflowError: the 255 versions that a sealed text can name are used up.
        """
        with _locked(self._path):
            self._load()
            version = self.current(name) + 1
            if version > _LAST_VERSION:
                raise OverflowError(f"key {name!r} has {_LAST_VERSION} versions, and no more can be named")
            changed = self._keys | {name: self._keys[name] | {version: secrets.token_bytes(_KEY_BYTES)}}
            _replace(self._path, changed)
            self._load()
        return version

    def _key(self, name: str, version: int) -> bytes:
        found = self._keys.get(name, {}).get(version)
        if found is None:
            self._load()
            found = self._keys.get(name, {}).get(version)
        if found is None:
            raise UnknownKey(name=name, version=version)
        return found

    def _load(self) -> None:
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise KeyFileExposed(f"{self._path} has mode {stat.S_IMODE(status.st_mode):04o}, it must be 0600")
            text = file.read()
        self._keys = _parse(text, self._path)
        self._seen = (status.st_ino, status.st_mtime_ns)


def _parse(text: bytes, path: Path) -> _Keys:
    damaged = KeyFileDamaged(f"{path} is not a key file of format {_FORMAT}")
    try:
        document = json.loads(text)
        keys: _Keys = {
            name: {int(number): base64.b64decode(key, validate=True) for number, key in versions.items()}
            for name, versions in document["keys"].items()
        }
        is_ours = document["format"] == _FORMAT
    except (AttributeError, KeyError, TypeError, ValueError):
        raise damaged from None  # not chained: the cause's message could carry a piece of a key
    for versions in keys.values():
        if sorted(versions) != list(range(1, len(versions) + 1)) or {len(key) for key in versions.values()} != {
            _KEY_BYTES
        }:
            raise damaged
    if not is_ours or not keys:
        raise damaged
    return keys


def _replace(path: Path, keys: _Keys) -> None:
    """Put a whole new key file in place, durable before it is seen. The caller holds the lock."""
    document = {
        "format": _FORMAT,
        "keys": {
            name: {str(number): base64.b64encode(key).decode() for number, key in versions.items()}
            for name, versions in keys.items()
        },
    }
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

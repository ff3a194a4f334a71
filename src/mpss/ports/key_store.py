"""Keys that never leave their store: keyed digests and sealing, by key name and version. Ready for PKCS#11."""

from __future__ import annotations

from typing import Protocol


class UnknownKey(LookupError):
    """The key store has no key of this name and version."""

    def __init__(self, *, name: str, version: int | None) -> None:
        super().__init__(f"no key {name!r}" if version is None else f"no version {version} of key {name!r}")
        self.name = name
        self.version = version


class KeyStore(Protocol):
    """Key names in use: "payment_password", "fingerprint", "voucher", "token", "seal",
    "card" (digests of card numbers), "identity" (digests of documents),
    "bank_transport" (one key for each bank is derived). Versions count from 1."""

    def current(self, name: str) -> int:
        """The version new digests are made under."""
        ...

    def mac(self, name: str, data: bytes, *, version: int | None = None) -> bytes:
        """HMAC-SHA-256 of `data` under the key, 32 bytes; `version` None is the current one.

        Raises:
            UnknownKey: there is no such name or version.
        """
        ...

    def seal(self, data: bytes) -> bytes:
        """Encrypt and authenticate (AES-256-GCM) under the current "seal" key; the result names its version."""
        ...

    def unseal(self, sealed: bytes) -> bytes:
        """
        Raises:
            UnknownKey: the key it was sealed under is gone.
            ValueError: it was changed.
        """
        ...

    def rotate(self, name: str) -> int:
        """Make a new current version, keep the old ones; its number."""
        ...

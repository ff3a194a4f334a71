"""The keyed digest of a card password: sixteen digits are too few for a plain one."""

from __future__ import annotations

from mpss.ports.key_store import KeyStore

VOUCHER_KEY = "voucher"


def voucher_digest(key_store: KeyStore, password: str, *, version: int) -> bytes:
    """What a voucher is found by, 32 bytes; `password` is 16 digits."""
    return key_store.mac(VOUCHER_KEY, password.encode(), version=version)


def candidate_digests(key_store: KeyStore, password: str) -> tuple[bytes, ...]:
    """The password's digest under every key version in use: a card keeps the one it was made under."""
    versions = range(1, key_store.current(VOUCHER_KEY) + 1)
    return tuple(voucher_digest(key_store, password, version=version) for version in versions)

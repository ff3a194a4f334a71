"""Random tokens handed out once and kept as digests: sessions, one-time links, API keys.

A token is 256 random bits, so a plain SHA-256 of it can neither be reversed nor guessed; a keyed digest, which would
end with its key, is for short secrets (passwords, SMS codes, voucher passwords).
"""

from __future__ import annotations

import hashlib
import secrets


def new_token(prefix: str) -> str:
    """A fresh token, "<prefix>_" and 43 URL-safe characters."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def token_digest(token: str) -> bytes:
    """What is stored and looked up, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()

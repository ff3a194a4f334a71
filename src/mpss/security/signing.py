"""Signatures between merchants and the platform.

A merchant signs its requests by HTTP Message Signatures (RFC 9421) with Ed25519; the body is covered through
Content-Digest (RFC 9530). The platform signs delivery orders and webhooks by the Standard Webhooks scheme.

A signed request carries exactly one signature, which covers @method, @authority, @path, @query, content-digest,
x-api-key and, where the request has it, idempotency-key; its parameters are created, keyid (the merchant's id), nonce
and optionally alg "ed25519". @authority and not @target-uri, so that a proxy may end TLS in front of us.

Pure: the time and the nonce are given. Who calls keeps the nonces seen until `SignedRequest.expires_at`.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from standardwebhooks import Webhook, WebhookVerificationError

from mpss.kernel.errors import ErrorCode, MpssError

ALWAYS_COVERED = ("@method", "@authority", "@path", "@query", "content-digest", "x-api-key")
COVERED_IF_PRESENT = ("idempotency-key",)
CLOCK_SKEW = timedelta(seconds=30)
"""How far ahead of ours a signer's clock may be."""
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


class SignatureInvalid(MpssError):
    """A signature is missing, malformed, too old, or does not match; the message says which."""

    code = ErrorCode.SIGNATURE_INVALID


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a verified signature says. After `expires_at` the signature is too old, and its nonce may be forgotten."""

    key_id: str
    nonce: str
    created: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Message:
    method: str
    url: str
    headers: Any


class _Lines:
    """Header lines that may repeat, as the library reads them."""

    def __init__(self, lines: Iterable[tuple[str, str]]) -> None:
        self._lines = list(lines)

    def items(self) -> list[tuple[str, str]]:
        return self._lines


class _OneKey(HTTPSignatureKeyResolver):
    def __init__(self, *, private: Ed25519PrivateKey | None = None, public: Ed25519PublicKey | None = None) -> None:
        self._private = private
        self._public = public

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey | None:
        return self._public

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey | None:
        return self._private


class _Verifier(HTTPMessageVerifier):
    """The library's verifier with the time given instead of read."""

    now: datetime = datetime(2000, 1, 1, tzinfo=UTC)

    def validate_created_and_expires(self, sig_input: Any, max_age: timedelta | None = None) -> None:
        created, expires = sig_input.params.get("created"), sig_input.params.get("expires")
        if type(created) is not int:
            raise InvalidSignature('the parameter "created" is missing')
        now = self.now.timestamp()
        if created > now + CLOCK_SKEW.total_seconds():
            raise InvalidSignature("it was created in the future")
        if max_age is not None and created < now - max_age.total_seconds():
            raise InvalidSignature(f"it is older than {int(max_age.total_seconds())} seconds")
        if expires is not None and expires < now:
            raise InvalidSignature("it has expired")


def new_nonce() -> str:
    """22 characters of 128 random bits."""
    return base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")


def sign_request(
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    key_id: str,
    private_key: Ed25519PrivateKey,
    now: datetime,
    nonce: str,
) -> dict[str, str]:
    """The request's headers with Content-Digest, Signature-Input and Signature added.

    `url` is absolute and encoded as it goes over the wire; `headers` hold X-API-Key and, on a money call,
    Idempotency-Key; `key_id` is the merchant's id.
    """
    signed = dict(headers)
    present = {name.lower() for name in signed}
    covered = [*ALWAYS_COVERED, *(name for name in COVERED_IF_PRESENT if name in present)]
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=_OneKey(private=private_key))
    signer.sign(
        _Message(method, url, signed),
        key_id=key_id,
        created=now,
        nonce=nonce,
        label="mpss",
        covered_component_ids=covered,
        body=body,
    )
    return signed


def verify_request(
    *,
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    public_key: bytes,
    key_id: str,
    now: datetime,
    window: timedelta,
) -> SignedRequest:
    """Check the signature of a request against the 32 raw bytes of its signer's public key.

    `headers` are the header lines in order; `url` is scheme, Host header, path and query as received. The signature
    may be `window` old at most.

    Raises:
        SignatureInvalid: it is missing, malformed, too old, covers too little, was made by another key or over
            another request; the message says which.
    """
    lines = [(name.lower(), value) for name, value in headers]
    present = {name for name, _ in lines}
    for needed in ("signature-input", "signature", "content-digest", "x-api-key"):
        if needed not in present:
            raise SignatureInvalid(f"the header {needed} is missing")
    covered = [*ALWAYS_COVERED, *(name for name in COVERED_IF_PRESENT if name in present)]
    verifier = _Verifier(
        signature_algorithm=algorithms.ED25519,
        key_resolver=_OneKey(public=Ed25519PublicKey.from_public_bytes(public_key)),
    )
    verifier.now = now
    try:
        results = verifier.verify(
            _Message(method, url, _Lines(lines)), max_age=window, require_components=covered, body=body
        )
    except Exception as problem:  # The library lets what its parser raises on hostile input through.
        raise SignatureInvalid(str(problem) or "it does not match the request") from problem
    parameters = results[0].parameters
    if parameters.get("keyid") != key_id:
        raise SignatureInvalid("its keyid is not the id of the merchant whose API key came with it")
    nonce = parameters.get("nonce")
    if not isinstance(nonce, str) or _NONCE.fullmatch(nonce) is None:
        raise SignatureInvalid("its nonce must be 16 to 64 letters, digits, - or _")
    created = datetime.fromtimestamp(int(parameters["created"]), UTC)
    return SignedRequest(key_id, nonce, created, created + window + timedelta(seconds=1))


def new_webhook_secret() -> str:
    """A Standard Webhooks secret: "whsec_" and 32 random bytes in base 64."""
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


def sign_webhook(secret: str, *, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers webhook-id, webhook-timestamp and webhook-signature for a body of UTF-8 text.

    A message keeps its id when it is sent again; its timestamp and signature are of the attempt.
    """
    signature = Webhook(secret).sign(message_id, now.astimezone(UTC), body.decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


def verify_webhook(secret: str, *, headers: Mapping[str, str], body: bytes) -> str:
    """Check a Standard Webhooks signature, as a merchant's server does; the message's id.

    Raises:
        SignatureInvalid: it does not match, or its timestamp is more than five minutes off the system's clock.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        Webhook(secret).verify(body, lowered, json_parse=False)
    except (WebhookVerificationError, ValueError) as problem:
        raise SignatureInvalid(str(problem)) from problem
    return lowered["webhook-id"]

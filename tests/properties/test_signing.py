from __future__ import annotations

from datetime import UTC, datetime, timedelta
from string import ascii_letters, digits

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis.strategies import binary, dictionaries, integers, sampled_from, text

from mpss.security.signing import SignatureInvalid, sign_request, sign_webhook, verify_request, verify_webhook

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
WINDOW = timedelta(seconds=300)
WORDS = text(ascii_letters + digits + "-._~", min_size=1, max_size=20)
KEYS = binary(min_size=32, max_size=32).map(Ed25519PrivateKey.from_private_bytes)
NONCES = text(ascii_letters + digits + "_-", min_size=16, max_size=64)


@given(
    method=sampled_from(["GET", "POST", "PUT", "DELETE"]), path=WORDS, query=dictionaries(WORDS, WORDS, max_size=3),
    body=binary(max_size=200), key=KEYS, nonce=NONCES, idempotency_key=WORDS, age=integers(-30, 300),
)  # fmt: skip
def test_what_a_merchant_signs_is_verified(
    method: str, path: str, query: dict[str, str], body: bytes, key: Ed25519PrivateKey, nonce: str,
    idempotency_key: str, age: int,
) -> None:  # fmt: skip
    url = f"https://pay.example/v1/{path}?" + "&".join(f"{name}={value}" for name, value in query.items())
    headers = sign_request(
        method=method, url=url, headers={"X-API-Key": "mk_1", "Idempotency-Key": idempotency_key}, body=body,
        key_id="mer_1", private_key=key, now=NOW, nonce=nonce,
    )  # fmt: skip
    request = verify_request(
        method=method, url=url, headers=list(headers.items()), body=body,
        public_key=key.public_key().public_bytes_raw(), key_id="mer_1", now=NOW + timedelta(seconds=age), window=WINDOW,
    )  # fmt: skip
    assert (request.key_id, request.nonce, request.created) == ("mer_1", nonce, NOW)


@given(signature_input=text(max_size=60), signature=text(max_size=60), digest=text(max_size=40))
def test_hostile_signature_headers_are_refused_and_nothing_else(
    signature_input: str, signature: str, digest: str
) -> None:
    headers = [
        ("x-api-key", "mk_1"), ("signature-input", signature_input), ("signature", signature),
        ("content-digest", digest),
    ]  # fmt: skip
    key = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    with pytest.raises(SignatureInvalid):
        verify_request(
            method="POST", url="https://pay.example/v1/purchases", headers=headers, body=b"{}", public_key=key,
            key_id="mer_1", now=NOW, window=WINDOW,
        )  # fmt: skip


@given(body=text(max_size=200), message_id=WORDS)
def test_what_we_sign_for_a_merchant_is_verified(body: str, message_id: str) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = sign_webhook(secret, message_id=message_id, body=body.encode(), now=datetime.now(UTC))
    assert verify_webhook(secret, headers=headers, body=body.encode()) == message_id


@given(signature=text(max_size=60), timestamp=text(max_size=20))
def test_hostile_webhook_headers_are_refused_and_nothing_else(signature: str, timestamp: str) -> None:
    headers = {"webhook-id": "out_1", "webhook-timestamp": timestamp, "webhook-signature": signature}
    with pytest.raises(SignatureInvalid):
        verify_webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", headers=headers, body=b"{}")

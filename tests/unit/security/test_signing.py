from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver, algorithms
from standardwebhooks import Webhook

from mpss.security.signing import (
    SignatureInvalid,
    new_nonce,
    new_webhook_secret,
    sign_request,
    sign_webhook,
    verify_request,
    verify_webhook,
)

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
URL = "https://pay.example/v1/purchases?page=2"
BODY = '{"amount_fen":2500,"note":"冰棍"}'.encode()
HEADERS = {"X-API-Key": "mk_test", "Idempotency-Key": "order-1", "Content-Type": "application/json"}


def signed(**changes: Any) -> dict[str, str]:
    request: dict[str, Any] = {
        "method": "POST", "url": URL, "headers": HEADERS, "body": BODY, "key_id": "mer_1", "private_key": KEY,
        "now": NOW, "nonce": "n" * 22,
    }  # fmt: skip
    return sign_request(**{**request, **changes})


def verify(headers: dict[str, str], **changes: Any) -> Any:
    request: dict[str, Any] = {
        "method": "POST", "url": URL, "headers": list(headers.items()), "body": BODY, "public_key": PUBLIC,
        "key_id": "mer_1", "now": NOW, "window": timedelta(seconds=300),
    }  # fmt: skip
    return verify_request(**{**request, **changes})


class TestASignedRequest:
    def test_is_verified_and_tells_its_nonce_and_how_long_to_remember_it(self) -> None:
        request = verify(signed())
        assert (request.key_id, request.nonce, request.created) == ("mer_1", "n" * 22, NOW)
        assert request.expires_at > NOW + timedelta(seconds=300)

    def test_without_a_body_is_verified_too(self) -> None:
        headers = signed(method="GET", body=b"", headers={"X-API-Key": "mk_test"})
        assert verify(headers, method="GET", body=b"").key_id == "mer_1"

    def test_is_verified_behind_a_proxy_that_ends_tls(self) -> None:
        assert verify(signed(), url=URL.replace("https", "http")).key_id == "mer_1"

    @pytest.mark.parametrize(
        "change",
        [
            {"method": "PUT"},
            {"url": URL.replace("page=2", "page=3")},
            {"url": URL.replace("purchases", "products")},
            {"url": URL.replace("pay.example", "other.example")},
            {"body": BODY.replace(b"2500", b"2600")},
            {"key_id": "mer_2"},
            {"public_key": Ed25519PrivateKey.generate().public_key().public_bytes_raw()},
            {"now": NOW + timedelta(seconds=301)},
            {"now": NOW - timedelta(seconds=31)},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_is_refused_when_it_speaks_of_another_request(self, change: dict[str, Any]) -> None:
        with pytest.raises(SignatureInvalid):
            verify(signed(), **change)

    @pytest.mark.parametrize(
        "change",
        [
            lambda h: h | {"Idempotency-Key": "order-2"},
            lambda h: h | {"X-API-Key": "mk_other"},
            lambda h: {k: v for k, v in h.items() if k != "Signature"},
            lambda h: {k: v for k, v in h.items() if k != "Content-Digest"},
            lambda h: h | {"Signature": "mpss=:AAAA:"},
            lambda h: h | {"Signature-Input": "mpss=("},
            lambda h: h | {"Signature-Input": h["Signature-Input"].replace('"idempotency-key"', "")},
            lambda h: h | {"Signature-Input": "\x00" * 10},
        ],
    )
    def test_is_refused_when_its_headers_were_touched(self, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        with pytest.raises(SignatureInvalid):
            verify(change(signed()))

    def test_is_refused_when_a_money_calls_key_is_not_covered(self) -> None:
        headers = signed(headers={"X-API-Key": "mk_test"}) | {"Idempotency-Key": "added-later"}
        with pytest.raises(SignatureInvalid, match="idempotency-key"):
            verify(headers)

    @pytest.mark.parametrize("nonce", ["", "short", "x" * 65, "with space in it now"])
    def test_is_refused_with_a_nonce_out_of_form(self, nonce: str) -> None:
        with pytest.raises(SignatureInvalid, match="nonce"):
            verify(signed(nonce=nonce))

    def test_has_a_fresh_nonce_every_time(self) -> None:
        assert len({new_nonce() for _ in range(100)}) == 100


class TestTheLibrary:
    """RFC 9421, B.2.6: Ed25519 signatures are deterministic, so the RFC's own bytes must come out."""

    PRIVATE = (
        b"-----BEGIN PRIVATE KEY-----\n"
        b"MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n"
        b"-----END PRIVATE KEY-----\n"
    )
    SIGNATURE = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="

    class Message:
        method = "POST"
        url = "https://example.com/foo?param=Value&Pet=dog"

        def __init__(self) -> None:
            self.headers = {
                "Host": "example.com",
                "Date": "Tue, 20 Apr 2021 02:07:55 GMT",
                "Content-Type": "application/json",
                "Content-Length": "18",
            }

    def test_signs_the_rfcs_request_as_the_rfc_does(self) -> None:
        private = load_pem_private_key(self.PRIVATE, None)
        assert isinstance(private, Ed25519PrivateKey)
        keys = MappingKeyResolver(
            private_keys={"test-key-ed25519": private}, public_keys={"test-key-ed25519": private.public_key()}
        )
        message = self.Message()
        HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=keys).sign(
            message,
            key_id="test-key-ed25519",
            created=datetime.fromtimestamp(1618884473, UTC),
            label="sig-b26",
            include_alg=False,
            covered_component_ids=("date", "@method", "@path", "@authority", "content-type", "content-length"),
        )
        assert message.headers["Signature"] == f"sig-b26=:{self.SIGNATURE}:"
        assert message.headers["Signature-Input"] == (
            'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
            ';created=1618884473;keyid="test-key-ed25519"'
        )
        verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=keys)
        assert verifier.verify(message, max_age=None)[0].parameters["keyid"] == "test-key-ed25519"


class TestAWebhook:
    def test_is_verified_by_the_standard_library_of_webhooks(self) -> None:
        secret = new_webhook_secret()
        headers = sign_webhook(secret, message_id="out_1", body=BODY, now=datetime.now(UTC))
        assert Webhook(secret).verify(BODY, headers) == {"amount_fen": 2500, "note": "冰棍"}
        assert verify_webhook(secret, headers=headers, body=BODY) == "out_1"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("webhook-id", "out_2"),
            ("webhook-signature", "v1,AAAA"),
            ("webhook-signature", "x"),
            ("webhook-timestamp", "1"),
        ],
    )
    def test_is_refused_when_a_header_was_touched(self, name: str, value: str) -> None:
        secret = new_webhook_secret()
        headers = sign_webhook(secret, message_id="out_1", body=BODY, now=datetime.now(UTC))
        with pytest.raises(SignatureInvalid):
            verify_webhook(secret, headers=headers | {name: value}, body=BODY)

    def test_is_refused_when_the_body_was_touched_or_the_time_is_far_off(self) -> None:
        secret = new_webhook_secret()
        headers = sign_webhook(secret, message_id="out_1", body=BODY, now=datetime.now(UTC))
        with pytest.raises(SignatureInvalid):
            verify_webhook(secret, headers=headers, body=BODY + b" ")
        old = sign_webhook(secret, message_id="out_1", body=BODY, now=datetime.now(UTC) - timedelta(minutes=6))
        with pytest.raises(SignatureInvalid):
            verify_webhook(secret, headers=old, body=BODY)

"""The guide for merchants: its code signs requests that we accept, its examples are what we send and take."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpss.adapters.merchant_http import MAX_CONTENT, read_delivery_answer
from mpss.cli.clauses import REPOSITORY
from mpss.kernel.outcome import Approved, Declined
from mpss.ports.merchant import DeliveryOrder
from mpss.security.signing import verify_request

TEXT = (REPOSITORY / "docs" / "guides" / "merchants.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
URL = "http://127.0.0.1:8080/v1/purchases?trace=1"


def block_beginning(start: str) -> str:
    [block] = [text for _, text in BLOCKS if text.startswith(start)]
    return str(block)


class TestTheCode:
    def test_signs_what_we_accept(self) -> None:
        [code] = [text for language, text in BLOCKS if language == "python"]
        names: dict[str, Any] = {}
        exec(code, names)  # noqa: S102 - the guide's own code
        for idempotency_key in ("order-1", None):
            body = b'{"amount_fen": 2500}' if idempotency_key else b""
            headers = names["sign"](
                "POST", URL, body, merchant_id="mer_1", api_key="mk_1", private_key=KEY, idempotency_key=idempotency_key
            )
            signed = verify_request(
                method="POST",
                url=URL,
                headers=headers.items(),
                body=body,
                public_key=KEY.public_key().public_bytes_raw(),
                key_id="mer_1",
                now=datetime.now(UTC),
                window=timedelta(seconds=300),
            )
            assert signed.key_id == "mer_1"


class TestTheExamples:
    def test_of_an_order_has_the_fields_we_send(self) -> None:
        start = "POST {notify_url}/deliveries"
        order = json.loads(block_beginning(start).removeprefix(start))
        assert list(order) == [field.name for field in fields(DeliveryOrder)]

    def test_of_answers_are_what_we_take(self) -> None:
        delivered, refused = block_beginning('{"result"').splitlines()
        assert isinstance(read_delivery_answer("txn_1", delivered.encode()), Approved)
        assert isinstance(read_delivery_answer("txn_1", refused.encode()), Declined)
        assert f"at most {MAX_CONTENT} characters" in TEXT

    def test_of_webhooks_are_all_there_are(self) -> None:
        source = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "src" / "mpss").rglob("*.py"))
        sent = set(re.findall(r'"(purchase\.\w+)"', source))
        assert set(re.findall(r"^\| `(purchase\.\w+)`", TEXT, re.MULTILINE)) == sent

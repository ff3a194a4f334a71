"""Every bad request gets its documented error, and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mpss.security.signing import new_nonce
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.http import Counter, problem
from tests.support.market import PHONE

MALFORMED = "malformed_request"

BAD_FIELDS = [
    ("negative", {"amount_fen": -1}, "amount_out_of_range", "amount_fen"),
    ("zero", {"amount_fen": 0}, "amount_out_of_range", "amount_fen"),
    ("too much", {"amount_fen": 10**13 + 1}, "amount_out_of_range", "amount_fen"),
    ("beyond a bigint", {"amount_fen": 10**30}, "amount_out_of_range", "amount_fen"),
    ("fractional fen", {"amount_fen": 25.5}, MALFORMED, "amount_fen"),
    ("a float of a whole number", {"amount_fen": 25.0}, MALFORMED, "amount_fen"),
    ("an amount as text", {"amount_fen": "2500"}, MALFORMED, "amount_fen"),
    ("an amount that is true", {"amount_fen": True}, MALFORMED, "amount_fen"),
    ("no amount", {"amount_fen": None}, MALFORMED, "amount_fen"),
    ("another currency", {"currency": "USD"}, "unsupported_currency", "currency"),
    ("a currency in small letters", {"currency": "cny"}, "unsupported_currency", "currency"),
    ("no currency", {"currency": None}, MALFORMED, "currency"),
    ("no merchant", {"merchant_id": None}, MALFORMED, "merchant_id"),
    ("a merchant of no form", {"merchant_id": "mer_1"}, MALFORMED, "merchant_id"),
    ("a product's id as the merchant's", {"merchant_id": "prd_" + "0" * 32}, MALFORMED, "merchant_id"),
    ("no password", {"payment_password": None}, MALFORMED, "payment_password"),
    ("a password of five digits", {"payment_password": "12345"}, MALFORMED, "payment_password"),
    ("a password in fullwidth digits", {"payment_password": "１３５２４６"}, MALFORMED, "payment_password"),
    ("a password as a number", {"payment_password": 135246}, MALFORMED, "payment_password"),
    ("a quantity without a product", {"quantity": 1}, MALFORMED, "quantity"),
    ("a negative quantity", {"quantity": -1}, MALFORMED, "quantity"),
    ("a negative fee", {"fee_fen": -1}, "amount_out_of_range", "fee_fen"),
    ("a province that is none", {"visited_province": "XX"}, MALFORMED, "visited_province"),
    ("a province that is no text", {"visited_province": [[]]}, MALFORMED, "visited_province"),
    ("a field that is none", {"amout_fen": 1}, MALFORMED, "amout_fen"),
    ("a merchant's field", {"phone": PHONE}, MALFORMED, "phone"),
    ("another merchant's field", {"merchant_order_no": "A-1"}, MALFORMED, "merchant_order_no"),
    ("metadata with a control character", {"metadata": {"a": "b\u0000c"}}, MALFORMED, "metadata/a"),
    ("too much metadata", {"metadata": {str(n): "x" for n in range(11)}}, MALFORMED, "metadata"),
    ("metadata that is long", {"metadata": {"a": "b" * 201}}, MALFORMED, "metadata/a"),
]  # fmt: skip


@clause("CT 5.3")
class TestABadPurchase:
    @pytest.mark.parametrize(
        ("changed", "code", "field"), [case[1:] for case in BAD_FIELDS], ids=[c[0] for c in BAD_FIELDS]
    )
    async def test_names_the_field_and_changes_nothing(
        self, shop: Counter, changed: dict[str, Any], code: str, field: str
    ) -> None:
        payer = await shop.subscriber()
        before = await shop.left()
        document = problem(await payer.post("/v1/purchases", shop.purchase(**changed)), 400, code)
        assert [error["field"] for error in document["errors"]] == [field]
        assert await shop.left() == before

    async def test_never_repeats_a_secret(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        for password in ("86420x", "864209753", 86420975):
            answer = await payer.post("/v1/purchases", shop.purchase(payment_password=password))
            assert problem(answer, 400, MALFORMED)["errors"][0]["field"] == "payment_password"
            assert "86420" not in answer.text

    async def test_to_a_party_nobody_knows_is_refused(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        nobody = "0" * 32
        unknown_merchant = shop.purchase(merchant_id=f"mer_{nobody}")
        problem(await payer.post("/v1/purchases", unknown_merchant), 404, "unknown_merchant")
        unknown_product = shop.purchase(product_id=f"prd_{nobody}", quantity=1)
        problem(await payer.post("/v1/purchases", unknown_product), 404, "unknown_product")
        assert await shop.balance_fen() == 100_000

    async def test_from_a_party_nobody_knows_is_refused(self, shop: Counter) -> None:
        body = shop.purchase(payment_password=None, phone="18912349999")
        before = await shop.left()
        problem(await shop.merchant().post("/v1/purchases", body), 404, "unknown_account")
        clerk = await shop.staff(Permission.CASH_TOPUP, name="c", hall="H01", clerk="C02")
        before = await shop.left()
        asked = {"phone": "18912349999", "amount_fen": 100, "currency": "CNY"}
        problem(await clerk.post("/v1/topups/cash", asked), 404, "unknown_account")
        after = await shop.left()
        # The refusal is on record, under the clerk's key; nothing else is.
        assert after["counts"].pop("transaction") == before["counts"].pop("transaction") + 1
        assert after | {"states": None} == before | {"states": None}


BAD_BODIES = [
    (b"", "is missing"),
    (b"{", None),
    (b"null", None),
    (b"[]", None),
    (b'"text"', None),
    (b'{"amount_fen": NaN}', None),
    (b'{"amount_fen": 1, "amount_fen": 2}', None),
    (b'{"amount_fen": ' + b"9" * 5000 + b"}", None),
    (b"[" * 100_000, None),
    (b'{"a":' * 50_000, None),
    (b"\xff\xfe{}", None),
    ('{"amount_fen": 1}'.encode("utf-16"), None),
    (b'{"\\ud800": 1}', None),
    (b'{"\\u0000": 1}', None),
    (b'{"payment_password": "\\ud800\\udc00\\ud8"}', None),
    (b'{"metadata": {"\\ud800": "x"}}', None),
]


class TestABadBody:
    @pytest.mark.parametrize("content", [body for body, _ in BAD_BODIES])
    async def test_is_malformed_and_changes_nothing(self, shop: Counter, content: bytes) -> None:
        payer = await shop.subscriber()
        before = await shop.left()
        problem(await payer.send("POST", "/v1/purchases", content=content), 400, MALFORMED)
        assert await shop.left() == before

    @pytest.mark.parametrize(
        "media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/json-x"]
    )
    async def test_of_another_media_type_is_refused(self, shop: Counter, media_type: str) -> None:
        payer = await shop.subscriber()
        content = json.dumps(shop.purchase()).encode()
        answer = await payer.send("POST", "/v1/purchases", content=content, headers={"content-type": media_type})
        problem(answer, 415, "unsupported_media_type")

    async def test_that_says_it_is_too_long_is_refused(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        answer = await payer.send("POST", "/v1/purchases", content=b" " * (1024 * 1024 + 1))
        problem(answer, 413, "payload_too_large")

    async def test_that_is_too_long_in_pieces_is_refused(self, shop: Counter) -> None:
        payer = await shop.subscriber()

        async def pieces() -> Any:
            for _ in range(17):
                yield b" " * 65_536

        request = shop.client.build_request(
            "POST",
            "/v1/purchases",
            content=pieces(),
            headers={**payer.headers, "content-type": "application/json", "idempotency-key": "k"},
        )
        problem(await shop.client.send(request), 413, "payload_too_large")

    async def test_with_a_length_that_is_no_number_is_refused(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        answer = await payer.send("POST", "/v1/purchases", content=b"{}", headers={"content-length": "many"})
        problem(answer, 400, MALFORMED)


class TestAMoneyCallWithoutAGoodKey:
    @pytest.mark.parametrize("key", [None, "", " ", "a b", "x" * 65, "schlüssel".encode("latin-1"), "钥匙".encode()])
    async def test_is_refused_and_changes_nothing(self, shop: Counter, key: str | bytes | None) -> None:
        payer = await shop.subscriber()
        before = await shop.left()
        headers: dict[Any, Any] = {**payer.headers} if key is None else {**payer.headers, "idempotency-key": key}
        answer = await shop.client.post("/v1/purchases", json=shop.purchase(), headers=headers)
        document = problem(answer, 400, "idempotency_key_required")
        assert document["errors"][0]["field"] == "Idempotency-Key"
        assert await shop.left() == before

    async def test_that_has_two_is_refused(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        headers = [*payer.headers.items(), ("idempotency-key", "a"), ("idempotency-key", "b")]
        answer = await shop.client.post("/v1/purchases", json=shop.purchase(), headers=headers)
        problem(answer, 400, "idempotency_key_required")


@clause("CT 7.1", "CT 12.3")
class TestAMerchantsBadSignature:
    async def test_or_none_is_refused(self, shop: Counter) -> None:
        merchant = shop.merchant()
        before = await shop.left()
        answer = await shop.client.get("/v1/merchant", headers=merchant.headers)
        problem(answer, 401, "signature_invalid")
        assert answer.headers["www-authenticate"].startswith("Signature")
        merchant.private_key, merchant.key_id = None, ""
        problem(
            await merchant.post("/v1/reversals", {"merchant_order_no": "A-1", "reason": "x"}), 401, "signature_invalid"
        )
        assert await shop.left() == before

    async def test_of_another_request_is_refused(self, shop: Counter) -> None:
        merchant = shop.merchant()
        body = {"merchant_order_no": "A-1", "reason": "x"}
        headers = {**merchant.headers, "idempotency-key": "k"}
        signed = shop.client.build_request("POST", "/v1/reversals", json=body, headers=headers)
        signed.headers.update(merchant.signature(signed))
        before = await shop.left()
        changes: list[dict[str, Any]] = [
            {"json": {**body, "merchant_order_no": "A-2"}},
            {"headers": {"idempotency-key": "k2"}},
            {"url": "/v1/reversals?x=1"},
            {"url": "/v1/purchases"},
            {"method": "PUT", "url": "/v1/merchant/notify-url"},
            {"headers": {"host": "other.test"}},
        ]
        for change in changes:
            made: dict[str, Any] = {"method": "POST", "url": "/v1/reversals", "json": body, **change}
            made["headers"] = {
                **{n: v for n, v in signed.headers.items() if n != "content-length"},
                **change.get("headers", {}),
            }
            problem(await shop.client.request(**made), 401, "signature_invalid")
        assert await shop.left() == before
        assert (await shop.client.send(signed)).status_code == 201

    async def test_that_was_used_before_is_refused(self, shop: Counter) -> None:
        merchant = shop.merchant()
        body = {"merchant_order_no": "A-1", "reason": "x"}
        headers = {**merchant.headers, "idempotency-key": "k"}
        request = shop.client.build_request("POST", "/v1/reversals", json=body, headers=headers)
        request.headers.update(merchant.signature(request, nonce=new_nonce()))
        assert (await shop.client.send(request)).status_code == 201
        before = await shop.left()
        problem(await shop.client.send(request), 401, "signature_replayed")
        assert await shop.left() == before

    async def test_under_an_unknown_api_key_is_refused(self, shop: Counter) -> None:
        merchant = shop.merchant()
        merchant.headers = {"x-api-key": "mk_nobody"}
        problem(await merchant.get("/v1/merchant"), 401, "unauthenticated")


class TestABadAddress:
    @pytest.mark.parametrize("path", ["/v1", "/v1/purchases/", "/v1/nothing", "/v2/purchases", "//v1/purchases"])
    async def test_is_not_found(self, shop: Counter, path: str) -> None:
        problem(await shop.nobody().post(path, {}), 404, "not_found")

    async def test_with_another_method_is_told_which_there_are(self, shop: Counter) -> None:
        answer = await shop.client.request("DELETE", "/v1/merchant/products")
        problem(answer, 405, "method_not_allowed")
        assert {part.strip() for part in answer.headers["allow"].split(",")} == {"GET", "POST"}

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"limit": 0}, "limit"),
            ({"limit": 101}, "limit"),
            ({"limit": "x"}, "limit"),
            ({"cursor": "x"}, "cursor"),
            ({"cursor": "=" * 20}, "cursor"),
            ({"cursor": "A" * 22}, "cursor"),
            ({"cursor": "A" * 32}, None),
            ({"cursor": "A" * 65}, "cursor"),
        ],
    )
    async def test_of_a_page_names_the_parameter(self, shop: Counter, query: dict[str, Any], field: str | None) -> None:
        payer = await shop.subscriber()
        answer = await payer.get("/v1/account/transactions", **query)
        if field is None:
            assert answer.json()["items"] == []
        else:
            assert problem(answer, 400, MALFORMED)["errors"][0]["field"] == field

    @pytest.mark.parametrize(
        "identity", ["1", "txn_1", "acc_" + "0" * 32, "txn_" + "G" * 32, "%00", "txn_%00" + "0" * 31]
    )
    async def test_with_an_id_of_no_form_is_malformed(self, shop: Counter, identity: str) -> None:
        payer = await shop.subscriber()
        problem(await payer.get(f"/v1/transactions/{identity}"), 400, MALFORMED)

"""Merchants, goods and their review over HTTP; deliveries ordered again; keys renewed."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpss.channels.http.outgoing import EVENTS
from mpss.kernel.ids import MerchantId, ProductId
from mpss.merchants.register import mark_companies
from mpss.simulators.merchant_shop import Fault
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.closing import close_merchant
from tests.support.eventually import eventually
from tests.support.house import assert_books_balance
from tests.support.http import Caller, Counter, problem

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
GOODS: dict[str, Any] = {
    "name": "手机充值券",
    "description": "凭券码可在全国门店使用。\n不退不换。",
    "category": "票务",
    "price_fen": 3000,
    "currency": "CNY",
    "scope": "national",
    "quantity": 5,
}


CODE = "91110000600037341L"


def raw(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


@clause("CM 5.2.1.3", "CT 7.1")
class TestAMerchant:
    @clause("CM 5.2.1.3")
    async def test_is_registered_by_staff_and_can_sign_at_once(self, shop: Counter) -> None:
        staff = await shop.staff(Permission.MERCHANT_REGISTER)
        key = Ed25519PrivateKey.generate()
        body = {
            "name": "好运彩票",
            "province": "GD",
            "public_key": raw(key),
            "notify_url": "https://lucky.example/mpss",
            "credit_code": CODE.lower(),
        }
        answer = await staff.post("/v1/staff/merchants", body)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        merchant = Caller(
            shop.client, shop.runtime.clock, {"x-api-key": made["api_key"]}, key, made["merchant"]["merchant_id"]
        )
        assert (await merchant.get("/v1/merchant")).json() == made["merchant"]
        listed = (await staff.get("/v1/staff/merchants", limit=1)).json()
        rest = (await staff.get("/v1/staff/merchants", limit=1, cursor=listed["next_cursor"])).json()
        assert [rest["items"][0]["name"], rest["next_cursor"]] == ["好运彩票", None]
        assert [each["items"][0]["credit_code"] for each in (listed, rest)] == [None, CODE]

    @clause("CM 9.8")
    async def test_is_no_company_on_the_black_list(self, shop: Counter) -> None:
        rights = (Permission.MERCHANT_REGISTER, Permission.RISK_MANAGE, Permission.RISK_APPROVE)
        one, other = [await shop.staff(*rights, name=name) for name in ("one", "other")]
        entry = {"colour": "black", "scope": "person", "value": CODE, "reason": "fraud"}
        made = (await one.post("/v1/staff/risk/entries", entry)).json()
        assert (await other.post(f"/v1/staff/risk/entries/{made['entry_id']}/approve")).json()["state"] == "listed"
        body = {
            "name": "好运彩票", "province": "GD", "public_key": raw(Ed25519PrivateKey.generate()),
            "notify_url": "https://x.example", "credit_code": CODE,
        }  # fmt: skip
        problem(await one.post("/v1/staff/merchants", body), 403, "blacklisted")
        old = f"/v1/staff/merchants/{MerchantId.from_uuid(shop.market.merchant.id)}/credit-code"
        problem(await one.put(old, {"credit_code": CODE}), 403, "blacklisted")

    @clause("CM 9.8")
    async def test_whose_company_came_on_a_list_after_it_was_registered_sells_nothing(self, shop: Counter) -> None:
        rights = (Permission.MERCHANT_REGISTER, Permission.RISK_MANAGE, Permission.RISK_APPROVE)
        one, other = [await shop.staff(*rights, name=name) for name in ("one", "other")]
        path = f"/v1/staff/merchants/{MerchantId.from_uuid(shop.market.merchant.id)}/credit-code"
        assert (await one.put(path, {"credit_code": CODE})).status_code == 200
        async with shop.runtime.database.transaction() as uow:  # As it was written before lists were looked up so.
            await uow.execute("UPDATE merchant SET person_digest = NULL")
        assert [await mark_companies(shop.runtime) for _ in range(2)] == [1, 0]
        payer = await shop.subscriber()
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        entry = {"colour": "black", "scope": "person", "value": CODE, "reason": "fraud"}
        made = (await one.post("/v1/staff/risk/entries", entry)).json()
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        assert (await other.post(f"/v1/staff/risk/entries/{made['entry_id']}/approve")).json()["state"] == "listed"
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "blacklisted")
        await assert_books_balance(shop.runtime)

    async def test_is_one_company_and_one_company_is_one_merchant(self, shop: Counter) -> None:
        staff = await shop.staff(Permission.MERCHANT_REGISTER)
        key = raw(Ed25519PrivateKey.generate())
        body = {
            "name": "好运彩票", "province": "GD", "public_key": key, "notify_url": "https://x.example",
            "credit_code": CODE,
        }  # fmt: skip
        first = (await staff.post("/v1/staff/merchants", body)).json()["merchant"]["merchant_id"]
        again = await staff.post("/v1/staff/merchants", {**body, "name": "好运体彩"})
        assert problem(again, 400, "malformed_request")["errors"][0]["field"] == "credit_code"
        old = f"/v1/staff/merchants/{MerchantId.from_uuid(shop.market.merchant.id)}/credit-code"
        for wrong in (CODE, CODE[:-1] + "M", ""):
            answer = await staff.put(old, {"credit_code": wrong})
            assert problem(answer, 400, "malformed_request")["errors"][0]["field"] == "credit_code"
        await close_merchant(shop.runtime, shop.market.clock, MerchantId.parse(first, field="merchant_id"))
        assert (await staff.put(old, {"credit_code": CODE})).json()["credit_code"] == CODE
        closed = await staff.put(f"/v1/staff/merchants/{first}/credit-code", {"credit_code": CODE})
        problem(closed, 409, "illegal_state")

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"public_key": "AAAA"}, "public_key"),
            ({"public_key": "no base 64!"}, "public_key"),
            ({"notify_url": "ftp://x"}, "notify_url"),
            ({"notify_url": "http://user:pw@x/"}, "notify_url"),
            ({"province": "XX"}, "province"),
            ({"name": "a\u0007b"}, "name"),
            ({"name": "Kiosk"}, "name"),
            ({"credit_code": "91110000600037341M"}, "credit_code"),
            ({"credit_code": "600037341"}, "credit_code"),
            ({"name": ""}, "name"),
        ],
    )
    async def test_is_not_registered_with_a_bad_field(self, shop: Counter, changed: dict[str, Any], field: str) -> None:
        staff = await shop.staff(Permission.MERCHANT_REGISTER)
        good = {
            "name": "N", "province": "GD", "public_key": raw(Ed25519PrivateKey.generate()), "notify_url": "http://x",
            "credit_code": CODE,
        }  # fmt: skip
        before = await shop.left()
        document = problem(await staff.post("/v1/staff/merchants", good | changed), 400, "malformed_request")
        assert document["errors"][0]["field"] == field
        assert await shop.left() == before

    async def test_that_is_suspended_sells_nothing_until_resumed(self, shop: Counter) -> None:
        staff, payer = await shop.staff(Permission.MERCHANT_REGISTER), await shop.subscriber()
        path = f"/v1/staff/merchants/{shop.merchant().key_id}"
        assert (await staff.post(f"{path}/suspend")).json()["state"] == "suspended"
        problem(await staff.post(f"{path}/suspend"), 409, "illegal_state")
        problem(await payer.post("/v1/purchases", shop.purchase()), 409, "merchant_not_active")
        assert (await payer.get("/v1/products")).json()["items"] == []
        assert (await staff.post(f"{path}/resume")).json()["state"] == "active"
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        problem(await staff.post("/v1/staff/merchants/mer_" + "0" * 32 + "/resume"), 404, "unknown_merchant")

    async def test_renews_its_api_key(self, shop: Counter) -> None:
        merchant = shop.merchant()
        renewed = await merchant.post("/v1/merchant/api-key")
        assert renewed.status_code == 201
        problem(await merchant.get("/v1/merchant"), 401, "unauthenticated")
        merchant.headers = {"x-api-key": renewed.json()["api_key"]}
        assert (await merchant.get("/v1/merchant")).status_code == 200
        assert (await merchant.post("/v1/merchant/webhook-secret")).json()["webhook_secret"].startswith("whsec_")

    async def test_changes_its_public_key(self, shop: Counter) -> None:
        merchant, key = shop.merchant(), Ed25519PrivateKey.generate()
        assert (await merchant.put("/v1/merchant/public-key", {"public_key": raw(key)})).status_code == 204
        problem(await merchant.get("/v1/merchant"), 401, "signature_invalid")
        merchant.private_key = key
        assert (await merchant.get("/v1/merchant")).status_code == 200

    async def test_changes_where_its_orders_go(self, shop: Counter) -> None:
        merchant = shop.merchant()
        assert (
            await merchant.put("/v1/merchant/notify-url", {"notify_url": "http://new.example/x"})
        ).status_code == 204
        assert (await merchant.get("/v1/merchant")).json()["notify_url"] == "http://new.example/x"

    async def test_lists_its_transactions_by_state_and_time(self, shop: Counter) -> None:
        merchant, payer = shop.merchant(), await shop.subscriber()
        paid = (await payer.post("/v1/purchases", shop.purchase())).json()
        await payer.post("/v1/purchases", shop.purchase(amount_fen=200_000))
        listed = (await merchant.get("/v1/merchant/transactions")).json()["items"]
        assert sorted(item["state"] for item in listed) == ["DECLINED", "SUCCEEDED"]
        (only,) = (await merchant.get("/v1/merchant/transactions", state="SUCCEEDED")).json()["items"]
        assert only == paid
        later = await merchant.get("/v1/merchant/transactions", since="2026-03-01T05:00:00Z")
        assert later.json()["items"] == []
        naive = await merchant.get("/v1/merchant/transactions", since="2026-03-01T05:00:00")
        problem(naive, 400, "malformed_request")


@clause("CT 5.5", "CT 6.2", "CT 4.2")
class TestGoods:
    async def _uploaded(self, shop: Counter, **changed: Any) -> dict[str, Any]:
        answer = await shop.merchant().post("/v1/merchant/products", GOODS | changed)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def test_go_from_upload_over_review_to_the_window(self, shop: Counter) -> None:
        merchant, reviewer = shop.merchant(), await shop.staff(Permission.PRODUCT_REVIEW)
        made = await self._uploaded(shop, picture=base64.b64encode(PNG).decode())
        path, outside = f"/v1/merchant/products/{made['product_id']}", f"/v1/products/{made['product_id']}"
        assert made["state"] == "draft"
        problem(await shop.client.get(outside), 404, "unknown_product")
        review = f"/v1/staff/products/{made['product_id']}"
        problem(await reviewer.post(f"{review}/publish", {"revision": 1}), 409, "illegal_state")
        assert (await merchant.post(f"{path}/submit")).json()["state"] == "submitted"
        waiting = (await reviewer.get("/v1/staff/products")).json()["items"]
        assert [item["product_id"] for item in waiting] == [made["product_id"]]
        assert waiting[0] == (await reviewer.get(review)).json()
        for caller, shown in ((reviewer, waiting[0]["picture"]), (merchant, made["picture"])):
            picture = await caller.get(shown)
            assert (picture.content, picture.headers["cache-control"]) == (PNG, "no-store")
        problem(await reviewer.post(f"{review}/publish", {"note": "fine"}), 400, "malformed_request")
        problem(await reviewer.post(f"{review}/publish", {"revision": 2}), 409, "product_changed")
        published = await reviewer.post(f"{review}/publish", {"note": "fine", "revision": waiting[0]["revision"]})
        assert published.json()["state"] == "published"
        shown = (await shop.client.get(outside)).json()
        assert shown["available"] == 5
        assert "review_note" not in shown
        picture = await shop.client.get(f"{outside}/picture")
        assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
        assert "max-age" in picture.headers["cache-control"]
        listed = (await shop.client.get("/v1/products", params={"category": "票务", "q": "充值"})).json()["items"]
        assert [item["product_id"] for item in listed] == [made["product_id"]]
        assert (await shop.client.get("/v1/categories")).json()["items"] == [
            {"name": "cards", "products": 1},
            {"name": "票务", "products": 1},
        ]

    async def test_are_listed_in_pages_latest_first(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        first = (await payer.get("/v1/products", limit=1)).json()
        assert (len(first["items"]), first["next_cursor"]) == (1, None)
        await self._publish(shop, "local")
        first = (await payer.get("/v1/products", limit=1)).json()
        second = (await payer.get("/v1/products", limit=1, cursor=first["next_cursor"])).json()
        assert second["next_cursor"] is None
        assert first["items"][0]["product_id"] != second["items"][0]["product_id"]

    async def _publish(self, shop: Counter, scope: str) -> str:
        made = await self._uploaded(shop, scope=scope)
        reviewer = await shop.staff(Permission.PRODUCT_REVIEW, name=f"reviewer of {scope}")
        await shop.merchant().post(f"/v1/merchant/products/{made['product_id']}/submit")
        await reviewer.post(f"/v1/staff/products/{made['product_id']}/publish", {"revision": 1})
        return str(made["product_id"])

    async def test_are_shown_by_home_and_visited_province(self, shop: Counter) -> None:
        local, visited = await self._publish(shop, "local"), await self._publish(shop, "visited")

        async def seen(**query: str) -> set[str]:
            answer = await shop.client.get("/v1/products", params=query)
            return {item["product_id"] for item in answer.json()["items"]} & {local, visited}

        assert await seen(home_province="GD") == {local}
        assert await seen(home_province="JS") == set()
        assert await seen(home_province="JS", visited_province="GD") == {visited}
        answer = await shop.client.get("/v1/products", params={"home_province": "Guangdong"})
        problem(answer, 400, "malformed_request")

    async def test_have_a_hot_list(self, shop: Counter) -> None:
        answer = await shop.client.get("/v1/products", params={"hot": "true"})
        assert (answer.status_code, answer.json()["next_cursor"]) == (200, None)
        both = await shop.client.get("/v1/products", params={"hot": "true", "q": "x"})
        assert problem(both, 400, "malformed_request")["errors"][0]["field"] == "q"

    async def test_are_refused_edited_and_submitted_again(self, shop: Counter) -> None:
        merchant, reviewer = shop.merchant(), await shop.staff(Permission.PRODUCT_REVIEW)
        made = await self._uploaded(shop, picture=base64.b64encode(PNG).decode())
        path = f"/v1/merchant/products/{made['product_id']}"
        await merchant.post(f"{path}/submit")
        refused = await reviewer.post(f"/v1/staff/products/{made['product_id']}/refuse", {"note": "图片不清晰"})
        assert (refused.json()["state"], refused.json()["review_note"]) == ("refused", "图片不清晰")
        edited = (await merchant.send("PATCH", path, {"price_fen": 2800, "quantity": None})).json()
        assert (edited["state"], edited["price_fen"], edited["available"]) == ("draft", 2800, None)
        assert (edited["name"], edited["picture"]) == (made["name"], made["picture"])
        without = (await merchant.send("PATCH", path, {"picture": None})).json()
        assert (without["picture"], without["price_fen"]) == (None, 2800)
        problem(await merchant.send("PATCH", path, {"name": None}), 400, "malformed_request")
        assert (await merchant.get(path)).json() == without
        (first, *_) = (await merchant.get("/v1/merchant/products", limit=1)).json()["items"]
        assert first["product_id"] != made["product_id"]

    @pytest.mark.parametrize(
        ("changed", "status", "code"),
        [
            ({"price_fen": 0}, 400, "amount_out_of_range"),
            ({"price_fen": 1.5}, 400, "malformed_request"),
            ({"currency": "USD"}, 400, "unsupported_currency"),
            ({"quantity": -1}, 400, "malformed_request"),
            ({"quantity": 1.0}, 400, "malformed_request"),
            ({"scope": "world"}, 400, "malformed_request"),
            ({"name": "x" * 61}, 400, "malformed_request"),
            ({"description": "a\u0000b"}, 400, "malformed_request"),
            ({"picture": "no base 64"}, 400, "malformed_request"),
            ({"picture": base64.b64encode(b"GIF89a").decode()}, 415, "unsupported_media_type"),
            ({"picture": base64.b64encode(PNG + b"\0" * 524_288).decode()}, 413, "payload_too_large"),
        ],
    )
    async def test_are_not_uploaded_with_a_bad_field(
        self, shop: Counter, changed: dict[str, Any], status: int, code: str
    ) -> None:
        before = await shop.left()
        problem(await shop.merchant().post("/v1/merchant/products", GOODS | changed), status, code)
        assert await shop.left() == before

    async def test_are_restocked_and_withdrawn_by_their_merchant_alone(self, shop: Counter) -> None:
        merchant = shop.merchant()
        path = f"/v1/merchant/products/{ProductId.from_uuid(shop.market.product.id)}"
        assert (await merchant.post(f"{path}/restock", {"change": 5})).json()["available"] == 15
        problem(await merchant.post(f"{path}/restock", {"change": -16}), 409, "out_of_stock")
        problem(await merchant.post(f"{path}/restock", {"change": 0}), 400, "malformed_request")
        problem(await merchant.post(f"{path}/restock", {"change": 2.5}), 400, "malformed_request")
        strange, _ = await shop.market.open_shop("Other")
        credentials = strange.book.credentials()
        assert credentials is not None
        other = Caller(
            shop.client, shop.runtime.clock, {"x-api-key": credentials[1]}, strange.private_key, credentials[0]
        )
        for answer in (
            await other.post(f"{path}/restock", {"change": 1}),
            await other.post(f"{path}/withdraw"),
            await other.get(path),
            await other.send("PATCH", path, {"price_fen": 1}),
        ):
            problem(answer, 404, "unknown_product")
        assert (await merchant.post(f"{path}/withdraw")).json()["state"] == "withdrawn"
        problem(await merchant.post(f"{path}/withdraw"), 409, "illegal_state")

    async def test_are_taken_down_by_staff(self, shop: Counter) -> None:
        reviewer = await shop.staff(Permission.PRODUCT_REVIEW)
        path = f"/v1/staff/products/{ProductId.from_uuid(shop.market.product.id)}/take-down"
        problem(await reviewer.post(path, {"note": ""}), 400, "malformed_request")
        assert (await reviewer.post(path, {"note": "complaints"})).json()["state"] == "withdrawn"
        problem(await shop.client.get("/v1/products/prd_" + "0" * 32), 404, "unknown_product")


@clause("CT 5.3", "CT 7.1")
class TestADelivery:
    async def test_is_in_the_log_with_every_attempt_and_can_be_ordered_again(self, shop: Counter) -> None:
        merchant, payer = shop.merchant(), await shop.subscriber()
        staff = await shop.staff(Permission.DELIVERY_RESEND)
        body = shop.purchase(product_id=str(ProductId.from_uuid(shop.market.product.id)), quantity=1)
        paid = (await payer.post("/v1/purchases", body)).json()
        identity = paid["transaction_id"]

        async def state() -> str:
            return str((await merchant.get(f"/v1/merchant/deliveries/{identity}")).json()["delivery"]["state"])

        async def delivered() -> bool:
            return await state() == "delivered"

        async with shop.market.working():
            await eventually(delivered)
            assert (await merchant.post(f"/v1/merchant/deliveries/{identity}/resend")).status_code == 202
            assert (await staff.post(f"/v1/staff/deliveries/{identity}/resend")).status_code == 202

            async def tried() -> bool:
                log = (await merchant.get(f"/v1/merchant/deliveries/{identity}")).json()
                orders = [message for message in log["messages"] if message["kind"] == "delivery"]
                return bool(orders[0]["state"] == "done" and len(orders[0]["attempts"]) >= 2)

            await eventually(tried)
        (line,) = (await merchant.get("/v1/merchant/deliveries")).json()["items"]
        assert (line["transaction_id"], line["state"], line["sale_state"]) == (identity, "delivered", "SUCCEEDED")
        log = (await staff.get(f"/v1/staff/deliveries/{identity}")).json()
        (told,) = [message for message in log["messages"] if message["kind"] == "webhook"]
        assert (await merchant.post(f"/v1/merchant/webhooks/{told['id']}/resend")).status_code == 202
        problem(await merchant.post("/v1/merchant/webhooks/out_" + "0" * 32 + "/resend"), 404, "not_found")
        problem(await merchant.get("/v1/merchant/deliveries/txn_" + "0" * 32), 404, "unknown_transaction")

    async def test_and_every_event_have_the_shape_that_is_documented(self, shop: Counter) -> None:
        merchant, payer = shop.merchant(), await shop.subscriber()
        product = {"product_id": str(ProductId.from_uuid(shop.market.product.id)), "quantity": 1}
        sold = (await payer.post("/v1/purchases", shop.purchase(**product))).json()
        await payer.post("/v1/purchases", shop.purchase())
        book = shop.market.shop.book

        async def told() -> bool:
            types = {event.body["type"] for event in book.webhooks()}
            return types == {"purchase.succeeded", "purchase.delivered", "purchase.reversed"}

        async def delivered() -> bool:
            now = await payer.get(f"/v1/purchases/{sold['transaction_id']}")
            return bool(now.json()["delivery"]["state"] == "delivered")

        async with shop.market.working():
            await eventually(delivered)
            await merchant.post("/v1/reversals", {"transaction_id": sold["transaction_id"], "reason": "x"})
            await eventually(told)
        for event in book.webhooks():
            view, _ = EVENTS[event.body["type"]]
            view.model_validate(event.body, strict=True)

    async def test_that_was_refused_is_reversed_and_not_ordered_again(self, shop: Counter) -> None:
        merchant, payer = shop.merchant(), await shop.subscriber()
        shop.market.shop.fail(Fault.REFUSE, count=1)
        body = shop.purchase(product_id=str(ProductId.from_uuid(shop.market.product.id)), quantity=1)
        path = f"/v1/purchases/{(await payer.post('/v1/purchases', body)).json()['transaction_id']}"

        async def reversed_() -> bool:
            return bool((await payer.get(path)).json()["state"] == "REVERSED")

        async with shop.market.working():
            await eventually(reversed_)
        found = (await payer.get(path)).json()
        assert found["delivery"]["state"] == "refused"
        assert await shop.balance_fen() == 100_000
        resend = f"/v1/merchant/deliveries/{found['transaction_id']}/resend"
        problem(await merchant.post(resend), 409, "illegal_state")

"""Purchases over HTTP: paid by the subscriber, asked for by the merchant, repeated, declined, reversed."""

from __future__ import annotations

from typing import Any

import pytest

from mpss.accounts.codes import Purpose
from mpss.kernel.ids import ProductId
from mpss.staff.permissions import Permission
from mpss.transactions.confirm import confirm
from tests.support.clauses import clause
from tests.support.house import assert_books_balance, notices, sms_code, subscriber
from tests.support.http import Counter, problem
from tests.support.market import PHONE


def product(shop: Counter, **changed: Any) -> dict[str, Any]:
    product_id = str(ProductId.from_uuid(shop.market.product.id))
    return shop.purchase(product_id=product_id, quantity=1, **changed)


@clause("CT 5.3", "CT 6.3.2", "CM 6.11.1")
class TestASubscribersPurchase:
    async def test_moves_the_money_and_is_answered_with_the_transaction(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        answer = await payer.post("/v1/purchases", shop.purchase(metadata={"table": "7"}))
        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert (told["state"], told["amount_fen"], told["total_fen"], told["currency"]) == (
            "SUCCEEDED",
            2500,
            2500,
            "CNY",
        )
        assert answer.headers["location"] == f"/v1/transactions/{told['transaction_id']}"
        assert "idempotent-replayed" not in answer.headers
        assert await shop.balance_fen() == 97_500
        assert told["metadata"] == {"table": "7"}
        again = await payer.get(answer.headers["location"])
        assert again.json() == told
        await assert_books_balance(shop.runtime)

    async def test_moves_it_once_when_the_request_is_repeated(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        first = await payer.post("/v1/purchases", shop.purchase(), key="k")
        again = await payer.post("/v1/purchases", shop.purchase(), key="k")
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["idempotent-replayed"] == "true"
        assert await shop.balance_fen() == 97_500

    async def test_is_refused_under_a_key_that_was_used_for_another(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        await payer.post("/v1/purchases", shop.purchase(), key="k")
        before = await shop.left()
        document = problem(await payer.post("/v1/purchases", shop.purchase(amount_fen=1), key="k"), 422, "key_reused")
        assert "transaction" not in document
        assert await shop.left() == before

    async def test_is_declined_with_the_transaction_on_record_and_the_same_on_a_repeat(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        asked = shop.purchase(amount_fen=100_001)
        document = problem(await payer.post("/v1/purchases", asked, key="k"), 402, "insufficient_funds")
        assert document["transaction"]["state"] == "DECLINED"
        assert document["transaction"]["refusal"] == "insufficient_funds"
        again = await payer.post("/v1/purchases", asked, key="k")
        assert problem(again, 402, "insufficient_funds")["transaction"] == document["transaction"]
        assert again.headers["idempotent-replayed"] == "true"
        found = await payer.get(f"/v1/transactions/{document['transaction']['transaction_id']}")
        assert found.json() == document["transaction"]
        assert await shop.balance_fen() == 100_000

    async def test_with_a_wrong_password_is_counted_and_leaves_the_key_free(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        wrong = shop.purchase(payment_password="135246")
        document = problem(await payer.post("/v1/purchases", wrong, key="k"), 403, "wrong_password")
        assert "transaction" not in document
        assert "135246" not in str(document)
        assert (await payer.post("/v1/purchases", shop.purchase(), key="k")).status_code == 201

    async def test_is_locked_out_after_three_wrong_passwords(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        for _ in range(3):
            problem(await payer.post("/v1/purchases", shop.purchase(payment_password="135246")), 403, "wrong_password")
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "password_locked")
        code = await sms_code(shop.runtime, PHONE, Purpose.UNLOCK)
        released = await shop.nobody().post("/v1/account/password/unlock", {"phone": PHONE, "code": code})
        assert released.status_code == 204
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201

    async def test_of_a_product_is_delivered_and_shows_it(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        paid = (await payer.post("/v1/purchases", product(shop))).json()
        path = f"/v1/purchases/{paid['transaction_id']}"
        assert (await payer.get(path)).json()["delivery"]["state"] == "ordered"
        async with shop.market.working():
            while (await payer.get(path)).json()["delivery"]["state"] == "ordered":
                pass
        delivery = (await payer.get(path)).json()["delivery"]
        assert delivery["state"] == "delivered"
        assert delivery["content"]

    async def test_of_more_than_one_names_the_sum(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        paid = await payer.post("/v1/purchases", product(shop, amount_fen=5000) | {"quantity": 2})
        assert (paid.status_code, paid.json()["amount_fen"], paid.json()["quantity"]) == (201, 5000, 2)
        document = problem(
            await payer.post("/v1/purchases", product(shop, amount_fen=5001) | {"quantity": 2}),
            400,
            "malformed_request",
        )
        assert document["errors"][0]["field"] == "amount_fen"
        without = product(shop) | {"quantity": 0}
        document = problem(await payer.post("/v1/purchases", without), 400, "malformed_request")
        assert document["errors"][0]["field"] == "quantity"

    @pytest.mark.parametrize(
        ("changed", "status", "code"),
        [
            ({"amount_fen": 2600}, 409, "price_changed"),
            ({"fee_fen": 1}, 409, "price_changed"),
            ({"quantity": 11, "amount_fen": 27_500}, 409, "out_of_stock"),
        ],
    )
    async def test_of_a_product_is_declined(
        self, shop: Counter, changed: dict[str, Any], status: int, code: str
    ) -> None:
        payer = await shop.subscriber()
        problem(await payer.post("/v1/purchases", product(shop) | changed), status, code)
        assert await shop.balance_fen() == 100_000

    async def test_over_the_daily_limit_is_declined(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        set_to = await payer.put("/v1/account/daily-limit", {"daily_limit_fen": 3000, "currency": "CNY"})
        assert set_to.json()["daily_limit_fen"] == 3000
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "daily_limit_exceeded")

    async def test_of_somebody_elses_is_not_shown(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        paid = (await payer.post("/v1/purchases", shop.purchase())).json()
        await subscriber(shop.runtime, "18912340002")
        stranger = await shop.subscriber("18912340002")
        for path in ("transactions", "purchases"):
            problem(await stranger.get(f"/v1/{path}/{paid['transaction_id']}"), 404, "unknown_transaction")


@clause("CT 12.1")
class TestASprayedPassword:
    async def test_needs_an_sms_code_besides_and_the_code_holds_once(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        for number in range(2, 7):
            await subscriber(shop.runtime, f"1891234000{number}")
            other = await shop.subscriber(f"1891234000{number}")
            problem(await other.post("/v1/purchases", shop.purchase(payment_password="857214")), 403, "wrong_password")
        # The payer's own password is not hot; a hot one is challenged, right or wrong.
        hot = shop.purchase(payment_password="857214")
        problem(await payer.post("/v1/purchases", hot), 403, "challenge_required")
        problem(await payer.post("/v1/purchases", hot | {"sms_code": "000000"}), 403, "wrong_code")
        code = await sms_code(shop.runtime, PHONE, Purpose.CHALLENGE)
        problem(await payer.post("/v1/purchases", hot | {"sms_code": code}), 403, "wrong_password")
        problem(await payer.post("/v1/purchases", hot | {"sms_code": code}), 403, "code_expired")

    async def test_is_answered_as_at_first_when_the_request_with_its_code_is_repeated(self, shop: Counter) -> None:
        await subscriber(shop.runtime, "18912340009", password="857214")
        payer = await shop.subscriber("18912340009")
        clerk = await shop.staff(Permission.CASH_TOPUP, name="clerk 2", hall="H01", clerk="C02")
        await clerk.post("/v1/topups/cash", {"phone": "18912340009", "amount_fen": 10_000, "currency": "CNY"})
        for number in range(2, 7):
            await subscriber(shop.runtime, f"1891234000{number}")
            other = await shop.subscriber(f"1891234000{number}")
            await other.post("/v1/purchases", shop.purchase(payment_password="857214"))
        code = await sms_code(shop.runtime, "18912340009", Purpose.CHALLENGE)
        body = shop.purchase(payment_password="857214", sms_code=code)
        first = await payer.post("/v1/purchases", body, key="k")
        assert first.status_code == 201
        again = await payer.post("/v1/purchases", body, key="k")
        assert (again.status_code, again.json()) == (201, first.json())


@clause("CT 5.3", "CT 6.3.2")
class TestAMerchantsRequest:
    async def test_waits_for_the_payer_who_confirms_by_sms(self, shop: Counter) -> None:
        merchant = shop.merchant()
        body = shop.purchase(payment_password=None, merchant_id=None, phone=PHONE, merchant_order_no="A-1")
        asked = await merchant.post("/v1/purchases", body)
        assert (asked.status_code, asked.json()["state"]) == (202, "CONFIRMING")
        assert asked.json()["finished_at"] is None
        assert await shop.balance_fen() == 100_000
        questions = [params for event, params in await notices(shop.runtime, PHONE) if event == "confirm_purchase"]
        await confirm(shop.runtime, phone=PHONE, code=str(questions[-1]["code"]))
        assert await shop.balance_fen() == 97_500
        now = await merchant.get(f"/v1/purchases/{asked.json()['transaction_id']}")
        assert now.json()["state"] == "SUCCEEDED"

    async def test_takes_an_order_number_once(self, shop: Counter) -> None:
        merchant = shop.merchant()
        body = shop.purchase(payment_password=None, phone=PHONE, merchant_order_no="A-1")
        assert (await merchant.post("/v1/purchases", body)).status_code == 202
        problem(await merchant.post("/v1/purchases", body), 409, "duplicate_order")

    async def test_in_anothers_name_is_forbidden(self, shop: Counter) -> None:
        merchant = shop.merchant()
        body = shop.purchase(payment_password=None, phone=PHONE, merchant_id="mer_" + "0" * 32)
        problem(await merchant.post("/v1/purchases", body), 403, "forbidden")

    async def test_is_reversed_by_its_order_number(self, shop: Counter) -> None:
        merchant, payer = shop.merchant(), await shop.subscriber()
        paid = (await payer.post("/v1/purchases", shop.purchase())).json()
        asked = {"transaction_id": paid["transaction_id"], "reason": "sold out"}
        done = await merchant.post("/v1/reversals", asked)
        assert (done.status_code, done.json()["state"]) == (201, "SUCCEEDED")
        assert done.json()["original_id"] == paid["transaction_id"]
        assert await shop.balance_fen() == 100_000
        problem(await merchant.post("/v1/reversals", asked), 409, "illegal_state")

    async def test_that_comes_after_its_reversal_is_refused(self, shop: Counter) -> None:
        merchant = shop.merchant()
        early = await merchant.post("/v1/reversals", {"merchant_order_no": "A-2", "reason": "timed out"})
        assert early.status_code == 201
        late = shop.purchase(payment_password=None, phone=PHONE, merchant_order_no="A-2")
        problem(await merchant.post("/v1/purchases", late), 409, "already_tombstoned")


class TestAQuote:
    async def test_tells_the_fee_before_the_payer_confirms(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        answer = await payer.post("/v1/quotes", {"amount_fen": 2500, "currency": "CNY"}, key="")
        assert answer.json() == {"amount_fen": 2500, "fee_fen": 0, "total_fen": 2500, "currency": "CNY"}

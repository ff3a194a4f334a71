"""Purchase and delivery of a local service (CT 5.3, 6.3.2): on the web, by SMS, asked for by the CP/SP."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import pytest

from mpss.simulators.people import Person, confirmation_in, merchant_id_of
from tests.support.center import Center, refusal
from tests.support.clauses import clause
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.xdist_group("center"),
    clause("CT 4.1", "CT 5.3", "CT 6.3.2"),
]


async def card_of(center: Center, *, quantity: int | None = 10) -> dict[str, Any]:
    """A product on sale at the kiosk."""
    return await center.counter.put_on_sale(
        center.kiosk, f"上网卡 {time.time_ns()}", category="cards", price_fen=2_500, quantity=quantity
    )


async def delivery_of(person: Person, transaction_id: str) -> dict[str, Any]:
    """How the delivery of a sale stands once it was answered."""
    found: dict[str, Any] = {}

    async def answered() -> bool:
        purchase = await person.api.get(f"/v1/purchases/{transaction_id}")
        found.update(purchase["delivery"])
        return bool(found["state"] != "ordered")

    await eventually(answered)
    return found


async def owed(center: Center, shop_id: str) -> int:
    """What the merchant is owed, in fen, by the books."""
    rows = await center.dicts(
        "SELECT coalesce(-sum(p.amount_fen), 0)::bigint AS fen FROM merchant AS m"
        " LEFT JOIN posting AS p ON p.ledger_account_id = m.ledger_account_id WHERE m.id = %(id)s",
        id=shop_id.removeprefix("mer_"),
    )
    return int(rows[0]["fen"])


class TestAPurchaseOnTheWeb:
    async def test_moves_the_money_once_and_brings_the_goods(self, shared_center: Center) -> None:
        card, li = await card_of(shared_center), await shared_center.subscriber(fen=10_000)
        shop_id = card["merchant_id"]
        before = await owed(shared_center, shop_id)
        quote = await li.api.post("/v1/quotes", {"amount_fen": 5_000, "currency": "CNY"})
        key = f"basket-{li.phone}"
        paid = await li.buy(card, quantity=2, fee_fen=quote["fee_fen"], key=key)
        assert (paid["state"], paid["total_fen"]) == ("SUCCEEDED", quote["total_fen"])
        assert await li.buy(card, quantity=2, fee_fen=quote["fee_fen"], key=key) == paid
        delivery = await delivery_of(li, paid["transaction_id"])
        assert delivery["state"] == "delivered"
        assert delivery["content"] in await li.sms("已交付")
        order = shared_center.kiosk.book.order(paid["transaction_id"])
        assert order is not None
        assert (order.asked, order.order["quantity"], order.order["amount_fen"]) == (1, 2, 5_000)
        assert (await li.account())["balance_fen"] == 5_000
        assert await owed(shared_center, shop_id) - before == 5_000
        shown = await shared_center.api.get(f"/v1/products/{card['product_id']}")
        assert shown["available"] == 8
        await shared_center.assert_told_once(li)
        assert await shared_center.events(li) == ["code", "opened", "topped_up", "paid", "delivered"]
        await shared_center.assert_sound()

    async def test_is_declined_without_moving_anything(self, shared_center: Center) -> None:
        card, li = await card_of(shared_center, quantity=1), await shared_center.subscriber(fen=2_600)
        notices = await shared_center.events(li)
        assert await refusal(li.buy(card, quantity=2)) == "out_of_stock"
        assert await refusal(li.buy(card | {"price_fen": 2_400})) == "price_changed"
        assert await refusal(li.buy(card, fee_fen=1)) == "price_changed"
        assert await refusal(li.pay(shared_center.kiosk, 2_601)) == "insufficient_funds"
        assert await refusal(li.pay(shared_center.kiosk, 500_001)) == "single_limit_exceeded"
        assert await refusal(li.buy(card, password="8" + li.phone[-5:])) == "wrong_password"
        assert (await li.account())["balance_fen"] == 2_600
        assert await shared_center.events(li) == notices
        assert (await li.buy(card))["state"] == "SUCCEEDED"

    async def test_of_the_last_piece_is_won_by_one_of_many(self, shared_center: Center) -> None:
        card = await card_of(shared_center, quantity=3)
        people = [await shared_center.subscriber(f"P{number}", fen=2_500) for number in range(6)]
        answers = await asyncio.gather(*(person.buy(card) for person in people), return_exceptions=True)
        assert sum(not isinstance(answer, Exception) for answer in answers) == 3
        assert sum([(await person.account())["balance_fen"] for person in people]) == 3 * 2_500
        assert (await shared_center.api.get(f"/v1/products/{card['product_id']}"))["available"] == 0
        await shared_center.assert_sound()


class TestAPurchaseBySms:
    async def test_takes_a_question_with_the_price_and_a_yes(self, shared_center: Center) -> None:
        card, li = await card_of(shared_center), await shared_center.subscriber(fen=10_000)
        question = await li.ask(f"ZF {card['sms_code']} 2", "确认请回复")
        assert "50.00元" in question
        assert "免手续费" in question
        assert (await li.account())["balance_fen"] == 10_000
        assert "支付50.00元" in await li.ask(f"y{confirmation_in(question)}", "支付")
        assert "卡号" in await li.sms("已交付")
        assert (await li.account())["balance_fen"] == 5_000
        # The same answer again pays nothing more.
        await li.handset.send(f"Y {confirmation_in(question)}")
        await shared_center.all_sent()
        assert (await li.account())["balance_fen"] == 5_000

    async def test_is_cancelled_by_a_no(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=10_000)
        shop_id = merchant_id_of(shared_center.kiosk)
        merchants = (await shared_center.counter.manager.get("/v1/staff/merchants"))["items"]
        number = next(each["sms_code"] for each in merchants if each["merchant_id"] == shop_id)
        question = await li.ask(f"ZF {number} 25.00", "确认请回复")
        assert "取消" in await li.ask(f"N {confirmation_in(question)}", "取消")
        assert await refusal_by_sms(li, f"Y {confirmation_in(question)}")
        assert (await li.account())["balance_fen"] == 10_000

    async def test_is_answered_to_everybody(self, shared_center: Center) -> None:
        stranger = shared_center.person()
        assert "尚未开通" in await stranger.ask("YE", "尚未开通")
        li = await shared_center.subscriber()
        assert "商品编号不存在" in await li.ask("ZF 999999", "不存在")
        assert "BZ" in await li.ask("hello?", "BZ")


async def refusal_by_sms(person: Person, command: str) -> str:
    """The reply to a command; "paid" is none."""
    reply = await person.ask(command)
    assert "您已向" not in reply
    return reply


class TestAPurchaseAskedForByTheShop:
    async def test_waits_for_the_payers_yes_and_tells_the_shop(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=10_000)
        keeper = shared_center.counter.shopkeeper(shared_center.kiosk)
        order_no = f"A-{li.phone[1:]}"
        body = {"phone": li.phone, "amount_fen": 1_250, "currency": "CNY", "merchant_order_no": order_no}
        await li.mark()
        asked = await keeper.post("/v1/purchases", body)
        assert (asked["state"], asked["finished_at"]) == ("CONFIRMING", None)
        assert await refusal(keeper.post("/v1/purchases", body)) == "duplicate_order"
        question = await li.sms("确认请回复")
        assert "12.50元" in question
        assert (await li.account())["balance_fen"] == 10_000
        await li.ask(f"Y {confirmation_in(question)}", "支付")
        now = await keeper.get(f"/v1/transactions/{asked['transaction_id']}")
        assert (now["state"], now["merchant_order_no"]) == ("SUCCEEDED", order_no)

        async def told() -> bool:
            return any(
                webhook.body["data"]["transaction_id"] == asked["transaction_id"]
                for webhook in shared_center.kiosk.book.webhooks()
            )

        await eventually(told)
        assert (await li.account())["balance_fen"] == 8_750

    async def test_of_anothers_sale_is_not_to_be_seen(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        paid = await li.pay(shared_center.kiosk, 100)
        other = shared_center.counter.shopkeeper(shared_center.lottery)
        assert await refusal(other.get(f"/v1/transactions/{paid['transaction_id']}")) == "unknown_transaction"

    async def test_is_refused_unsigned(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        keeper = shared_center.counter.shopkeeper(shared_center.kiosk)
        assert keeper.signer is not None
        body = {"phone": li.phone, "amount_fen": 100, "currency": "CNY", "merchant_order_no": f"U-{li.phone[1:]}"}
        headers = {"x-api-key": keeper.signer.api_key, "idempotency-key": "unsigned"}
        answer = await shared_center.api.client.post("/v1/purchases", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
        forged = {**headers, "signature": f"sig1=:{base64.b64encode(bytes(64)).decode()}:"}
        answer = await shared_center.api.client.post("/v1/purchases", json=body, headers=forged)
        assert answer.status_code == 401
        assert await shared_center.events(li) == ["code", "opened", "topped_up"]

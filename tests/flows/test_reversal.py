"""Reversal of a local service (冲正, CT 6.5.1): by the CP/SP, before its original, and by itself."""

from __future__ import annotations

import time

import pytest

from mpss.simulators.merchant_shop import Fault
from tests.support.center import Center, refusal
from tests.support.clauses import clause
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.xdist_group("center"),
    clause("CT 5.3", "CT 6.5.1"),
]


class TestAReversal:
    async def test_gives_money_limits_and_stock_back_once(self, shared_center: Center) -> None:
        card = await shared_center.counter.put_on_sale(
            shared_center.kiosk, f"电话卡 {time.time_ns()}", category="cards", price_fen=3_000, quantity=5
        )
        li = await shared_center.subscriber(fen=10_000)
        paid = await li.buy(card, quantity=2)
        await shared_center.all_sent()
        keeper = shared_center.counter.shopkeeper(shared_center.kiosk)
        body = {"transaction_id": paid["transaction_id"], "reason": "顾客取消"}
        done = await keeper.post("/v1/reversals", body, key=f"back-{li.phone}")
        assert (done["state"], done["original_id"], done["amount_fen"]) == ("SUCCEEDED", paid["transaction_id"], 6_000)
        assert await keeper.post("/v1/reversals", body, key=f"back-{li.phone}") == done
        assert await refusal(keeper.post("/v1/reversals", body)) == "illegal_state"
        account = await li.account()
        assert (account["balance_fen"], account["spent_today_fen"]) == (10_000, 0)
        shown = await shared_center.api.get(f"/v1/products/{card['product_id']}")
        assert shown["available"] == 5
        assert (await li.api.get(f"/v1/transactions/{paid['transaction_id']}"))["state"] == "REVERSED"
        told = await li.sms("冲正")
        assert "退回60.00元" in told
        assert "顾客取消" in told
        await shared_center.assert_told_once(li)
        assert (await shared_center.events(li)).count("reversed") == 1
        await shared_center.assert_sound()

    async def test_is_for_the_shops_own_sales(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        paid = await li.pay(shared_center.kiosk, 1_000)
        other = shared_center.counter.shopkeeper(shared_center.lottery)
        body = {"transaction_id": paid["transaction_id"], "reason": "mine"}
        assert await refusal(other.post("/v1/reversals", body)) == "unknown_transaction"
        assert await refusal(li.api.post("/v1/reversals", body)) == "unauthenticated"
        assert (await li.account())["balance_fen"] == 0

    async def test_that_comes_before_its_sale_refuses_the_late_sale(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        keeper = shared_center.counter.shopkeeper(shared_center.kiosk)
        order_no = f"L-{li.phone[1:]}"
        await keeper.post("/v1/reversals", {"merchant_order_no": order_no, "reason": "timed out"})
        late = {"phone": li.phone, "amount_fen": 100, "currency": "CNY", "merchant_order_no": order_no}
        assert await refusal(keeper.post("/v1/purchases", late)) == "already_tombstoned"
        assert await shared_center.events(li) == ["code", "opened", "topped_up"]


class TestARefusedDelivery:
    async def test_reverses_the_sale_by_itself(self, shared_center: Center) -> None:
        card = await shared_center.counter.put_on_sale(
            shared_center.lottery, f"彩票 {time.time_ns()}", category="lottery", price_fen=200, quantity=5
        )
        li = await shared_center.subscriber(fen=1_000)
        shared_center.lottery.fail(Fault.REFUSE, count=1)
        paid = await li.buy(card)

        async def reversed_() -> bool:
            now = await li.api.get(f"/v1/purchases/{paid['transaction_id']}")
            return bool(now["state"] == "REVERSED")

        await eventually(reversed_)
        now = await li.api.get(f"/v1/purchases/{paid['transaction_id']}")
        assert now["delivery"]["state"] == "refused"
        account = await li.account()
        assert (account["balance_fen"], account["spent_today_fen"]) == (1_000, 0)
        assert (await shared_center.api.get(f"/v1/products/{card['product_id']}"))["available"] == 5
        assert "商户未能交付" in await li.sms("冲正")
        await shared_center.assert_told_once(li)
        await shared_center.assert_sound()

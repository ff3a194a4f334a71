"""Closing by a merchant over HTTP: asked for, decided by two people, a notice period, settled with, then gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mpss.kernel.ids import MerchantId, ProductId
from mpss.ledger.balances import difference_fen, gathered_balance_fen, trial_balance
from mpss.ledger.chart import RESERVE_AT_BANK
from mpss.merchants.close import finish_merchant_closings
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE
from tests.support.world import breaches

REASON = {"reason": "the shop is given up"}
REFERENCE = "20260331-000042"


def path_of(shop: Counter, rest: str = "closing") -> str:
    return f"/v1/staff/merchants/{MerchantId.from_uuid(shop.market.merchant.id)}/{rest}"


async def two_of(shop: Counter) -> tuple[Caller, Caller]:
    first = await shop.staff(Permission.MERCHANT_CLOSE, name="mc-first")
    return first, await shop.staff(Permission.MERCHANT_CLOSE, Permission.ACCOUNT_VIEW, name="mc-second")


async def begun(shop: Counter, first: Caller, second: Caller) -> dict[str, Any]:
    """The merchant's closing as it stands once both have said yes."""
    proposed = await first.post(path_of(shop), REASON)
    assert proposed.status_code == 201, proposed.text
    answer = await second.post(f"/v1/staff/merchant-closings/{proposed.json()['approval_id']}/approve")
    assert answer.status_code == 200, answer.text
    closing: dict[str, Any] = answer.json()
    return closing


async def payable_fen(shop: Counter) -> int:
    async with shop.runtime.database.read() as uow:
        return -await gathered_balance_fen(uow, shop.market.merchant.ledger_account_id)


async def assert_sound(shop: Counter) -> None:
    assert await breaches(shop.runtime.database) == []
    async with shop.runtime.database.read() as uow:
        assert difference_fen(await trial_balance(uow)) == 0


async def paid_by_hand(shop: Counter, amount_fen: int) -> None:
    """A correcting entry by two people: the merchant was paid from the reserve."""
    one = await shop.staff(Permission.LEDGER_ADJUST, name="mc-adjust-1")
    other = await shop.staff(Permission.LEDGER_ADJUST, name="mc-adjust-2")
    legs = [
        {"ledger_account_id": shop.market.merchant.ledger_account_id, "amount_fen": amount_fen},
        {"ledger_account_id": RESERVE_AT_BANK, "amount_fen": -amount_fen},
    ]
    proposed = await one.post("/v1/staff/adjustments", {"legs": legs, "memo": "paid"})
    assert proposed.status_code == 201, proposed.text
    approve = f"/v1/staff/adjustments/{proposed.json()['approval_id']}/approve"
    assert (await other.post(approve)).status_code == 201


def blocks(closing: dict[str, Any]) -> dict[str, Any]:
    """What is in the way, with its figure."""
    return {
        item["block"]: next((item[name] for name in ("count", "amount_fen", "until") if item[name] is not None), None)
        for item in closing["obstacles"]
    }


def settlement(amount_fen: int, reference: str = REFERENCE) -> dict[str, Any]:
    return {
        "amount_fen": amount_fen, "currency": "CNY", "bank_account": "BEIHU 6222 0000 1234",
        "bank_reference": reference,
    }  # fmt: skip


async def told(shop: Counter, event: str) -> bool:
    return any(webhook.body["type"] == event for webhook in shop.market.shop.book.webhooks())


@clause("CM 5.2.3.3")
class TestAMerchant:
    async def test_sells_no_more_is_settled_with_and_is_gone(self, shop: Counter) -> None:
        merchant, payer, (first, second) = shop.merchant(), await shop.subscriber(), await two_of(shop)
        sold = (await payer.post("/v1/purchases", shop.purchase())).json()["transaction_id"]
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        seen = (await merchant.get("/v1/merchant/closing")).json()
        assert (seen["state"], seen["asked_at"]) == ("active", None)
        assert blocks(seen) == {"not_decided": None, "webhooks": 2, "payable": 5_000}
        assert "尚有应付商户款 50.00 元" in [item["text"] for item in seen["obstacles"]]

        assert (await merchant.post("/v1/merchant/closing", REASON)).status_code == 201
        assert (await merchant.post("/v1/merchant/closing", {"reason": "again"})).json()["reason"] == REASON["reason"]
        (listed,) = (await first.get("/v1/staff/merchant-closings")).json()["items"]
        assert (listed["asked_by"], listed["begun_at"]) == (f"merchant:{merchant.key_id}", None)
        proposed = (await first.post(path_of(shop), REASON)).json()["approval_id"]
        problem(await first.post(path_of(shop), REASON), 409, "illegal_state")
        problem(await first.post(f"/v1/staff/merchant-closings/{proposed}/approve"), 403, "same_person")
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        approved = await second.post(f"/v1/staff/merchant-closings/{proposed}/approve")
        assert approved.json()["state"] == "closing"
        assert {"notice_period", "payable"} <= blocks(approved.json()).keys()

        before = await shop.balance_fen()
        goods = shop.purchase(product_id=str(ProductId.from_uuid(shop.market.product.id)), quantity=1)
        for body in (shop.purchase(), goods):
            problem(await payer.post("/v1/purchases", body), 409, "merchant_closing")
        assert await shop.balance_fen() == before
        assert (await payer.get("/v1/products")).json()["items"] == []
        assert (await merchant.post("/v1/reversals", {"transaction_id": sold, "reason": "back"})).status_code == 201
        assert await shop.balance_fen() == before + 2_500
        refused = problem(await first.post(path_of(shop, "settlement"), settlement(5_000)), 409, "closing_blocked")
        assert refused["detail"] == "notice_period"

        assert await finish_merchant_closings(shop.runtime) == 0
        shop.market.clock.advance(timedelta(days=shop.runtime.policy.merchant_closing_days))
        problem(await first.post(path_of(shop, "settlement"), settlement(5_000)), 409, "illegal_state")
        assert await finish_merchant_closings(shop.runtime) == 0
        async with shop.market.working():
            await eventually(lambda: told(shop, "merchant.closing_begun"))
            await eventually(lambda: _only(first, shop, {"payable": 5_000}))
        assert await finish_merchant_closings(shop.runtime) == 0
        assert (await merchant.get("/v1/merchant")).json()["state"] == "ending"
        late = {"merchant_order_no": "never seen", "reason": "too late"}
        problem(await merchant.post("/v1/reversals", late), 400, "malformed_request")
        problem(await merchant.post("/v1/reversals", {**late, "merchant_order_no": "N-1"}), 409, "merchant_not_active")
        too_much = problem(await first.post(path_of(shop, "settlement"), settlement(5_001)), 400, "malformed_request")
        assert too_much["errors"][0]["field"] == "amount_fen"
        await self.settled(shop, first, second)

        async with shop.market.working():
            await eventually(lambda: told(shop, "merchant.settled"))
            await eventually(lambda: _only(first, shop, {}))
            assert await finish_merchant_closings(shop.runtime) == 1
            assert await finish_merchant_closings(shop.runtime) == 0
            await eventually(lambda: told(shop, "merchant.closed"))
        problem(await merchant.get("/v1/merchant"), 401, "unauthenticated")
        again = await shop.subscriber()
        problem(await again.post("/v1/purchases", shop.purchase()), 409, "merchant_not_active")
        gone = (await second.get(path_of(shop))).json()
        assert (gone["state"], gone["obstacles"], gone["closed_at"] is None) == ("closed", [], False)
        assert (await second.get(f"/v1/staff/transactions/{sold}")).json()["state"] == "REVERSED"
        async with shop.runtime.database.read() as uow:
            assert await uow.value("SELECT count(*) FROM product WHERE state <> 'withdrawn'") == 0
            written = await uow.dicts("SELECT action FROM audit_record WHERE action LIKE 'merchant%%' ORDER BY id")
        assert [row["action"] for row in written][1:] == [
            "merchant.closing_asked", "merchant_closing.propose", "merchant_closing.approve", "merchant.closing_begun",
            "merchant_settlement.propose", "merchant_settlement.propose", "merchant_settlement.approve",
            "merchant_settlement.refuse", "merchant.closed",
        ]  # fmt: skip
        await assert_sound(shop)

    async def settled(self, shop: Counter, first: Caller, second: Caller) -> None:
        """The payable is paid out: by two people, once, and under one reference of the bank."""
        proposed = (await first.post(path_of(shop, "settlement"), settlement(5_000))).json()["approval_id"]
        twice = (await first.post(path_of(shop, "settlement"), settlement(100))).json()["approval_id"]
        (listed, _) = (await first.get("/v1/staff/merchant-settlements")).json()["items"]
        assert (listed["amount_fen"], listed["direction"]) == (5_000, "to_merchant")
        approve = f"/v1/staff/merchant-settlements/{proposed}/approve"
        problem(await first.post(approve), 403, "same_person")
        assert await payable_fen(shop) == 5_000
        done = await second.post(approve)
        assert (done.status_code, done.json()["kind"]) == (201, "merchant_settlement")
        repeated = await second.post(approve)
        assert repeated.headers["idempotent-replayed"] == "true"
        assert repeated.json()["transaction_id"] == done.json()["transaction_id"]
        problem(await second.post(f"/v1/staff/merchant-settlements/{twice}/approve"), 422, "key_reused")
        assert (await second.post(f"/v1/staff/merchant-settlements/{twice}/refuse")).status_code == 204
        assert await payable_fen(shop) == 0

    async def test_with_an_open_sale_is_not_closed_and_its_payer_is_refused(self, shop: Counter) -> None:
        merchant, (first, second) = shop.merchant(), await two_of(shop)
        asked = shop.purchase(payment_password=None, merchant_id=None, phone=PHONE, merchant_order_no="OPEN-1")
        waits = await merchant.post("/v1/purchases", asked)
        assert waits.status_code == 202, waits.text
        assert blocks(await begun(shop, first, second))["open_sales"] == 1
        shop.market.clock.advance(timedelta(days=shop.runtime.policy.merchant_closing_days))
        assert await finish_merchant_closings(shop.runtime) == 0
        blocked = problem(await first.post(path_of(shop, "settlement"), settlement(1)), 409, "closing_blocked")
        assert blocked["detail"] == "open_sales"
        assert (await merchant.get("/v1/merchant")).json()["state"] == "closing"
        back = {"merchant_order_no": "OPEN-1", "reason": "given up"}
        assert (await merchant.post("/v1/reversals", back)).status_code == 201
        async with shop.market.working():
            await eventually(lambda: _only(first, shop, {}))
            assert await finish_merchant_closings(shop.runtime) == 1
        await assert_sound(shop)

    async def test_that_owes_for_what_it_took_back_pays_first(self, shop: Counter) -> None:
        merchant, payer, (first, second) = shop.merchant(), await shop.subscriber(), await two_of(shop)
        sold = (await payer.post("/v1/purchases", shop.purchase())).json()["transaction_id"]
        await paid_by_hand(shop, 2_500)
        await begun(shop, first, second)
        assert (await merchant.post("/v1/reversals", {"transaction_id": sold, "reason": "x"})).status_code == 201
        shop.market.clock.advance(timedelta(days=shop.runtime.policy.merchant_closing_days))
        assert await finish_merchant_closings(shop.runtime) == 0
        assert blocks((await first.get(path_of(shop))).json())["receivable"] == 2_500
        proposed = (await first.post(path_of(shop, "settlement"), settlement(2_500))).json()["approval_id"]
        done = await second.post(f"/v1/staff/merchant-settlements/{proposed}/approve")
        assert done.json()["metadata"]["direction"] == "from_merchant"
        async with shop.market.working():
            await eventually(lambda: _only(first, shop, {}))
            assert await finish_merchant_closings(shop.runtime) == 1
        await assert_sound(shop)

    async def test_takes_back_what_it_asked_for_until_staff_have_decided(self, shop: Counter) -> None:
        merchant, (first, second) = shop.merchant(), await two_of(shop)
        problem(await merchant.send("DELETE", "/v1/merchant/closing"), 409, "illegal_state")
        assert (await merchant.post("/v1/merchant/closing", REASON)).status_code == 201
        proposed = (await first.post(path_of(shop), REASON)).json()["approval_id"]
        assert (await merchant.send("DELETE", "/v1/merchant/closing")).status_code == 204
        problem(await second.post(f"/v1/staff/merchant-closings/{proposed}/approve"), 409, "illegal_state")
        assert (await second.post(f"/v1/staff/merchant-closings/{proposed}/refuse")).status_code == 204
        assert (await merchant.get("/v1/merchant")).json()["state"] == "active"
        await begun(shop, first, second)
        problem(await merchant.send("DELETE", "/v1/merchant/closing"), 409, "illegal_state")
        problem(await merchant.post("/v1/merchant/closing", REASON), 409, "illegal_state")
        await assert_sound(shop)

    async def test_whose_closing_is_called_off_is_suspended_and_sells_again_once_resumed(self, shop: Counter) -> None:
        payer, (first, second) = await shop.subscriber(), await two_of(shop)
        keeper = await shop.staff(Permission.MERCHANT_REGISTER, name="mc-keeper")
        problem(await first.send("DELETE", path_of(shop), REASON), 409, "illegal_state")
        await begun(shop, first, second)
        problem(await keeper.post(path_of(shop, "resume")), 409, "illegal_state")
        assert (await first.send("DELETE", path_of(shop), REASON)).status_code == 204
        problem(await payer.post("/v1/purchases", shop.purchase()), 409, "merchant_not_active")
        assert (await keeper.post(path_of(shop, "resume"))).json()["state"] == "active"
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        assert (await begun(shop, first, second))["called_off_at"] is None
        await assert_sound(shop)

    @pytest.mark.parametrize("reference", ["", "with blanks in it", "x" * 65, "流水号"])
    async def test_is_not_settled_with_under_a_reference_of_no_form(self, shop: Counter, reference: str) -> None:
        (first, _) = await two_of(shop)
        wrong = await first.post(path_of(shop, "settlement"), settlement(1, reference))
        assert problem(wrong, 400, "malformed_request")["errors"][0]["field"] == "bank_reference"
        blocked = problem(await first.post(path_of(shop, "settlement"), settlement(1)), 409, "closing_blocked")
        assert blocked["detail"] == "not_decided"


async def _only(staff: Caller, shop: Counter, wanted: dict[str, Any]) -> bool:
    return blocks((await staff.get(path_of(shop))).json()) == wanted

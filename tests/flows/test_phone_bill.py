"""Purchases from the phone bill through a whole center and the town's charging system (CT 5.1, 6.3.2)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mpss.ledger.balances import trial_balance
from mpss.ledger.chart import Code
from mpss.simulators.merchant_shop import Fault
from mpss.simulators.ocs_faults import OcsFault, OcsFaultKind
from mpss.simulators.people import PASSWORD, Person
from mpss.staff.permissions import Permission
from tests.support.center import Center, refusal
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.programs import run

pytestmark = [
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.xdist_group("center"),
    clause("CT 5.1", "CT 6.3.2"),
]

PRICE_FEN = 2_500


async def card_of(center: Center, *, price_fen: int = PRICE_FEN) -> dict[str, Any]:
    name = f"话费卡 {time.time_ns()}"
    return await center.counter.put_on_sale(center.kiosk, name, category="cards", price_fen=price_fen, quantity=10)


def order(product: dict[str, Any]) -> dict[str, Any]:
    """One of the product, from the phone bill."""
    return {
        "merchant_id": product["merchant_id"],
        "product_id": product["product_id"],
        "quantity": 1,
        "amount_fen": product["price_fen"],
        "currency": "CNY",
        "payment_password": PASSWORD,
        "funding": "phone_bill",
    }


async def buy(person: Person, product: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
    """Buy one of the product from the phone bill; the transaction."""
    return await person.api.post("/v1/purchases", order(product), key=key)


async def status_of(person: Person, product: dict[str, Any]) -> tuple[int, str]:
    """The status that a purchase is answered with, and its state or the refusal's code."""
    headers = {"authorization": f"Bearer {person.api.token}", "idempotency-key": f"{time.time_ns()}"}
    answer = await person.api.client.post("/v1/purchases", json=order(product), headers=headers)
    return answer.status_code, answer.json().get("code") or answer.json()["state"]


async def ends(person: Person, bought: dict[str, Any], state: str) -> None:
    """Wait until the purchase is in this state."""

    async def there() -> bool:
        now = await person.api.get(f"/v1/purchases/{bought['transaction_id']}")
        return bool(now["state"] == state)

    await eventually(there, seconds=60)


def charged(center: Center, person: Person) -> list[tuple[str, int]]:
    """What the charging system wrote on the number's bill."""
    return [(line["kind"], line["amount_fen"]) for line in center.running.town.ocs.store.ledger(phone=person.phone)]


async def receivable_fen(center: Center) -> int:
    """What the operator owes us for phone bills."""
    async with center.database.read() as uow:
        lines = await trial_balance(uow)
    return sum(line.debit_fen - line.credit_fen for line in lines if line.code == Code.PHONE_BILL_RECEIVABLE)


def reserved_fen(center: Center, person: Person) -> int:
    return center.running.town.ocs.store.subscriber(person.phone).reserved_fen


class TestAPurchaseFromThePhoneBill:
    async def test_is_charged_once_when_the_goods_are_delivered(self, shared_center: Center) -> None:
        card, li = await card_of(shared_center), await shared_center.subscriber("Bill")
        owed_fen = await receivable_fen(shared_center)
        bought = await buy(li, card, key="one")
        await ends(li, bought, "SUCCEEDED")
        again = await buy(li, card, key="one")
        assert again["transaction_id"] == bought["transaction_id"]
        assert charged(shared_center, li) == [("charge", PRICE_FEN)]
        assert reserved_fen(shared_center, li) == 0
        assert await receivable_fen(shared_center) == owed_fen + PRICE_FEN
        assert (await li.account())["balance_fen"] == 0
        await li.sms("25.00")
        await shared_center.assert_told_once(li)
        await shared_center.assert_sound()

    async def test_the_shop_refuses_to_deliver_is_released(self, shared_center: Center) -> None:
        card, li = await card_of(shared_center), await shared_center.subscriber("Refused")
        owed_fen = await receivable_fen(shared_center)
        shared_center.kiosk.fail(Fault.REFUSE, count=1)
        bought = await buy(li, card)
        await ends(li, bought, "CANCELLED")
        assert await receivable_fen(shared_center) == owed_fen
        assert charged(shared_center, li) == []
        assert reserved_fen(shared_center, li) == 0
        assert (await shared_center.api.get(f"/v1/products/{card['product_id']}"))["available"] == 10
        await shared_center.assert_sound()

    async def test_over_the_cap_asks_nobody(self, shared_center: Center) -> None:
        cap_fen = shared_center.settings.policy.phone_bill_single_limit_fen
        card, li = await card_of(shared_center, price_fen=cap_fen + 1), await shared_center.subscriber("Capped")
        assert await refusal(buy(li, card)) == "single_limit_exceeded"
        assert charged(shared_center, li) == []

    async def test_over_the_cap_of_the_month_is_refused_while_those_before_are_pending(
        self, shared_center: Center
    ) -> None:
        policy = shared_center.settings.policy
        price_fen = policy.phone_bill_single_limit_fen
        whole, rest_fen = divmod(policy.phone_bill_monthly_limit_fen, price_fen)
        dear, li = await card_of(shared_center, price_fen=price_fen), await shared_center.subscriber("Month")
        rest, one_more = await card_of(shared_center, price_fen=rest_fen), await card_of(shared_center, price_fen=1)
        owed_fen = await receivable_fen(shared_center)
        for card in [dear] * whole + [rest]:
            assert await status_of(li, card) == (202, "AUTHORIZED")
        assert await status_of(li, one_more) == (403, "monthly_limit_exceeded")

        async def all_charged() -> bool:
            return len(charged(shared_center, li)) == whole + 1 and reserved_fen(shared_center, li) == 0

        await eventually(all_charged, seconds=60)
        assert sum(fen for _, fen in charged(shared_center, li)) == policy.phone_bill_monthly_limit_fen
        assert await status_of(li, one_more) == (403, "monthly_limit_exceeded")

        async def entered() -> bool:
            return await receivable_fen(shared_center) == owed_fen + policy.phone_bill_monthly_limit_fen

        await eventually(entered, seconds=60)
        await shared_center.assert_sound()

    async def test_the_charging_system_declines_is_refused(self, shared_center: Center) -> None:
        card, li = await card_of(shared_center), await shared_center.subscriber("Poor")
        shared_center.running.town.ocs.store.set_subscriber(
            li.phone, kind="prepaid", balance_fen=PRICE_FEN - 1, credit_limit_fen=0, barred=False
        )
        assert await refusal(buy(li, card)) == "insufficient_funds"
        assert charged(shared_center, li) == []
        await shared_center.assert_sound()

    async def test_nobody_answered_is_settled_by_the_job_and_shown_meanwhile(self, shared_center: Center) -> None:
        card, li = await card_of(shared_center), await shared_center.subscriber("Silence")
        faults = shared_center.running.town.ocs.faults
        faults.add(OcsFault(OcsFaultKind.LOSE_REPLY, phone=li.phone, count=6))
        try:
            bought = await buy(li, card)
            assert bought["state"] in ("FUNDING", "IN_DOUBT")
            looker = await shared_center.staff("looker", Permission.FUNDING_VIEW)
            stranger = await shared_center.staff("stranger", Permission.LEDGER_VIEW)
            open_ones = (await looker.get("/v1/staff/funding-requests"))["items"]
            assert bought["transaction_id"] in [line["transaction_id"] for line in open_ones]
            assert await refusal(stranger.get("/v1/staff/funding-requests")) == "forbidden"
            settings = shared_center.settings
            shown = run("doubts", MPSS_DATA_DIR=str(settings.data_dir), MPSS_DATABASE_URL=settings.database_url).stdout
            assert "reserve" in shown
        finally:
            faults.clear()
        await ends(li, bought, "SUCCEEDED")
        assert charged(shared_center, li) == [("charge", PRICE_FEN)]
        await shared_center.assert_sound()

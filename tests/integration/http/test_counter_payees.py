"""Directed relations set up and dissolved by the clerk of a service hall (CM 6.5.1, 6.5.2.1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.house import PASSWORD, notices
from tests.support.http import Caller, Counter, audited, problem
from tests.support.market import PHONE

PAYEE = "18912340009"
BOTH = {"phone": PHONE, "payee_phone": PAYEE}
ASKED: dict[str, Any] = {**BOTH, "single_limit_fen": 300_000, "daily_limit_fen": 400_000, "currency": "CNY"}


async def clerk_of(shop: Counter) -> Caller:
    return await shop.staff(Permission.PAYEE_MANAGE, name="counter", hall="H01", clerk="C07")


@clause("CM 6.5.1")
class TestSettingUp:
    async def test_tells_the_owner_and_is_audited(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        made = await (await clerk_of(shop)).post("/v1/staff/payees", ASKED)
        assert (made.status_code, made.json()["phone"]) == (201, "+86" + PAYEE)
        assert (await payer.get("/v1/payees")).json()["items"] == [made.json()]
        told = ("payee_added", {"counterpart": "+86189****0009", "hours": 24})
        assert (await notices(shop.runtime, PHONE))[-1] == told
        ((action, detail),) = await audited(shop, "payee")
        assert (action, detail["hall"], detail["clerk"]) == ("payee.add", "H01", "C07")
        assert detail["payee_id"] == made.json()["payee_id"]

    async def test_has_a_cooling_period(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        assert (await (await clerk_of(shop)).post("/v1/staff/payees", ASKED)).status_code == 201
        sent = {"payee_phone": PAYEE, "amount_fen": 100_001, "currency": "CNY", "payment_password": PASSWORD}
        # By the free limit still, for the relation does not count yet.
        early = await payer.post("/v1/transfers", sent)
        problem(early, 403, "single_limit_exceeded")
        shop.market.clock.advance(timedelta(hours=shop.runtime.policy.payee_counter_cooling_hours))
        payer = await shop.subscriber()
        answer = await payer.post("/v1/transfers", {**sent, "amount_fen": 100_000})
        assert (answer.status_code, answer.json()["state"]) == (201, "WAITING")
        one = (await payer.get(f"/v1/transfers/{answer.json()['transaction_id']}")).json()
        assert one["payee_id"] is not None

    async def test_is_refused_as_to_the_subscriber(self, shop: Counter) -> None:
        await shop.subscriber()
        clerk = await clerk_of(shop)
        over = shop.runtime.policy.transfer_single_limit_fen + 1
        for changed, code in (
            ({"phone": "18912340077"}, "unknown_account"),
            ({"payee_phone": PHONE}, "self_transfer"),
            ({"single_limit_fen": over}, "amount_out_of_range"),
        ):
            answer = await clerk.post("/v1/staff/payees", {**ASKED, **changed})
            problem(answer, answer.status_code, code)
        assert (await clerk.post("/v1/staff/payees", ASKED)).status_code == 201
        again = await clerk.post("/v1/staff/payees", ASKED)
        problem(again, again.status_code, "payee_exists")
        assert [action for action, _ in await audited(shop, "payee")] == ["payee.add"]


@clause("CM 6.5.2", "CM 6.5.2.1")
class TestDissolving:
    async def test_is_at_once_and_once(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        clerk = await clerk_of(shop)
        assert (await clerk.post("/v1/staff/payees", ASKED)).status_code == 201
        assert (await clerk.post("/v1/staff/payees/dissolve", BOTH)).status_code == 204
        assert (await payer.get("/v1/payees")).json()["items"] == []
        assert (await notices(shop.runtime, PHONE))[-1] == ("payee_dissolved", {"counterpart": "+86189****0009"})
        problem(await clerk.post("/v1/staff/payees/dissolve", BOTH), 404, "unknown_payee")
        assert sorted(action for action, _ in await audited(shop, "payee")) == ["payee.add", "payee.dissolve"]


@clause("CM 6.5.1", "CM 6.5.2.1")
class TestWhoMay:
    async def test_is_the_clerk_of_a_hall_with_the_permission(self, shop: Counter) -> None:
        await shop.subscriber()
        teller = await shop.staff(Permission.CASH_TOPUP, name="teller", hall="H01", clerk="C08")
        desk_less = await shop.staff(Permission.PAYEE_MANAGE, name="office")
        for caller in (teller, desk_less):
            problem(await caller.post("/v1/staff/payees", ASKED), 403, "forbidden")
            problem(await caller.post("/v1/staff/payees/dissolve", BOTH), 403, "forbidden")
        assert await audited(shop, "payee") == []

"""What a merchant may be paid, set by staff over HTTP (CM 9.5)."""

from __future__ import annotations

from mpss.kernel.ids import MerchantId
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.http import Counter, problem
from tests.support.world import breaches


@clause("CM 9.5")
class TestStaff:
    async def test_limit_a_merchant_and_what_it_was_paid_today_counts(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        keeper = await shop.staff(Permission.MERCHANT_LIMITS, name="limiter")
        path = f"/v1/staff/merchants/{MerchantId.from_uuid(shop.market.merchant.id)}/limits"
        assert (await keeper.get(path)).json() == {
            "single_limit_fen": None, "daily_limit_fen": None, "paid_fen": None, "left_fen": None, "currency": "CNY",
        }  # fmt: skip
        first = await payer.post("/v1/purchases", shop.purchase(), key="first")
        assert first.status_code == 201, first.text
        limits = {"single_limit_fen": 3_000, "daily_limit_fen": 6_000, "currency": "CNY"}
        seen = (await keeper.put(path, limits)).json()
        assert (seen["paid_fen"], seen["left_fen"]) == (2_500, 3_500)
        problem(await payer.post("/v1/purchases", shop.purchase(amount_fen=3_001)), 403, "merchant_limit_exceeded")
        assert (await payer.post("/v1/purchases", shop.purchase(amount_fen=3_000))).status_code == 201
        problem(await payer.post("/v1/purchases", shop.purchase(amount_fen=501)), 403, "merchant_limit_exceeded")
        back = {"transaction_id": first.json()["transaction_id"], "reason": "test"}
        assert (await shop.merchant().post("/v1/reversals", back)).status_code == 201
        assert (await payer.post("/v1/purchases", shop.purchase(amount_fen=3_000))).status_code == 201
        assert (await keeper.get(path)).json()["left_fen"] == 0
        assert await breaches(shop.runtime.database) == []
        assert (await keeper.put(path, {"currency": "CNY"})).json()["daily_limit_fen"] is None
        assert (await payer.post("/v1/purchases", shop.purchase(amount_fen=3_001))).status_code == 201
        async with shop.runtime.database.read() as uow:
            written = await uow.value("SELECT count(*) FROM audit_record WHERE action = 'merchant.limits'")
        assert written == 2

"""`mpss merchants` on a running center: a merchant is closed by two people."""

from __future__ import annotations

import base64

import pytest

from mpss.simulators.merchant_shop import MerchantShop
from mpss.staff.permissions import Permission
from tests.flows.test_cli_accounts import key_of
from tests.flows.test_cli_risk import said
from tests.support.center import Center
from tests.support.clauses import clause

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center")]


@clause("CM 5.2.3.3")
async def test_the_closing_of_a_merchant_takes_two_people(shared_center: Center) -> None:
    shop = MerchantShop("歇业小店")
    await shop.start()
    try:
        await close_and_call_off(shared_center, shop)
        await shared_center.all_sent()
        told = [webhook.body["type"] for webhook in shop.book.webhooks()]
        assert told == ["merchant.closing_begun", "merchant.closing_called_off"]
    finally:
        await shop.stop()
        shop.close()


async def close_and_call_off(center: Center, shop: MerchantShop) -> None:
    keeper = await center.staff("cli merchant keeper", Permission.MERCHANT_REGISTER)
    body = {
        "name": "歇业小店", "province": "GD", "public_key": base64.b64encode(shop.public_key).decode(),
        "notify_url": shop.url, "credit_code": "91440300708461136T",
    }  # fmt: skip
    made = await keeper.post("/v1/staff/merchants", body)
    merchant = made["merchant"]["merchant_id"]
    shop.join(merchant_id=merchant, api_key=made["api_key"], webhook_secret=made["webhook_secret"])
    first = await key_of(center, "cli merchant closer", "merchant_close")
    second = await key_of(center, "cli merchant decider", "merchant_close")
    proposed = await said(center, first, "merchants", "close", merchant, "--reason", "given up")
    listed = await said(center, first, "merchants", "closings")
    assert proposed["approval_id"] in [item["approval_id"] for item in listed["proposals"]]
    approve = ("merchants", "approve-closing", proposed["approval_id"])
    assert "same" in (await said(center, first, *approve, code=2))["error"]
    assert (await said(center, second, *approve))["approved"] is True
    seen = await said(center, first, "merchants", "closing", merchant)
    assert (seen["state"], seen["obstacles"][0]["block"]) == ("closing", "notice_period")
    early = ("--yuan", "1.00", "--account", "BEIHU 1", "--reference", "R-1")
    blocked = await said(center, first, "merchants", "settle", merchant, *early, code=2)
    assert "notice_period" in blocked["error"]
    off = await said(center, second, "merchants", "call-off", merchant, "--reason", "goes on")
    assert off["state"] == "suspended"
    listed = await said(center, first, "merchants", "closings")
    assert merchant not in [item["merchant_id"] for item in listed["items"]]

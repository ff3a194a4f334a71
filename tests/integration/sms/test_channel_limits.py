"""SMS has limits of its own, while the other channels go on (CM 9.5)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.http import Counter, counter, problem
from tests.support.phones import Phones, confirm_code
from tests.support.world import breaches

RULES = (("sms", "daily_amount", 5_000), ("http", "daily_amount", 8_000), ("http", "daily_count", 9))


async def limit_channels(shop: Counter, phones: Phones) -> None:
    """Two people make a table whose rules are of channels."""
    rights = (Permission.LIMITS_VIEW, Permission.LIMITS_MANAGE, Permission.LIMITS_APPROVE)
    one, other = [await shop.staff(*rights, name=name) for name in ("maker of channels", "checker of channels")]
    rules = [
        {"account_class": "weak", "channel": channel, "operation": "payment", "measure": measure, "value": value}
        for channel, measure, value in RULES
    ]
    begins = phones.market.clock.now() + timedelta(seconds=1)
    body = {"effective_from": begins.isoformat(), "note": "channels", "rules": rules}
    made = await one.post("/v1/staff/limits", body)
    assert made.status_code == 201, made.text
    assert (await other.post(f"/v1/staff/limits/{made.json()['approval_id']}/approve")).status_code == 200
    phones.market.clock.advance(timedelta(seconds=2))


@clause("CM 9.5", "CM 7.3")
async def test_sms_has_a_daily_amount_of_its_own_and_http_goes_on(phones: Phones) -> None:
    async def buy_by_sms(yuan: int) -> str:
        question = await phones.ask(phones.li, f"ZF {phones.market.merchant.sms_code} {yuan}")
        if "Y " not in question.text:
            return question.text
        return (await phones.ask(phones.li, f"Y {confirm_code(question)}")).text

    async with counter(phones.market) as shop:
        assert (await buy_by_sms(20)).startswith("您已向Kiosk支付20.00元")
        await limit_channels(shop, phones)
        before = await phones.li.last_id()
        payer = await shop.subscriber()
        await phones.li.wait_for("验证码", after=before)
        # What went by SMS before there was a limit counts too.
        assert (await buy_by_sms(31)).startswith("超过短信渠道限额，发送XE可查询")
        assert (await buy_by_sms(30)).startswith("您已向Kiosk支付30.00元")
        assert "短信支付今日另限50.00元，尚可付0.00元。" in (await phones.ask(phones.li, "XE")).text
        assert (await buy_by_sms(1)).startswith("超过短信渠道限额")
        bought = await asyncio.gather(
            *(payer.post("/v1/purchases", shop.purchase(amount_fen=1_500), key=f"at-once-{n}") for n in range(8))
        )
        refused = [answer for answer in bought if answer.status_code != 201]
        assert len(refused) == 3
        for answer in refused:
            detail = problem(answer, 403, "channel_limit_exceeded")["detail"]
            assert detail == "the channel http has left: 500 fen today, 4 times today"
        assert (await payer.post("/v1/purchases", shop.purchase(amount_fen=500))).status_code == 201
        payments = (await payer.get("/v1/account/limits")).json()["operations"][0]
        assert payments["channel_daily_fen"] == {"limit": 8_000, "used": 8_000, "left": 0}
        assert payments["daily_fen"]["used"] == 13_000
    assert await breaches(phones.runtime.database) == []

"""Every change of an account is told to its phone by one SMS (CT 5.4), walked over the wire."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from dataclasses import dataclass

import pytest

from mpss.ledger.chart import CASH_IN_TRANSIT
from mpss.simulators.merchant_shop import Fault
from mpss.simulators.people import PASSWORD, Person, confirmation_in
from mpss.staff.permissions import Permission
from tests.support.center import Center, refusal
from tests.support.clauses import clause
from tests.support.eventually import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center"), clause("CT 5.4")]


@dataclass(slots=True)
class Walk:
    """Steps of one person; after each, exactly the notices that it should have caused are there."""

    center: Center
    person: Person
    last: int = 0

    async def step(self, what: Awaitable[object], *events: str) -> None:
        """Take a step; `events` are all that the phone is told of for it, in this order."""
        await what

        async def written() -> bool:
            return len(await self.center.events(self.person, after=self.last)) >= len(events)

        await eventually(written)
        await self.center.all_sent()
        assert await self.center.events(self.person, after=self.last) == list(events)
        notices = await self.center.notices(self.person)
        self.last = max((notice["serial"] for notice in notices), default=0)

    async def refused(self, what: Awaitable[object], code: str, *events: str) -> None:
        """Take a step that must be refused."""
        await self.step(_refused(what, code), *events)


async def _refused(what: Awaitable[object], code: str) -> None:
    assert await refusal(what) == code


async def test_each_change_of_an_account_is_told_once(shared_center: Center) -> None:
    counter, kiosk, li = shared_center.counter, shared_center.kiosk, shared_center.person("Li")
    walk = Walk(shared_center, li)
    keeper = counter.shopkeeper(kiosk)
    card = await counter.put_on_sale(kiosk, f"卡 {time.time_ns()}", category="cards", price_fen=1_000, quantity=99)
    vouchers, _ = await counter.sell_vouchers(5_000, quantity=2)

    await walk.step(li.open_by_web(), "code", "opened")
    await walk.step(
        li.api.put("/v1/account/daily-limit", {"daily_limit_fen": 90_000, "currency": "CNY"}), "daily_limit_set"
    )

    topped_up = await counter.top_up(li.phone, 7_000)
    await walk.step(
        counter.clerk.post(f"/v1/topups/cash/{topped_up['transaction_id']}/undo"), "topped_up", "topup_undone"
    )
    await walk.step(counter.top_up(li.phone, 20_000), "topped_up")
    await walk.step(li.api.post("/v1/topups/voucher", {"voucher_password": vouchers[0]}), "topped_up")
    await walk.step(li.handset.send(f"CZ {vouchers[1]}"), "topped_up")

    await walk.step(li.pay(kiosk, 500), "paid")
    await walk.step(li.buy(card), "paid", "delivered")
    kiosk.fail(Fault.REFUSE, count=1)
    await walk.step(li.buy(card), "paid", "reversed")
    question = await li.ask(f"ZF {card['sms_code']}", "确认请回复")
    await walk.step(li.handset.send(f"Y {confirmation_in(question)}"), "confirm_purchase", "paid", "delivered")
    await li.mark()
    order = {"phone": li.phone, "amount_fen": 1_250, "currency": "CNY", "merchant_order_no": f"N-{li.phone[1:]}"}
    asked = await keeper.post("/v1/purchases", order)
    question = await li.sms("确认请回复")
    await walk.step(li.handset.send(f"Y {confirmation_in(question)}"), "confirm_purchase", "paid")
    back = {"transaction_id": asked["transaction_id"], "reason": "顾客取消"}
    await walk.step(keeper.post("/v1/reversals", back), "reversed")

    # What changes nothing is not told, except where the change is that paying is locked.
    await walk.refused(li.pay(kiosk, 100_000), "daily_limit_exceeded")
    new = {"old_password": PASSWORD, "new_password": "741863"}
    await walk.step(li.api.call("PUT", "/v1/account/password", body=new), "password_changed")
    reset = {"phone": li.phone, "code": await li.code("set_password"), "password": "906352"}
    await walk.step(li.api.post("/v1/account/password/reset", reset), "code", "password_changed")
    await walk.step(li.sign_in(), "code")
    wrong = "9" + li.phone[-5:]
    await walk.refused(li.pay(kiosk, 100, password=wrong), "wrong_password")
    await walk.refused(li.pay(kiosk, 100, password=wrong), "wrong_password")
    await walk.refused(li.pay(kiosk, 100, password=wrong), "wrong_password", "password_locked")
    unlock = {"phone": li.phone, "code": await li.code("unlock")}
    await walk.step(li.api.post("/v1/account/password/unlock", unlock), "code", "password_unlocked")
    link = (await li.ask("MM", "http")).split("/password/")[1].split()[0]
    await walk.step(
        li.api.post(f"/v1/password-links/{link}", {"password": "630284"}), "password_link", "password_changed"
    )
    await li.sign_in()

    for number in range(10):
        assert await refusal(li.api.post("/v1/topups/voucher", {"voucher_password": f"{number:016d}"}))
    care = await shared_center.staff("Care for bars", Permission.VOUCHER_RELEASE)
    release = care.post("/v1/staff/accounts/release-vouchers", {"phone": li.phone})
    await walk.step(release, "code", "voucher_barred", "voucher_released")

    rows = await shared_center.dicts("SELECT ledger_account_id FROM account WHERE phone = %(phone)s", phone=li.phone)
    one, other = [await shared_center.staff(f"Books {name}", Permission.LEDGER_ADJUST) for name in ("1", "2")]
    proposal = await one.post(
        "/v1/staff/adjustments",
        {
            "legs": [
                {"ledger_account_id": CASH_IN_TRANSIT, "amount_fen": 300},
                {"ledger_account_id": rows[0]["ledger_account_id"], "amount_fen": -300, "part": "withdrawable"},
            ],
            "memo": "少记一笔现金",
        },
    )
    await walk.step(other.post(f"/v1/staff/adjustments/{proposal['approval_id']}/approve"), "adjusted")

    spent = 500 + 1_000 + 1_000
    assert (await li.account())["balance_fen"] == 20_000 + 2 * 5_000 - spent + 300
    await shared_center.assert_told_once(li)
    await shared_center.assert_sound()


async def test_a_wallet_opened_by_sms_is_told_once_of_each_step(shared_center: Center) -> None:
    wang = shared_center.person("Wang")
    walk = Walk(shared_center, wang)
    await walk.step(wang.open_by_sms(), "opened", "password_link", "password_set")
    await walk.step(wang.ask("YE", "余额"), "reply")
    texts = [message.text for message in await wang.inbox()]
    assert ["已开通" in texts[0], "http" in texts[1], "密码已设置" in texts[2]] == [True] * 3
    await shared_center.assert_told_once(wang)


async def test_a_phone_reads_what_happened_in_the_order_it_happened(shared_center: Center) -> None:
    li = await shared_center.subscriber(fen=10_000)
    for fen in range(1, 21):
        await li.pay(shared_center.kiosk, fen)
    await shared_center.all_sent()
    serials = [message.serial for message in await li.inbox()]
    assert serials == sorted(serials, key=lambda serial: serial or 0)

"""Managing a wallet (CT 5.2): queries, daily limit, top-up by card and cash, payment password, over HTTP and SMS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mpss.simulators.people import PASSWORD
from mpss.staff.permissions import Permission
from tests.support.center import Center, refusal
from tests.support.clauses import clause

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center"), clause("CT 5.2")]


class TestAQuery:
    async def test_tells_type_state_opening_time_limit_and_balance(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=12_345)
        account = await li.account()
        assert (account["kind"], account["state"], account["currency"]) == ("wallet", "active", "CNY")
        assert (account["balance_fen"], account["available_fen"], account["held_fen"]) == (12_345, 12_345, 0)
        assert (account["daily_limit_fen"], account["spent_today_fen"]) == (500_000, 0)
        assert datetime.now(UTC) - datetime.fromisoformat(account["opened_at"]) < timedelta(minutes=1)

    async def test_by_sms_tells_the_same(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=12_345)
        await li.pay(shared_center.kiosk, 345)
        answer = await li.ask("余额", "可用余额")
        assert all(part in answer for part in ("120.00元", "正常", "5000.00元", "3.45元"))

    async def test_of_the_statement_shows_what_moved_newest_first(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=10_000)
        for fen in (100, 200, 300):
            await li.pay(shared_center.kiosk, fen)
        assert await refusal(li.pay(shared_center.kiosk, 10_001)) == "insufficient_funds"
        first = await li.api.get("/v1/account/transactions", limit=2)
        rest = await li.api.get("/v1/account/transactions", cursor=first["next_cursor"])
        changes = [line["change_fen"] for line in (*first["items"], *rest["items"])]
        assert (changes, rest["next_cursor"]) == ([-300, -200, -100, 10_000], None)


class TestTheDailyLimit:
    async def test_holds_at_once_and_a_reversal_gives_it_back(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=10_000)
        await li.api.put("/v1/account/daily-limit", {"daily_limit_fen": 1_000, "currency": "CNY"})
        paid = await li.pay(shared_center.kiosk, 800)
        assert await refusal(li.pay(shared_center.kiosk, 201)) == "daily_limit_exceeded"
        keeper = shared_center.counter.shopkeeper(shared_center.kiosk)
        await keeper.post("/v1/reversals", {"transaction_id": paid["transaction_id"], "reason": "test"})
        assert (await li.account())["spent_today_fen"] == 0
        assert (await li.pay(shared_center.kiosk, 1_000))["state"] == "SUCCEEDED"

    async def test_is_at_most_the_platforms(self, shared_center: Center) -> None:
        li = await shared_center.subscriber()
        too_high = {"daily_limit_fen": 500_001, "currency": "CNY"}
        assert await refusal(li.api.put("/v1/account/daily-limit", too_high)) == "amount_out_of_range"
        assert (await li.account())["daily_limit_fen"] == 500_000


@clause("CM 6.4.3")
class TestACard:
    async def test_tops_up_once_on_the_web_or_by_sms(self, shared_center: Center) -> None:
        cards, _ = await shared_center.counter.sell_vouchers(5_000, quantity=3)
        li, wang = await shared_center.subscriber(), await shared_center.subscriber("Wang")
        spaced = " ".join(cards[0][place : place + 4] for place in range(0, 16, 4))
        done = await li.api.post("/v1/topups/voucher", {"voucher_password": spaced})
        assert (done["state"], done["amount_fen"]) == ("SUCCEEDED", 5_000)
        assert "50.00元" in await wang.ask(f"充值 {cards[1]}", "充值")
        assert "已使用" in await wang.ask(f"CZ {cards[0]}", "已使用")
        again = wang.api.post("/v1/topups/voucher", {"voucher_password": cards[1]})
        assert await refusal(again) == "voucher_used"
        assert [(await person.account())["balance_fen"] for person in (li, wang)] == [5_000, 5_000]
        await shared_center.assert_sound()

    async def test_bars_the_number_after_ten_wrong_ones_until_staff_release_it(self, shared_center: Center) -> None:
        cards, _ = await shared_center.counter.sell_vouchers(5_000, quantity=1)
        li = await shared_center.subscriber()
        for number in range(10):
            wrong = li.api.post("/v1/topups/voucher", {"voucher_password": f"{number:016d}"})
            assert await refusal(wrong) in ("unknown_voucher", "voucher_barred")
        right = {"voucher_password": cards[0]}
        assert await refusal(li.api.post("/v1/topups/voucher", right)) == "voucher_barred"
        assert (await li.account())["voucher_barred"] is True
        care = await shared_center.staff("Care", Permission.VOUCHER_RELEASE)
        await care.post("/v1/staff/accounts/release-vouchers", {"phone": li.phone})
        assert (await li.api.post("/v1/topups/voucher", right))["state"] == "SUCCEEDED"


class TestCash:
    async def test_is_taken_by_a_clerk_who_may_undo_it(self, shared_center: Center) -> None:
        li = await shared_center.subscriber()
        done = await shared_center.counter.top_up(li.phone, 20_000, key=f"receipt-{li.phone}")
        again = await shared_center.counter.top_up(li.phone, 20_000, key=f"receipt-{li.phone}")
        assert again == done
        assert (await li.account())["balance_fen"] == 20_000
        path = f"/v1/topups/cash/{done['transaction_id']}/undo"
        assert (await shared_center.counter.clerk.post(path))["state"] == "SUCCEEDED"
        assert await refusal(shared_center.counter.clerk.post(path)) == "illegal_state"
        assert (await li.account())["balance_fen"] == 0

    async def test_is_not_taken_by_who_is_no_clerk(self, shared_center: Center) -> None:
        li = await shared_center.subscriber()
        body = {"phone": li.phone, "amount_fen": 20_000, "currency": "CNY"}
        assert await refusal(shared_center.counter.manager.post("/v1/topups/cash", body)) == "forbidden"
        assert await refusal(li.api.post("/v1/topups/cash", body)) == "unauthenticated"
        assert (await li.account())["balance_fen"] == 0


class TestThePaymentPassword:
    async def test_is_changed_with_the_old_one(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        body = {"old_password": PASSWORD, "new_password": "630284"}
        await li.api.call("PUT", "/v1/account/password", body=body)
        assert await refusal(li.pay(shared_center.kiosk, 100)) == "wrong_password"
        assert (await li.pay(shared_center.kiosk, 100, password="630284"))["state"] == "SUCCEEDED"

    async def test_is_locked_after_three_wrong_ones_and_released_by_a_code(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        # A wrong password of this phone's own: one wrong for many numbers would count as a spray.
        wrong = "7" + li.phone[-5:]
        for _ in range(3):
            assert await refusal(li.pay(shared_center.kiosk, 100, password=wrong)) == "wrong_password"
        assert await refusal(li.pay(shared_center.kiosk, 100)) == "password_locked"
        assert "锁定" in await li.sms("锁定")
        await li.api.post("/v1/account/password/unlock", {"phone": li.phone, "code": await li.code("unlock")})
        assert (await li.pay(shared_center.kiosk, 100))["state"] == "SUCCEEDED"
        assert (await li.account())["balance_fen"] == 900

    async def test_that_is_forgotten_is_reset_by_a_code_on_the_web_or_a_link(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        body = {"phone": li.phone, "code": await li.code("set_password"), "password": "630284"}
        await li.api.post("/v1/account/password/reset", body)
        await li.sign_in()
        assert (await li.pay(shared_center.kiosk, 100, password="630284"))["state"] == "SUCCEEDED"
        link = (await li.ask("MM", "http")).split("/password/")[1].split()[0]
        await li.api.post(f"/v1/password-links/{link}", {"password": "741863"})
        await li.sign_in()
        assert (await li.pay(shared_center.kiosk, 100, password="741863"))["state"] == "SUCCEEDED"

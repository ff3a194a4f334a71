"""After another SIM card or number: for a while the phone alone is believed nothing that matters."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mpss.accounts.codes import Purpose
from mpss.accounts.password import request_link
from mpss.kernel.errors import ErrorCode, Refused
from mpss.staff.permissions import Permission
from tests.integration.http.test_boss_events import NEW_PHONE, say
from tests.support.clauses import clause
from tests.support.house import PASSWORD, last_secret, sms_code
from tests.support.http import Counter, problem
from tests.support.market import PHONE

NEW_PASSWORD = "857214"
SERIAL = "8986031234567890123"


async def reset(shop: Counter, phone: str = PHONE) -> tuple[int, str]:
    code = await sms_code(shop.runtime, phone, Purpose.SET_PASSWORD)
    body = {"phone": phone, "code": code, "password": NEW_PASSWORD}
    answer = await shop.nobody().post("/v1/account/password/reset", body)
    return answer.status_code, answer.json()["code"] if answer.content else ""


def later(shop: Counter) -> None:
    shop.market.clock.advance(timedelta(hours=shop.runtime.policy.sim_cooling_hours))


@clause("CT 12.1", "CM 5.2.8")
class TestASwappedSim:
    async def test_resets_no_password_by_code_or_link_until_the_wait_is_over(self, shop: Counter) -> None:
        await request_link(shop.runtime, phone=PHONE)
        token = (await last_secret(shop.runtime, PHONE, "password_link", "url_sealed")).rsplit("/", 1)[1]
        assert await say(shop, "sim_swap", 1, sim_serial=SERIAL) == "applied"
        assert await reset(shop) == (409, "sim_cooling")
        answer = await shop.nobody().post(f"/v1/password-links/{token}", {"password": NEW_PASSWORD})
        assert "service hall" in problem(answer, 409, "sim_cooling")["detail"]
        with pytest.raises(Refused) as refused:
            await request_link(shop.runtime, phone=PHONE)
        assert refused.value.code is ErrorCode.SIM_COOLING
        code = await sms_code(shop.runtime, PHONE, Purpose.UNLOCK)
        unlocked = await shop.nobody().post("/v1/account/password/unlock", {"phone": PHONE, "code": code})
        problem(unlocked, 409, "sim_cooling")
        # The holder, who knows the password, pays as ever.
        payer = await shop.subscriber()
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        later(shop)
        assert await reset(shop) == (204, "")

    async def test_sets_no_login_password_and_raises_no_limit(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        lower = {"daily_limit_fen": 1000, "currency": "CNY"}
        higher = {"daily_limit_fen": 400_000, "currency": "CNY", "payment_password": PASSWORD}
        assert await say(shop, "sim_swap", 1, sim_serial=SERIAL) == "applied"
        payer = await shop.subscriber()
        code = await sms_code(shop.runtime, PHONE, Purpose.LOGIN_PASSWORD)
        answer = await payer.put("/v1/account/login-password", {"code": code, "password": "brook-7-lantern"})
        problem(answer, 409, "sim_cooling")
        assert (await payer.put("/v1/account/daily-limit", lower)).status_code == 200
        problem(await payer.put("/v1/account/daily-limit", higher), 409, "sim_cooling")
        later(shop)
        payer = await shop.subscriber()
        assert (await payer.put("/v1/account/daily-limit", higher)).status_code == 200

    async def test_proves_nobody_at_a_hall_where_no_document_is_on_record(self, shop: Counter) -> None:
        assert await say(shop, "sim_swap", 1, sim_serial=SERIAL) == "applied"
        clerk = await shop.staff(Permission.ACCOUNT_CLOSE, Permission.PASSWORD_RESET, hall="H96", clerk="B01")
        closing = {**await shop.shown(), "payout": "cash"}
        problem(await clerk.post("/v1/staff/accounts/closing", closing), 409, "sim_cooling")
        body = {"phone": PHONE, "document": "resident ID, seen"}
        problem(await clerk.post("/v1/staff/passwords/reset", body), 409, "sim_cooling")

    async def test_is_waited_for_on_a_new_number_too_and_an_event_said_again_waits_no_longer(
        self, shop: Counter
    ) -> None:
        await shop.subscriber()
        assert await say(shop, "change_number", 1, new_phone=NEW_PHONE) == "applied"
        assert await reset(shop, NEW_PHONE) == (409, "sim_cooling")
        shop.market.clock.advance(timedelta(hours=shop.runtime.policy.sim_cooling_hours - 1))
        assert await say(shop, "change_number", 1, new_phone=NEW_PHONE) == "repeated"
        shop.market.clock.advance(timedelta(hours=1))
        assert await reset(shop, NEW_PHONE) == (204, "")

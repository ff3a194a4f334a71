"""Opening a wallet (CT 6.1.1) on the web and by SMS."""

from __future__ import annotations

import re

import httpx
import pytest

from mpss.simulators.people import PASSWORD, TERMS_VERSION
from tests.support.center import Center, refusal
from tests.support.clauses import clause

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center"), clause("CT 6.1.1")]


class TestAWalletOnTheWeb:
    async def test_is_opened_for_the_number_that_a_code_proves(self, shared_center: Center) -> None:
        li = shared_center.person()
        opened = await li.open_by_web()
        assert (opened["phone"], opened["home_province"], opened["kind"]) == (li.phone, "GD", "wallet")
        account = await li.account()
        assert (account["state"], account["password_set"], account["balance_fen"]) == ("active", True, 0)
        await shared_center.assert_told_once(li)
        assert await shared_center.events(li) == ["code", "opened"]

    async def test_knows_the_numbers_home_province(self, shared_center: Center) -> None:
        assert (await shared_center.person(province="JS").open_by_web())["home_province"] == "JS"

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"code": "000000"}, "wrong_code"),
            ({"payment_password": "123456"}, "weak_password"),
            ({"terms_version": "2001-01"}, "terms_not_accepted"),
            ({"payment_password": "12345"}, "malformed_request"),
        ],
    )
    async def test_is_not_opened_otherwise(self, shared_center: Center, changed: dict[str, str], code: str) -> None:
        li = shared_center.person()
        body = {
            "phone": li.phone,
            "code": await li.code("open"),
            "terms_version": TERMS_VERSION,
            "payment_password": PASSWORD,
        }
        assert await refusal(li.api.post("/v1/accounts", body | changed)) == code
        assert await shared_center.events(li) == ["code"]
        assert "尚未开通" in await li.ask("YE", "尚未开通")

    async def test_is_one_for_a_number(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=100)
        assert await refusal(li.open_by_web()) == "account_exists"
        assert (await li.account())["balance_fen"] == 100


class TestAWalletBySms:
    async def test_pays_once_its_password_is_set_on_the_page_behind_the_link(self, shared_center: Center) -> None:
        wang = shared_center.person("Wang")
        link = re.search(r"https?://\S+", await wang.ask("KT", "http"))
        assert link is not None
        await wang.sign_in()
        assert (await wang.account())["password_set"] is False
        assert await refusal(shared_center.counter.top_up(wang.phone, 5_000)) == "account_not_active"
        assert await refusal(wang.pay(shared_center.kiosk, 1_000)) == "account_not_active"
        async with httpx.AsyncClient(trust_env=False) as browser:
            assert "<form" in (await browser.get(link.group())).text
            differing = await browser.post(link.group(), data={"password": PASSWORD, "again": "492714"})
            assert (differing.status_code, "<form" in differing.text) == (422, True)
            sent = await browser.post(link.group(), data={"password": PASSWORD, "again": PASSWORD})
            assert (sent.status_code, "已设置" in sent.text) == (200, True)
            again = await browser.post(link.group(), data={"password": PASSWORD, "again": PASSWORD})
            assert again.status_code == 403
        await shared_center.counter.top_up(wang.phone, 5_000)
        await wang.sign_in()
        assert (await wang.pay(shared_center.kiosk, 1_000))["state"] == "SUCCEEDED"
        assert (await shared_center.events(wang)).count("password_set") == 1

    async def test_speaks_english_to_who_asks_for_it(self, shared_center: Center) -> None:
        john = shared_center.person("John")
        assert "minutes at http" in await john.ask("KT EN", "http")
        await john.sms("wallet is open")
        assert "waiting for its payment password" in await john.ask("YE", "Available 0.00 yuan")

    async def test_is_opened_once_however_often_it_is_asked_for(self, shared_center: Center) -> None:
        wang = shared_center.person("Wang")
        await wang.open_by_sms()
        await wang.ask("KT", "已开通手机支付")
        assert (await shared_center.events(wang)).count("opened") == 1

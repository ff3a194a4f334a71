"""What an SMS must not do alone: the link that it asks for, and the page that asks for the payment password.

The commands themselves go through the channel that the SMSC feeds; the page is asked for over HTTP.
"""

from __future__ import annotations

import itertools

import pytest

from mpss.channels.sms.handlers import handle
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, last_secret, subscriber
from tests.support.http import Counter
from tests.support.market import PHONE

NEW = "+8618912340033"
KEYS = itertools.count()


async def sms(shop: Counter, text: str) -> str | None:
    reply, _ = await handle(shop.runtime, phone=PHONE, text=text, key=f"page-{next(KEYS)}")
    return reply


async def link(shop: Counter, text: str) -> str:
    """The path of the page that the command sends a link to."""
    assert await sms(shop, text) is None
    return "/change/" + (await last_secret(shop.runtime, PHONE, "account_link", "url_sealed")).rsplit("/", 1)[1]


async def state(shop: Counter) -> str:
    return str((await (await shop.subscriber()).get("/v1/account")).json()["state"])


@clause("CT 5.2", "CT 12.1", "CM 8.2.2")
class TestAnSmsThatLetsMoneyGoAgain:
    @clause("CT 6.1.3")
    async def test_releases_a_freeze_by_the_password_alone(self, shop: Counter) -> None:
        assert await sms(shop, "JD") == "您没有冻结账户，无需解冻。"
        assert await sms(shop, "DJ 30") is None
        path = await link(shop, "JD")
        page = await shop.client.get(path)
        assert (page.status_code, "解除账户冻结" in page.text, "<script" in page.text) == (200, True, False)
        wrong = await shop.client.post(path, data={"password": "111111"})
        assert (wrong.status_code, "<form" in wrong.text, "111111" in wrong.text) == (403, True, False)
        assert await state(shop) == "frozen_by_user"
        done = await shop.client.post(path, data={"password": PASSWORD})
        assert (done.status_code, "<form" in done.text) == (200, False)
        assert await state(shop) == "active"
        used = await shop.client.post(path, data={"password": PASSWORD}, headers={"accept-language": "en"})
        assert (used.status_code, "no longer works" in used.text) == (403, True)
        assert (await events(shop.runtime, PHONE)).count("unfrozen") == 1

    @clause("CM 5.2.10", "CM 6.8")
    async def test_lifts_an_oral_report_and_none_in_writing(self, shop: Counter) -> None:
        assert await sms(shop, "解挂") == "您的账户没有挂失，无需解挂。"
        assert await sms(shop, "GS") is None
        path = await link(shop, "JG")
        assert (await shop.client.post(path, data={"password": PASSWORD})).status_code == 200
        assert await state(shop) == "active"
        clerk = await shop.staff(Permission.LOSS_WRITTEN, name="loss clerk", hall="H01", clerk="C77")
        asked = {"phone": PHONE, "document": "resident ID, seen"}
        assert (await clerk.post("/v1/staff/accounts/loss/written", asked)).status_code == 204
        reply = await sms(shop, "JG")
        assert reply is not None
        assert reply.startswith("您的账户已书面挂失")

    async def test_locks_the_password_after_wrong_ones_and_keeps_to_one_operation(self, shop: Counter) -> None:
        await sms(shop, "DJ")
        path = await link(shop, "JD")
        token = path.rsplit("/", 1)[1]
        # A link that unfreezes sets no password, by page or by program.
        assert (await shop.client.get(f"/password/{token}")).status_code == 403
        refused = await shop.nobody().post(f"/v1/password-links/{token}", {"password": "857214"})
        assert refused.json()["code"] == "code_expired"
        for _ in range(3):
            await shop.client.post(path, data={"password": "111111"})
        locked = await shop.client.post(path, data={"password": PASSWORD})
        assert (locked.status_code, "支付密码已锁定" in locked.text) == (403, True)
        assert await state(shop) == "frozen_by_user"

    async def test_ends_its_link_where_loss_is_reported(self, shop: Counter) -> None:
        await sms(shop, "DJ")
        path = await link(shop, "JD")
        await sms(shop, "GS")
        assert (await shop.client.post(path, data={"password": PASSWORD})).status_code == 403
        assert await state(shop) == "loss_oral"

    @clause("CM 5.2.3.1", "CM 5.2.3.4")
    async def test_closes_an_empty_account_and_says_what_stands_in_the_way_of_another(self, shop: Counter) -> None:
        reply = await sms(shop, "XH")
        assert reply is not None
        assert reply.startswith("暂不能销户：余额1000.00元须先转出或提现。")
        await subscriber(shop.runtime, NEW)
        assert await handle(shop.runtime, phone=NEW, text="销户", key="close") == (None, "zh-CN")
        token = (await last_secret(shop.runtime, NEW, "account_link", "url_sealed")).rsplit("/", 1)[1]
        page = await shop.client.get(f"/change/{token}", headers={"accept-language": "en"})
        assert "A closed wallet cannot be opened again." in page.text
        assert (await shop.client.post(f"/change/{token}", data={"password": PASSWORD})).status_code == 200
        assert (await events(shop.runtime, NEW))[-2:] == ["closing_asked", "closed"]
        reply, _ = await handle(shop.runtime, phone=NEW, text="YE", key="gone")
        assert reply is not None
        assert "尚未开通" in reply

    @pytest.mark.parametrize("content", [b"", b"password=1", b"password=470983&password=470983", b"\xff"])
    async def test_takes_no_form_of_another_kind(self, shop: Counter, content: bytes) -> None:
        await sms(shop, "DJ")
        path = await link(shop, "JD")
        headers = {"content-type": "application/x-www-form-urlencoded"}
        assert (await shop.client.post(path, content=content, headers=headers)).status_code in (400, 422)
        assert (await shop.client.get("/change/x")).status_code == 403

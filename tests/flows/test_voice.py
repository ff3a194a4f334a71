"""Managing a wallet by telephone (CT 5.2; CM 6.7.1): callers press keys, the voice platform posts, on real sockets."""

from __future__ import annotations

from typing import LiteralString

import pytest

from mpss.simulators.handset import PhoneCall, calling
from mpss.simulators.ivr_platform import Fault, VoicePlatform
from mpss.simulators.people import PASSWORD, Person
from tests.support.center import Center, refusal
from tests.support.clauses import clause

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center"), clause("CT 5.2")]

NEW_PASSWORD = "630284"
WRONG_TRIES: LiteralString = """
    SELECT u.wrong_in_a_row FROM account_usage AS u JOIN account AS a ON a.id = u.account_id WHERE a.phone = %(phone)s
"""
FREEZES_MADE: LiteralString = """
    SELECT count(*) AS made FROM account_freeze AS f JOIN account AS a ON a.id = f.account_id WHERE a.phone = %(phone)s
"""


def platform_of(center: Center) -> VoicePlatform:
    platform = center.running.town.voice
    assert platform is not None
    return platform


class TestACall:
    async def test_tells_the_balance_and_the_latest_movements(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=12_345)
        await li.pay(shared_center.kiosk, 345)
        async with li.handset.dial(platform_of(shared_center).url) as call:
            assert (call.asking, call.language) == ("key", "zh-CN")
            assert "查询余额" in call.heard
            heard = await call.press("1")
        assert all(part in heard for part in ("120.00元", "正常", "消费支出3.45元", "现金充值入账123.45元"))

    async def test_speaks_the_language_of_the_subscriber(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        assert "English" in await li.ask("YY EN", "English")
        async with li.handset.dial(platform_of(shared_center).url) as call:
            assert call.language == "en-US"
            assert "Your balance is 10.00 yuan" in await call.press("1")

    async def test_ends_politely_after_three_silences_and_wrong_keys(self, shared_center: Center) -> None:
        li = await shared_center.subscriber()
        async with li.handset.dial(platform_of(shared_center).url) as call:
            assert "没有收到" in await call.press("")
            assert "查询余额" in await call.press("0")
            assert "输入有误" in await call.press("9", "77")
            assert "再见" in await call.press("")
            assert call.ended


@clause("CM 6.7.1")
class TestLoss:
    async def test_is_reported_from_the_phone_and_lifted_with_the_password(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        async with li.handset.dial(platform_of(shared_center).url) as call:
            assert "口头挂失成功" in await call.press("4", "1")
            assert "此前已挂失" in await call.press("4", "1")
            assert "支付密码有误" in await call.press("4", "3", "7" + li.phone[-5:])
            assert "已解除" in await call.press(PASSWORD)
        assert (await shared_center.events(li))[-2:] == ["loss_reported", "loss_lifted"]

    async def test_is_reported_from_another_phone_by_who_knows_the_password(self, shared_center: Center) -> None:
        li, friend = await shared_center.subscriber(fen=1_000), shared_center.person("Friend")
        wrong, url = "7" + li.phone[-5:], platform_of(shared_center).url
        async with friend.handset.dial(url) as call:
            unknown = await call.press("4", "2", friend.phone.removeprefix("+86"), wrong)
            told = await call.press(li.phone.removeprefix("+86"), wrong)
            assert "不符" in told
            assert told == unknown
            assert "口头挂失成功" in await call.press(li.phone.removeprefix("+86"), PASSWORD)
        assert (await shared_center.events(li))[-1] == "loss_reported"
        assert await state_heard(shared_center, li) == "loss_oral"

    async def test_is_all_that_a_caller_without_a_number_can_do(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        async with calling(platform_of(shared_center).url, None) as call:
            assert "输入有误" in await call.press("1")
            assert "口头挂失成功" in await call.press("4", li.phone.removeprefix("+86"), PASSWORD)
            assert "挂失" in await call.press("*")
        assert await state_heard(shared_center, li) == "loss_oral"


async def state_heard(center: Center, person: Person) -> str:
    rows = await center.dicts("SELECT loss FROM account WHERE phone = %(phone)s", phone=person.phone)
    return f"loss_{rows[0]['loss']}"


async def keyed(center: Center, person: Person, *keys: str) -> PhoneCall:
    """A call of its own that presses these keys and is hung up."""
    async with person.handset.dial(platform_of(center).url) as call:
        await call.press(*keys)
    return call


class TestAPostThatIsRepeated:
    @pytest.mark.parametrize("kind", [Fault.REPEAT, Fault.TWICE_AT_ONCE, Fault.LOSE_REPLY])
    async def test_does_nothing_twice(self, shared_center: Center, kind: Fault) -> None:
        (card, _), _ = await shared_center.counter.sell_vouchers(5_000, quantity=2)
        li = await shared_center.subscriber()
        platform = platform_of(shared_center)
        platform.fail(kind, phone=li.phone, seconds=0.05)
        try:
            call = await keyed(shared_center, li, "6", f"{card}#")
            assert "充值成功，金额50.00元" in call.heard
            assert "修改成功" in (await keyed(shared_center, li, "5", PASSWORD, NEW_PASSWORD, NEW_PASSWORD)).heard
            assert "口头挂失成功" in (await keyed(shared_center, li, "4", "1")).heard
            assert "已解除" in (await keyed(shared_center, li, "4", "3", NEW_PASSWORD)).heard
        finally:
            platform.work()
        told = (await shared_center.events(li))[-4:]
        assert told == ["topped_up", "password_changed", "loss_reported", "loss_lifted"]
        assert await shared_center.dicts(WRONG_TRIES, phone=li.phone) == [{"wrong_in_a_row": 0}]
        await shared_center.assert_sound()


class TestManaging:
    async def test_a_limit_and_a_freeze_hold_for_payments_of_the_web_at_once(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=10_000)
        assert "已设为5.00元" in (await keyed(shared_center, li, "2", "2", "5#")).heard
        assert await refusal(li.pay(shared_center.kiosk, 501)) == "daily_limit_exceeded"
        assert "已设为6.00元" in (await keyed(shared_center, li, "2", "2", "6#", PASSWORD)).heard
        await li.pay(shared_center.kiosk, 600)
        assert "自动解冻" in (await keyed(shared_center, li, "3", "1", "7#")).heard
        assert (await li.account())["state"] == "frozen_by_user"
        assert "账户已解冻" in (await keyed(shared_center, li, "3", "2", PASSWORD)).heard
        assert (await li.account())["state"] == "active"

    async def test_a_card_of_the_recharge_platform_tops_up(self, shared_center: Center) -> None:
        li, recharge = await shared_center.subscriber(), shared_center.running.town.recharge
        assert recharge is not None
        (card,) = recharge.sell(3_000)
        assert "充值成功，金额30.00元" in (await keyed(shared_center, li, "6", f"{card.number}#")).heard
        assert "已使用" in (await keyed(shared_center, li, "6", f"{card.number}#")).heard
        assert (await li.account())["balance_fen"] == 3_000
        await shared_center.assert_sound()

    async def test_a_password_wrong_three_times_locks_paying_on_the_web_too(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        wrong = "7" + li.phone[-5:]
        call = await keyed(shared_center, li, "5", *(wrong, NEW_PASSWORD, NEW_PASSWORD) * 3)
        assert call.ended
        assert await refusal(li.pay(shared_center.kiosk, 100)) == "password_locked"
        assert "锁定" in await li.sms("锁定")

    async def test_a_call_that_breaks_off_changes_a_thing_wholly_or_not_at_all(self, shared_center: Center) -> None:
        li, platform = await shared_center.subscriber(fen=1_000), platform_of(shared_center)
        for seconds in (0.001, 0.01, 0.05):
            async with li.handset.dial(platform.url) as call:
                await call.press("3", "1")
                platform.fail(Fault.HANG_UP, count=1, seconds=seconds, phone=li.phone)
                await call.press("7#")
                assert call.ended
        platform.fail(Fault.SLOW, count=1, seconds=0.5, phone=li.phone)
        assert "账户已解冻" in (await keyed(shared_center, li, "3", "1", "0#", "3", "2", PASSWORD)).heard
        told = await shared_center.events(li)
        assert told[-1] == "unfrozen"
        assert (await shared_center.dicts(FREEZES_MADE, phone=li.phone))[0]["made"] == told.count("frozen")

    async def test_a_wallet_is_opened_and_its_password_set_by_the_link(self, shared_center: Center) -> None:
        wang = shared_center.person("Wang")
        await wang.mark()
        assert "链接" in (await keyed(shared_center, wang, "7", "1")).heard
        link = (await wang.sms("http")).split("/password/")[1].split()[0]
        await wang.api.post(f"/v1/password-links/{link}", {"password": PASSWORD})
        assert "可用余额为0.00元，账户状态正常" in (await keyed(shared_center, wang, "1")).heard
        assert "账户已销户" in (await keyed(shared_center, wang, "8", "1", PASSWORD)).heard

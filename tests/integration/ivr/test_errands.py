"""What a caller does by keys, and what is heard: limits, freezes, loss, password, cards, opening, closing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mpss.accounts.customer_model import CustomerKind, DocumentKind, ImageKind
from mpss.accounts.freeze import end_dated_freezes
from mpss.accounts.identity import IdentityClaim, Image
from mpss.accounts.limit_queries import LimitRule
from mpss.accounts.limit_versions import decide_limits, propose_limits
from mpss.accounts.password import set_by_link
from mpss.accounts.queries import overview_by_phone
from mpss.accounts.state import EffectiveState
from mpss.accounts.upgrade import upgrade_at_counter
from mpss.channels.ivr.handlers import CHANNEL
from mpss.staff.permissions import Permission
from mpss.transactions.verify import verify
from tests.integration.ivr.conftest import Voice
from tests.support.cards import cards_on_sale
from tests.support.clauses import clause
from tests.support.house import PASSWORD, employee, events, last_secret, subscriber
from tests.support.market import PHONE

NEWCOMER = "+8618912340009"
NUMBER = "36042619910101008X"
NATIONAL = PHONE.removeprefix("+86")
WRONG = "749158"
NEW = "630284"


async def state_of(voice: Voice, phone: str = PHONE) -> EffectiveState:
    return (await overview_by_phone(voice.runtime, phone=phone)).state


@clause("CT 5.2")
class TestTheDailyLimit:
    async def test_is_told_lowered_at_once_and_raised_with_the_password(self, voice: Voice) -> None:
        call = await voice.call("2", "1")
        assert "日消费限额为5000.00元，今日已用0.00元，还可使用5000.00元" in " ".join(call.heard)
        assert "已设为700.00元" in await voice.press(call, "2", "700#")
        assert "请输入六位支付密码" in await voice.press(call, "2", "2", "800#")
        assert "支付密码有误" in await voice.press(call, WRONG)
        assert "已设为800.00元" in await voice.press(call, PASSWORD)
        assert (await overview_by_phone(voice.runtime, phone=PHONE)).daily_limit_fen == 80_000

    async def test_is_at_most_the_platforms(self, voice: Voice) -> None:
        assert "超出允许范围" in await voice.heard("2", "2", "5001#")
        assert (await overview_by_phone(voice.runtime, phone=PHONE)).daily_limit_fen == 500_000


@clause("CT 5.2", "CT 6.1.3")
class TestAFreeze:
    async def test_ends_by_itself_on_its_day(self, voice: Voice) -> None:
        assert "零点自动解冻" in await voice.heard("3", "1", "7#")
        assert await state_of(voice) is EffectiveState.FROZEN_BY_USER
        voice.market.clock.advance(timedelta(days=7))
        assert await end_dated_freezes(voice.runtime) == 1
        assert await state_of(voice) is EffectiveState.ACTIVE

    async def test_without_days_holds_until_the_password_releases_it(self, voice: Voice) -> None:
        assert "没有冻结账户" in await voice.heard("3", "2", PASSWORD)
        call = await voice.call("3", "1", "0#")
        assert "账户已冻结" in " ".join(call.heard)
        assert "支付密码有误" in await voice.press(call, "3", "2", WRONG)
        assert await state_of(voice) is EffectiveState.FROZEN_BY_USER
        assert "账户已解冻" in await voice.press(call, PASSWORD)
        assert await state_of(voice) is EffectiveState.ACTIVE

    async def test_is_not_longer_than_the_policy_says(self, voice: Voice) -> None:
        assert "最多为365天" in await voice.heard("3", "1", "366#")
        assert await state_of(voice) is EffectiveState.ACTIVE


@clause("CT 5.2", "CT 12.1")
class TestThePassword:
    async def test_is_changed_by_the_old_one_and_the_new_one_twice(self, voice: Voice) -> None:
        call = await voice.call("5", PASSWORD, NEW, "630285")
        assert "两次输入的新密码不一致" in " ".join(call.heard)
        assert "修改成功" in await voice.press(call, PASSWORD, NEW, NEW)
        assert "支付密码有误" in await voice.heard("5", PASSWORD, "518309", "518309")
        assert (await events(voice.runtime, PHONE))[-1] == "password_changed"

    @pytest.mark.parametrize(("new", "heard"), [("123456", "过于简单"), (PASSWORD, "近期用过")])
    async def test_is_not_changed_to_a_weak_or_used_one(self, voice: Voice, new: str, heard: str) -> None:
        assert heard in await voice.heard("5", PASSWORD, new, new)

    async def test_is_locked_by_three_wrong_ones_in_however_many_calls(self, voice: Voice) -> None:
        await voice.call("3", "1", "0#")
        for _ in range(3):
            assert "支付密码有误" in await voice.heard("3", "2", WRONG)
        assert "已锁定" in await voice.heard("3", "2", PASSWORD)
        assert (await events(voice.runtime, PHONE))[-1] == "password_locked"
        assert await state_of(voice) is EffectiveState.FROZEN_BY_USER

    async def test_wrong_three_times_in_a_call_ends_it(self, voice: Voice) -> None:
        call = await voice.call("3", "1", "0#", "3", "2", WRONG, WRONG)
        assert not call.ended
        last = await voice.press(call, WRONG)
        assert last == "支付密码有误，请重新输入。 多次未能办理，请稍后再拨。 感谢您的来电，再见。"
        assert call.ended


async def real_name(voice: Voice) -> None:
    """The payer has shown a document whose number ends with a letter."""
    claim = IdentityClaim(CustomerKind.INDIVIDUAL, "李小明", DocumentKind.RESIDENT_ID, NUMBER, "2036-06-30")
    picture = b"\xff\xd8\xff\xe0" + b"a face and a name" * 20
    images = [Image(kind, "image/jpeg", picture) for kind in (ImageKind.FRONT, ImageKind.BACK)]
    await upgrade_at_counter(voice.runtime, by=None, phone=PHONE, claim=claim, images=images)


@clause("CM 6.7.1", "CM 6.8")
class TestLoss:
    async def test_stops_payments_until_it_is_lifted_with_the_password(self, voice: Voice) -> None:
        call = await voice.call("4", "3", PASSWORD)
        assert "没有挂失" in " ".join(call.heard)
        assert "口头挂失成功" in await voice.press(call, "4", "1")
        assert await state_of(voice) is EffectiveState.LOSS_ORAL
        assert "解挂请按4再按3" in await voice.press(call, "5", PASSWORD, NEW, NEW)
        assert "支付密码有误" in await voice.press(call, "4", "3", WRONG)
        assert "口头挂失已解除" in await voice.press(call, PASSWORD)
        assert await state_of(voice) is EffectiveState.ACTIVE

    async def test_is_proven_from_another_phone_by_the_documents_end(self, voice: Voice) -> None:
        await real_name(voice)
        call = await voice.call("4", "2", NATIONAL, PASSWORD, phone=NEWCOMER)
        assert "不符" in " ".join(call.heard), "a real-name account asks for the document, not for the password"
        assert "口头挂失成功" in await voice.press(call, NATIONAL, NUMBER[-6:].replace("X", "*"))
        assert await state_of(voice) is EffectiveState.LOSS_ORAL
        assert (await events(voice.runtime, PHONE))[-1] == "loss_reported"
        kept = await voice.one("SELECT string_agg(detail::text, ' ') FROM account_event")
        assert "another phone" in kept

    async def test_is_told_alike_to_whoever_is_wrong(self, voice: Voice) -> None:
        """Whether the number has a wallet, is real-name, or is locked meanwhile."""
        unknown = await voice.heard("4", "18912340077", WRONG, phone=None)
        weak = [await voice.heard("4", NATIONAL, WRONG, phone=None) for _ in range(4)]
        assert {unknown, *weak} == {unknown}
        assert await voice.heard("4", NATIONAL, PASSWORD, phone=None) == unknown, "three were wrong: it is locked"
        await real_name(voice)
        named = [await voice.heard("4", NATIONAL, "000000", phone=None) for _ in range(6)]
        assert {unknown, *named} == {unknown}
        assert await voice.heard("4", NATIONAL, NUMBER[-6:].replace("X", "*"), phone=None) == unknown
        assert await state_of(voice) is not EffectiveState.LOSS_ORAL

    async def test_is_watched_where_one_caller_tries_many_numbers(self, voice: Voice) -> None:
        phones = [f"189123411{number:02d}" for number in range(voice.runtime.policy.spray_numbers)]
        for phone in phones:
            await subscriber(voice.runtime, phone)
        for phone in phones:
            assert "不符" in await voice.heard("4", "2", phone, WRONG, phone=NEWCOMER)
        assert "用短信验证码办理" in await voice.heard("5", WRONG, NEW, NEW)


@clause("CT 5.2", "CM 6.4.3")
class TestACard:
    async def test_tops_up_once_and_a_wrong_one_is_asked_for_again(self, voice: Voice) -> None:
        card, used = await cards_on_sale(voice.runtime, quantity=2)
        call = await voice.call("6", "0000000000000000#")
        assert "充值卡密码有误" in " ".join(call.heard)
        assert "充值成功，金额50.00元" in await voice.press(call, f"{card.password}#")
        assert "已使用" in await voice.press(call, "6", f"{card.password}#")
        assert (await overview_by_phone(voice.runtime, phone=PHONE)).balance_fen == 105_000
        channel = await voice.one("SELECT channel FROM transaction WHERE kind = 'voucher_topup' AND refusal IS NULL")
        assert channel == "ivr"
        assert used.password != card.password
        async with voice.runtime.database.read() as uow:
            assert [check for check in await verify(uow) if not check.holds] == []

    async def test_is_taken_within_the_channels_own_limit(self, voice: Voice) -> None:
        maker = await employee(voice.runtime, "maker of voice limits", Permission.LIMITS_MANAGE)
        checker = await employee(voice.runtime, "checker of voice limits", Permission.LIMITS_APPROVE)
        rules = [LimitRule("weak", CHANNEL, "topup", "daily_amount", 7_000)]
        begins = voice.runtime.clock.now() + timedelta(seconds=1)
        made = await propose_limits(voice.runtime, by=maker, rules=rules, effective_from=begins, note="voice")
        await decide_limits(voice.runtime, by=checker, approval_id=made.approval_id, approve=True)
        voice.market.clock.advance(timedelta(seconds=2))
        first, second = await cards_on_sale(voice.runtime, quantity=2)
        assert "充值成功" in await voice.heard("6", f"{first.password}#")
        assert "超过语音渠道限额" in await voice.heard("6", f"{second.password}#")
        assert (await overview_by_phone(voice.runtime, phone=PHONE)).balance_fen == 105_000


@clause("CT 5.2", "CT 6.1.1")
class TestAWallet:
    async def test_is_opened_by_a_caller_and_closed_when_it_is_empty(self, voice: Voice) -> None:
        assert "尚未开通" in await voice.heard("1", phone=NEWCOMER)
        call = await voice.call("7", "1", phone=NEWCOMER)
        assert "设置支付密码" in " ".join(call.heard)
        assert "待设置支付密码" in await voice.press(call, "1")
        link = await last_secret(voice.runtime, NEWCOMER, "password_link", "url_sealed")
        await set_by_link(voice.runtime, token=link.rsplit("/", 1)[1], password=PASSWORD)
        assert await voice.one("SELECT channel FROM account WHERE phone = %(phone)s", phone=NEWCOMER) == "ivr"
        assert "已开通手机支付" in await voice.press(call, "7", "1")
        assert "销户请按1" in await voice.press(call, "8")
        assert "支付密码有误" in await voice.press(call, "1", WRONG)
        assert "销户请按1" in " ".join(call.heard), "the ways of closing are told again"
        assert "账户已销户" in await voice.press(call, "1", PASSWORD)
        assert "尚未开通" in await voice.press(call, "1")

    async def test_with_money_in_it_is_not_closed_without_a_way_to_pay_it_out(self, voice: Voice) -> None:
        call = await voice.call("8")
        assert "余额1000.00元须先转出或提现" in " ".join(call.heard)
        assert call.page is not None
        assert call.page.asking == "key"
        assert await state_of(voice) is EffectiveState.ACTIVE

"""Commands by SMS, from a phone of the town to the books and back (CT 5.2, 5.3, 5.4)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from mpss.accounts.password import set_by_link
from mpss.accounts.state import EffectiveState
from mpss.channels.sms.listener import on_message
from mpss.fees.model import Schedule
from mpss.fees.store import add_schedule
from mpss.ports.sms import InboundSms
from mpss.simulators.smsc_faults import Fault, FaultKind
from tests.support.cards import cards_on_sale
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.house import assert_books_balance, events
from tests.support.market import PHONE
from tests.support.phones import NEWCOMER, Phones, confirm_code


@clause("CT 5.2", "CT 6.1.1")
class TestOpen:
    async def test_opens_a_wallet_whose_password_is_set_over_the_link(self, phones: Phones) -> None:
        await phones.newcomer.send("kt en")
        opened = await phones.newcomer.wait_for("is open")
        assert opened.text.endswith(f" [No. {opened.serial}]")
        link = await phones.newcomer.wait_for("/")
        token = next(word for word in link.text.split() if "pwd_" in word).rsplit("/", 1)[1]
        await set_by_link(phones.runtime, token=token, password="582047")
        await phones.newcomer.wait_for("payment password is set")
        assert (await phones.account(NEWCOMER)).password_set

    async def test_refuses_a_second_wallet(self, phones: Phones) -> None:
        assert (await phones.ask(phones.li, "开通")).text.startswith("本号码已开通手机支付。")


@clause("CT 5.2")
class TestBalance:
    async def test_is_told_with_state_and_limit(self, phones: Phones) -> None:
        reply = await phones.ask(phones.li, "余额？")
        assert reply.text.startswith("可用余额1000.00元，状态正常，日消费限额5000.00元，今日已用0.00元。")

    async def test_needs_a_wallet(self, phones: Phones) -> None:
        assert "尚未开通" in (await phones.ask(phones.newcomer, "YE")).text


@clause("CT 5.2", "CM 6.4.3")
class TestTopUp:
    async def test_puts_a_cards_face_into_the_wallet_once(self, phones: Phones) -> None:
        card, *_ = await cards_on_sale(phones.runtime)
        assert (await phones.ask(phones.li, f"CZ {card.password}")).text.startswith(
            "您的账户已通过充值卡充值50.00元，余额1050.00元"
        )
        assert (await phones.ask(phones.li, f"充值{card.password}")).text.startswith("该充值卡已使用。")
        assert (await phones.account()).balance_fen == 105_000
        await assert_books_balance(phones.runtime)

    async def test_says_that_a_password_is_wrong(self, phones: Phones) -> None:
        assert "充值卡密码有误" in (await phones.ask(phones.li, "CZ 0000111122223333")).text


@clause("CT 5.3", "CT 5.4", "CT 6.3.2")
class TestBuy:
    async def test_shows_price_and_fee_and_moves_money_on_the_reply(self, phones: Phones) -> None:
        product = phones.market.product
        fee = Schedule(fixed_fen=0, basis_points=60, min_fen=0, max_fen=10_000)
        async with phones.runtime.database.transaction() as uow:
            await add_schedule(uow, "purchase", fee, valid_from=phones.market.clock.now() - timedelta(days=1))
        question = await phones.ask(phones.li, f"ZF {product.sms_code} 2")
        assert question.text.startswith(f"向Kiosk支付50.00元购买{product.name}，手续费0.30元，确认请回复“Y ")
        assert (await phones.account()).balance_fen == 100_000
        paid = await phones.ask(phones.li, f"y{confirm_code(question)}")
        assert paid.text.startswith(f"您已向Kiosk支付50.00元购买{product.name}，手续费0.30元，余额949.70元。")
        assert (await phones.account()).balance_fen == 94_970
        await phones.li.wait_for("已交付", timeout_seconds=10)
        assert await phones.market.available() == 8
        await assert_books_balance(phones.runtime)

    async def test_pays_a_merchant_an_amount(self, phones: Phones) -> None:
        question = await phones.ask(phones.li, f"支付 {phones.market.merchant.sms_code} 12.5元")
        assert question.text.startswith("向Kiosk支付12.50元，")
        assert "您已向Kiosk支付12.50元，" in (await phones.ask(phones.li, f"Y {confirm_code(question)}")).text

    async def test_can_be_cancelled_and_not_confirmed_afterwards(self, phones: Phones) -> None:
        question = await phones.ask(phones.li, f"ZF {phones.market.product.sms_code}")
        code = confirm_code(question)
        assert (await phones.ask(phones.li, f"N {code}")).text.startswith("已取消，未扣款。")
        assert (await phones.ask(phones.li, f"Y {code}")).text.startswith("已取消，未扣款。")
        assert (await phones.account()).balance_fen == 100_000

    async def test_cannot_be_cancelled_once_paid(self, phones: Phones) -> None:
        question = await phones.ask(phones.li, f"ZF {phones.market.merchant.sms_code} 1")
        code = confirm_code(question)
        await phones.ask(phones.li, f"Y {code}")
        assert (await phones.ask(phones.li, f"N {code}")).text.startswith("该笔交易已支付，无法取消。")

    async def test_lapses_when_the_reply_is_late(self, phones: Phones) -> None:
        question = await phones.ask(phones.li, f"ZF {phones.market.product.sms_code}")
        phones.market.clock.advance(timedelta(seconds=phones.runtime.policy.confirmation_ttl_seconds))
        assert (await phones.ask(phones.li, f"Y {confirm_code(question)}")).text.startswith("确认已超时")
        assert (await phones.account()).balance_fen == 100_000

    async def test_is_confirmed_by_the_payers_phone_alone(self, phones: Phones) -> None:
        question = await phones.ask(phones.li, f"ZF {phones.market.product.sms_code}")
        stranger = await phones.ask(phones.newcomer, f"Y {confirm_code(question)}")
        assert "没有等待确认的交易" in stranger.text
        assert (await phones.account()).balance_fen == 100_000

    @pytest.mark.parametrize(
        ("text", "reply"),
        [
            ("ZF 999999", "商品编号不存在"),
            ("ZF 7777 5", "商户编号不存在"),
            ("ZF 8001 9999", "金额超过单笔限额"),
            ("ZF 8001 4000", "余额不足"),
            ("ZF 8001", "请填写金额"),
            ("Y 0000", "没有等待确认的交易"),
            ("我要买东西", "无法识别的指令"),
            ("BZ", "KT开通；"),
        ],
    )
    async def test_says_why_not(self, phones: Phones, text: str, reply: str) -> None:
        assert reply in (await phones.ask(phones.li, text)).text
        assert await phones.count("confirmation") == 0


@clause("CT 5.2", "CM 7.3", "CM 8.2.2")
class TestOwnAccount:
    @clause("CM 5.2.9", "CM 6.7.2")
    async def test_reports_loss_once(self, phones: Phones) -> None:
        assert (await phones.ask(phones.li, "挂失")).text.startswith("您的账户已口头挂失，5天内有效")
        assert (await phones.ask(phones.li, "GS")).text.startswith("您的账户已挂失。")
        question = await phones.ask(phones.li, f"ZF {phones.market.merchant.sms_code} 1")
        assert question.text.startswith("您的账户已口头挂失，解挂请发送JG。")
        assert "状态口头挂失（至2026-03-06 " in (await phones.ask(phones.li, "ZT")).text
        assert (await phones.account()).balance_fen == 100_000

    @clause("CT 6.1.3")
    async def test_freezes_until_a_day(self, phones: Phones) -> None:
        assert (await phones.ask(phones.li, "DJ 7")).text.startswith("您的账户已冻结至2026-03-08，期间不参与交易。")
        assert "状态本人冻结（至2026-03-08 00:00）" in (await phones.ask(phones.li, "ZT")).text
        assert (await phones.ask(phones.li, "DJ 1")).text.startswith("您的账户已冻结更长时间，不能缩短")
        assert (await phones.ask(phones.li, "DJ 366")).text.startswith("冻结天数应为1至365，例如：DJ 7")
        assert (await phones.ask(phones.li, "冻结")).text.startswith("您的账户已冻结，期间不参与交易。")
        phones.market.clock.advance(timedelta(days=8))
        assert (await phones.account()).state is EffectiveState.FROZEN_BY_USER

    async def test_reads_and_sets_the_daily_limit(self, phones: Phones) -> None:
        await phones.market.buy(amount_fen=2500)
        await phones.li.wait_for("您已向Kiosk支付25.00元")
        told = await phones.ask(phones.li, "XE")
        assert told.text.startswith("日消费限额5000.00元，今日已用25.00元，尚可用4975.00元。")
        assert (await phones.ask(phones.li, "XE 30")).text.startswith("您的日消费限额已设为30.00元。")
        refused = await phones.ask(phones.li, f"ZF {phones.market.merchant.sms_code} 6")
        assert refused.text.startswith("金额超过您的日限额。")
        assert "日消费限额应为0至" in (await phones.ask(phones.li, "XE 999999")).text
        raised = await phones.ask(phones.li, "XE 31")
        assert raised.text.startswith("调高日消费限额（现为30.00元）需支付密码，请登录网页办理")
        assert (await phones.account()).daily_limit_fen == 3_000

    @clause("CM 5.4")
    async def test_shows_state_and_last_movements(self, phones: Phones) -> None:
        phones.market.clock.advance(timedelta(seconds=1))
        await phones.market.buy(amount_fen=2500)
        await phones.li.wait_for("您已向Kiosk支付25.00元")
        shown = await phones.ask(phones.li, "明细 5")
        assert shown.text.startswith("03-01 消费-25.00 Kiosk；03-01 现金充值+1000.00【MPSS")
        state = await phones.ask(phones.li, "ZT")
        assert state.text.startswith("手机支付账户，弱实名，状态正常，2026-03-01开户，日消费限额5000.00元。")
        assert "持证件到营业厅办理实名升级" in (await phones.ask(phones.li, "SJ")).text

    @clause("CM 5.5", "CT 5.4")
    async def test_says_what_it_wants_to_be_told_and_in_which_language(self, phones: Phones) -> None:
        assert "通知：入账关，退款开，设置开；免打扰未设。" in (await phones.ask(phones.li, "TZ 关 入账")).text
        assert "免打扰22:00-07:30。" in (await phones.ask(phones.li, "MD 22:00 7:30")).text
        english = await phones.ask(phones.li, "YY EN")
        assert english.text.startswith("Our SMS to you are in English now. [No. ")
        assert (
            "Notices: IN on, BACK on, SETTINGS on; quiet hours 22:00-07:30."
            in (await phones.ask(phones.li, "TZ on")).text
        )
        assert "quiet hours none." in (await phones.ask(phones.li, "MD off")).text
        assert (await phones.ask(phones.li, "ye")).text.startswith("Available 1000.00 yuan; active;")
        assert (await phones.ask(phones.li, "BZ 2")).text.startswith("ZT state;")

    @pytest.mark.parametrize(("stop", "go", "does"), [("DJ", "JD", "解除账户冻结"), ("GS", "JG", "解除挂失")])
    async def test_is_sent_a_link_for_what_needs_the_password(
        self, phones: Phones, stop: str, go: str, does: str
    ) -> None:
        await phones.ask(phones.li, stop)
        sent = await phones.ask(phones.li, go)
        assert "/change/chg_" in sent.text
        assert f"输入支付密码，{does}。" in sent.text
        async with phones.runtime.database.read() as uow:
            rows = [*await uow.dicts("SELECT * FROM outbox"), *await uow.dicts("SELECT * FROM one_time_link")]
        assert "chg_" not in repr(rows)

    async def test_is_told_what_stands_in_the_way_of_closing(self, phones: Phones) -> None:
        assert (await phones.ask(phones.li, "XH")).text.startswith("暂不能销户：余额1000.00元须先转出或提现。")
        assert (await phones.ask(phones.li, "HX")).text.startswith("您的账户未沉默")

    @pytest.mark.parametrize("text", ["GS", "JD", "XH", "DJ", "ZT", "XE 5", "MX", "TZ", "YY EN", "SJ"])
    async def test_needs_a_wallet(self, phones: Phones, text: str) -> None:
        reply = (await phones.ask(phones.newcomer, text)).text
        assert "Send KT to open one." in reply or "尚未开通" in reply


@clause("CT 5.4")
class TestOnce:
    async def test_a_repeat_of_a_message_asks_for_nothing_new(self, phones: Phones) -> None:
        buy = InboundSms(PHONE, f"ZF {phones.market.product.sms_code}", "77")
        for _ in range(3):
            await on_message(phones.runtime, buy)
        assert await phones.count("confirmation") == 1
        balance = InboundSms(PHONE, "YE", "78")
        await asyncio.gather(*(on_message(phones.runtime, balance) for _ in range(3)))
        await on_message(phones.runtime, balance)
        told = await events(phones.runtime, PHONE)
        assert told.count("confirm_purchase") == 1
        assert told.count("reply") == 1

    async def test_a_reference_that_comes_round_again_names_a_new_message(self, phones: Phones) -> None:
        await on_message(phones.runtime, InboundSms(PHONE, "YE", "5"))
        phones.market.clock.advance(timedelta(days=1, seconds=1))
        await on_message(phones.runtime, InboundSms(PHONE, "YE", "5"))
        assert (await events(phones.runtime, PHONE)).count("reply") == 2

    async def test_messages_without_a_reference_are_each_taken(self, phones: Phones) -> None:
        for _ in range(2):
            await on_message(phones.runtime, InboundSms(PHONE, "YE", ""))
        assert (await events(phones.runtime, PHONE)).count("reply") == 2

    async def test_a_phone_that_never_stops_gets_no_more_replies(self, phones: Phones) -> None:
        most = phones.runtime.policy.sms_replies_per_hour
        for number in range(most + 3):
            await on_message(phones.runtime, InboundSms(PHONE, "???", str(1000 + number)))
        assert (await events(phones.runtime, PHONE)).count("reply") == most
        phones.market.clock.advance(timedelta(hours=1, seconds=1))
        await on_message(phones.runtime, InboundSms(PHONE, "???", "2000"))
        assert (await events(phones.runtime, PHONE)).count("reply") == most + 1

    async def test_keeps_no_card_password_where_it_was_sent(self, phones: Phones) -> None:
        await phones.ask(phones.li, "CZ 0000111122223333")
        async with phones.runtime.database.read() as uow:
            rows = [
                *await uow.dicts("SELECT * FROM inbound_sms"),
                *await uow.dicts("SELECT * FROM outbox"),
                *await uow.dicts("SELECT * FROM transaction"),
            ]
        assert "0000111122223333" not in repr(rows)


@clause("CT 5.4")
class TestNoticesThroughAnOutage:
    async def test_wait_for_the_smsc_and_are_lost_to_nobody(self, phones: Phones) -> None:
        await phones.smsc.set_fault(Fault(FaultKind.DOWN))
        await eventually(lambda: _is(not phones.sms._session.up))
        await phones.market.buy()
        await eventually(lambda: _attempted(phones))
        assert not [message for message in await phones.li.inbox() if "您已向" in message.text]
        await phones.smsc.clear_faults()
        assert await phones.sms.wait_bound(timeout_seconds=10)
        phones.market.clock.advance(timedelta(seconds=90))
        await phones.li.wait_for("您已向Kiosk支付")
        counts = (await phones.smsc.stats())["by_serial"]
        assert set(counts.values()) == {1}

    async def test_come_twice_with_one_serial_after_a_lost_answer(self, phones: Phones) -> None:
        await phones.smsc.set_fault(Fault(FaultKind.CLOSE, count=1))
        await phones.market.buy(amount_fen=100)
        first = await phones.li.wait_for("您已向Kiosk支付1.00元")
        assert await phones.sms.wait_bound(timeout_seconds=10)
        phones.market.clock.advance(timedelta(seconds=90))
        second = await phones.li.wait_for("您已向Kiosk支付1.00元", after=first.id)
        assert second.text == first.text
        assert (await phones.smsc.stats())["by_serial"][str(first.serial)] == 2


async def _is(value: bool) -> bool:
    return value


async def _attempted(phones: Phones) -> bool:
    """The notice of the payment was tried, in vain."""
    async with phones.runtime.database.read() as uow:
        tried = await uow.value(
            "SELECT count(*) FROM outbox WHERE kind = 'notice' AND state = 'pending' AND attempts > 0"
            " AND last_error LIKE 'not connected%%' AND payload LIKE '%%\"paid\"%%'"
        )
    return bool(tried)

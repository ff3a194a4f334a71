from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss.accounts.state import Operation
from mpss.channels.sms.arguments import Mistake, NotUnderstood
from mpss.channels.sms.commands import (
    AskLink,
    Balance,
    BuyProduct,
    Cancel,
    Command,
    Confirm,
    Freeze,
    Help,
    ListCards,
    Open,
    PayMerchant,
    ReportLoss,
    SetDailyLimit,
    SetLanguage,
    SetPassword,
    SetQuietHours,
    ShowLimits,
    ShowNotices,
    ShowState,
    ShowStatement,
    ShowUpgrade,
    SwitchNotices,
    TopUp,
    TopUpFromCard,
    Transfer,
    UnbindCard,
    Withdraw,
)
from mpss.channels.sms.grammar import parse
from mpss.desk.model import Funding
from mpss.notices.preference_model import Group

CARD = "1234567890123456"


class TestParse:
    @pytest.mark.parametrize(
        ("text", "command"),
        [
            ("KT", Open()),
            ("kt", Open()),
            (" 开通 ", Open()),
            ("KT EN", Open("en")),
            ("开通 中文", Open("zh-CN")),
            ("OPEN", Open()),
            ("ＫＴ", Open()),
            ("KT。", Open()),
            ("YE", Balance()),
            ("mm", SetPassword()),
            ("密码", SetPassword()),
            ("余额？", Balance()),
            ("ye.", Balance()),
            ("Balance", Balance()),
            (f"CZ {CARD}", TopUp(CARD)),
            (f"cz{CARD}", TopUp(CARD)),
            (f"充值#{CARD}", TopUp(CARD)),
            ("充值１２３４ ５６７８ ９０１２ ３４５６", TopUp(CARD)),
            ("CZ 1234-5678-9012-3456", TopUp(CARD)),
            ("ZF 100001", BuyProduct(100001)),
            ("zf100001*2", BuyProduct(100001, 2)),
            ("购买 100001 3", BuyProduct(100001, 3)),
            ("支付100001，2件", BuyProduct(100001, 2)),
            ("ＺＦ＃１００００１", BuyProduct(100001)),
            ("BUY 100001 x10", BuyProduct(100001, 10)),
            ("ZF 8001 25", PayMerchant(8001, 2500)),
            ("ZF#8001#25.5", PayMerchant(8001, 2550)),
            ("支付 8001 0.01元", PayMerchant(8001, 1)),
            ("PAY 8001 ￥25.00", PayMerchant(8001, 2500)),
            ("ZZ 18912340002 25.5", Transfer("+8618912340002", 2550)),
            ("转账#18912340002#100元", Transfer("+8618912340002", 10_000)),
            ("transfer +86 18912340002 1", Transfer("+8618912340002", 100)),
            ("zz8618912340002 0.01", Transfer("+8618912340002", 1)),
            ("TX 200", Withdraw(20_000)),
            ("提现200.5元", Withdraw(20_050)),
            ("withdraw#200#0015", Withdraw(20_000, "0015")),
            ("Y 0042", Confirm("0042")),
            ("y0042", Confirm("0042")),
            ("确认 １２３４", Confirm("1234")),
            ("Yes, 1234!", Confirm("1234")),
            ("Y 0042 HF", Confirm("0042", Funding.PHONE_BILL)),
            ("确认1234 话费", Confirm("1234", Funding.PHONE_BILL)),
            ("y 1234 yhk", Confirm("1234", Funding.BANK_CARD)),
            ("YHK", ListCards()),
            ("解绑 0015", UnbindCard("0015")),
            ("CZ YHK 100", TopUpFromCard(10_000, None)),
            ("充值 银行卡 25.5元 0015", TopUpFromCard(2_550, "0015")),
            ("N 0042", Cancel("0042")),
            ("取消0042", Cancel("0042")),
            ("no 0042", Cancel("0042")),
            ("GS", ReportLoss()),
            ("挂失。", ReportLoss()),
            ("DJ", Freeze()),
            ("冻结7天", Freeze(7)),
            ("freeze 30 days", Freeze(30)),
            ("JD", AskLink(Operation.UNFREEZE)),
            ("解挂", AskLink(Operation.LIFT_LOSS)),
            ("hx", AskLink(Operation.WAKE)),
            ("销户！", AskLink(Operation.CLOSE)),
            ("ZT", ShowState()),
            ("状态", ShowState()),
            ("XE", ShowLimits()),
            ("限额 500元", SetDailyLimit(50_000)),
            ("XE0", SetDailyLimit(0)),
            ("MX", ShowStatement(3)),
            ("明细5条", ShowStatement(5)),
            ("YY EN", SetLanguage("en")),
            ("语言 中文", SetLanguage("zh-CN")),
            ("TZ", ShowNotices()),
            ("TZ OFF", SwitchNotices(False, frozenset(Group))),
            ("通知 关 入账 退款", SwitchNotices(False, frozenset({Group.MONEY_IN, Group.MONEY_BACK}))),
            ("tz settings on", SwitchNotices(True, frozenset({Group.SETTINGS}))),
            ("MD 22:00 7:30", SetQuietHours(time(22), time(7, 30))),
            ("免打扰 22：00-07：30", SetQuietHours(time(22), time(7, 30))),
            ("MD 22-7", SetQuietHours(time(22), time(7))),
            ("MD 2200 0730", SetQuietHours(time(22), time(7, 30))),
            ("md off", SetQuietHours(None, None)),
            ("SJ", ShowUpgrade()),
            ("实名", ShowUpgrade()),
            ("BZ", Help()),
            ("BZ2", Help(account=True)),
            ("帮助 账户", Help(account=True)),
            ("帮助", Help()),
            ("help me", Help()),
            ("\u200bBZ\u200b", Help()),
        ],
    )
    def test_reads(self, text: str, command: Command) -> None:
        assert parse(text) == command

    @pytest.mark.parametrize(
        ("text", "mistake"),
        [
            ("", Mistake.KEYWORD),
            ("1234", Mistake.KEYWORD),
            ("hello", Mistake.KEYWORD),
            ("YES!PLEASE", Mistake.CONFIRM_CODE),
            ("KTEN", Mistake.KEYWORD),
            ("KT FR", Mistake.LANGUAGE),
            ("JB", Mistake.CARD_DIGITS),
            ("CZ YHK 10 15", Mistake.CARD_DIGITS),
            ("YHK 1", Mistake.EXTRA),
            ("KT EN now", Mistake.LANGUAGE),
            ("YE 1", Mistake.EXTRA),
            ("MM 470983", Mistake.EXTRA),
            ("CZ", Mistake.CARD_PASSWORD),
            ("CZ 123456789012345", Mistake.CARD_PASSWORD),
            ("CZ 12345678901234567", Mistake.CARD_PASSWORD),
            ("CZ 123456789012345a", Mistake.CARD_PASSWORD),
            ("CZ ١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦", Mistake.CARD_PASSWORD),
            ("TX", Mistake.AMOUNT),
            ("TX 200 15", Mistake.CARD_DIGITS),
            ("TX 200 0015 now", Mistake.EXTRA),
            ("ZF", Mistake.PRODUCT_OR_MERCHANT),
            ("ZF tea", Mistake.PRODUCT_OR_MERCHANT),
            ("ZF 800", Mistake.PRODUCT_OR_MERCHANT),
            ("ZF 1000000000000", Mistake.PRODUCT_OR_MERCHANT),
            ("ZF -100001", Mistake.PRODUCT_OR_MERCHANT),
            ("ZF 100001 0", Mistake.QUANTITY),
            ("ZF 100001 1001", Mistake.QUANTITY),
            ("ZF 100001 two", Mistake.QUANTITY),
            ("ZF 100001 1.5", Mistake.QUANTITY),
            ("ZF 100001 -1", Mistake.QUANTITY),
            ("ZF 100001 1 2", Mistake.EXTRA),
            ("ZF 8001", Mistake.AMOUNT),
            ("ZF 8001 0", Mistake.AMOUNT),
            ("ZF 8001 0.00", Mistake.AMOUNT),
            ("ZF 8001 -5", Mistake.AMOUNT),
            ("ZF 8001 0.001", Mistake.AMOUNT),
            ("ZF 8001 1e3", Mistake.AMOUNT),
            ("ZF 8001 99999999999", Mistake.AMOUNT),
            ("ZF 8001 $5", Mistake.AMOUNT),
            ("ZF 8001 5USD", Mistake.AMOUNT),
            ("Y", Mistake.CONFIRM_CODE),
            ("Y 123", Mistake.CONFIRM_CODE),
            ("N 12345", Mistake.CONFIRM_CODE),
            ("Y abcd", Mistake.CONFIRM_CODE),
            ("YE" + " " * 300, Mistake.KEYWORD),
            ("GS 1", Mistake.EXTRA),
            ("JD 470983", Mistake.EXTRA),
            ("DJ 0", Mistake.FREEZE_DAYS),
            ("DJ 10000", Mistake.FREEZE_DAYS),
            ("DJ week", Mistake.FREEZE_DAYS),
            ("DJ -7", Mistake.FREEZE_DAYS),
            ("ZT now", Mistake.EXTRA),
            ("XE lots", Mistake.LIMIT),
            ("XE -1", Mistake.LIMIT),
            ("XE 1 2", Mistake.LIMIT),
            ("MX 0", Mistake.LINES),
            ("MX 6", Mistake.LINES),
            ("MX all", Mistake.LINES),
            ("YY", Mistake.NEW_LANGUAGE),
            ("YY FR", Mistake.NEW_LANGUAGE),
            ("YY EN ZH", Mistake.NEW_LANGUAGE),
            ("TZ IN", Mistake.SWITCH),
            ("TZ ON OFF", Mistake.SWITCH),
            ("TZ OFF PAID", Mistake.SWITCH),
            ("MD", Mistake.QUIET_HOURS),
            ("MD 22:15", Mistake.QUIET_HOURS),
            ("MD 22 7", Mistake.QUIET_HOURS),
            ("MD 24:00 7:00", Mistake.QUIET_HOURS),
            ("MD 22:60 7:00", Mistake.QUIET_HOURS),
            ("MD 22:00 22:00", Mistake.QUIET_HOURS),
            ("MD ten to six", Mistake.QUIET_HOURS),
            ("MD on", Mistake.QUIET_HOURS),
            ("SJ 3", Mistake.EXTRA),
        ],
    )
    def test_names_what_is_wrong(self, text: str, mistake: Mistake) -> None:
        with pytest.raises(NotUnderstood) as caught:
            parse(text)
        assert caught.value.mistake is mistake

    def test_shows_no_card_password(self) -> None:
        assert CARD not in repr(parse(f"CZ {CARD}"))
        with pytest.raises(NotUnderstood) as caught:
            parse(f"CZ {CARD}9")
        assert "1234" not in str(caught.value)


@given(st.text(max_size=250))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    found: object
    try:
        found = parse(text)
    except NotUnderstood as refused:
        found = refused.mistake
    assert isinstance(found, Command | Mistake)


@given(
    st.sampled_from(["KT", "CZ", "ZF", "Y", "N", "购买", "充值", "DJ", "XE", "MX", "MD", "TZ"]),
    st.text("0123456789.-# x元０１２３ ", max_size=30),
)
def test_anything_after_a_keyword_is_read_or_refused_by_name(keyword: str, rest: str) -> None:
    try:
        command = parse(keyword + rest)
    except NotUnderstood:
        return
    match command:
        case BuyProduct(sms_code, quantity):
            assert sms_code > 100_000
            assert 1 <= quantity <= 1000
        case PayMerchant(sms_code, amount_fen):
            assert 1000 <= sms_code <= 100_000 or rest.strip(" #").startswith(("0", "０"))
            assert 0 < amount_fen <= 10**9


@given(st.integers(100_001, 10**11), st.integers(1, 1000))
def test_a_written_purchase_is_read_back(sms_code: int, quantity: int) -> None:
    assert parse(f"ZF {sms_code} {quantity}") == BuyProduct(sms_code, quantity)


@given(st.integers(1000, 100_000), st.integers(1, 10**9))
def test_a_written_payment_is_read_back(sms_code: int, amount_fen: int) -> None:
    assert parse(f"ZF {sms_code} {amount_fen // 100}.{amount_fen % 100:02d}") == PayMerchant(sms_code, amount_fen)

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss.kernel.language import LANGUAGES
from mpss.notices.compose import compose
from mpss.notices.model import FACTS, Event
from mpss.notices.templates import CHANGES, PARTS, PURPOSES, REASONS, SERIAL, SOURCES, TEMPLATES
from mpss.wire.sms_text import segment_count

EXAMPLE: dict[str, str | int] = {
    "level": "III",
    "group": "南城信息",
    "amount_fen": 2500,
    "fee_fen": 15,
    "balance_fen": 7485,
    "left_fen": 75_000,
    "daily_limit_fen": 500_000,
    "merchant": "街角小店",
    "product": "红茶",
    "content": "取货码 8812",
    "reason": "delivery_refused",
    "source": "voucher",
    "code": "0042",
    "bill_code": "",
    "card": "0015",
    "purpose": "sign_in",
    "minutes": 5,
    "hours": 24,
    "days": 7,
    "until": "2026-06-01",
    "counterpart": "+86189****0002",
    "url": "https://pay.example/p/pwd_abc_DEF-123",
    "text": "已取消，未扣款。",
}


def facts(event: Event, **changes: str | int) -> dict[str, str | int]:
    return {name: {**EXAMPLE, **changes}[name] for name in FACTS[event]}


class TestCompose:
    @pytest.mark.parametrize(
        ("event", "language", "text"),
        [
            (Event.PAID, "zh-CN", "您已向街角小店支付25.00元购买红茶，手续费0.15元，余额74.85元。【MPSS 000123】"),
            (
                Event.PAID,
                "en",
                "You paid 25.00 yuan to 街角小店 for 红茶. Fee 0.15 yuan. Balance 74.85 yuan. [No. 123]",
            ),
            (Event.TOPPED_UP, "zh-CN", "您的账户已通过充值卡充值25.00元，余额74.85元。【MPSS 000123】"),
            (
                Event.REVERSED,
                "zh-CN",
                "您在街角小店的消费已冲正，退回25.00元，余额74.85元。原因：商户未能交付。【MPSS 000123】",
            ),
            (
                Event.CONFIRM_PURCHASE,
                "zh-CN",
                "向街角小店支付25.00元购买红茶，手续费0.15元，确认请回复“Y 0042”，取消请回复“N 0042”。【MPSS 000123】",
            ),
            (Event.CODE, "en", "Code 0042 to sign in, good for 5 minutes. Tell nobody. [No. 123]"),
            (Event.REPLY, "zh-CN", "已取消，未扣款。【MPSS 000123】"),
            (Event.DELIVERED, "zh-CN", "街角小店已交付红茶：取货码 8812【MPSS 000123】"),
        ],
    )
    def test_writes(self, event: Event, language: str, text: str) -> None:
        assert compose(event, language, facts(event), 123) == text

    def test_leaves_out_what_there_is_none_of(self) -> None:
        free = facts(Event.PAID, product="", fee_fen=0)
        assert compose("paid", "zh-CN", free, 1) == "您已向街角小店支付25.00元，余额74.85元。【MPSS 000001】"
        assert compose("paid", "en", free, 1) == "You paid 25.00 yuan to 街角小店. Balance 74.85 yuan. [No. 1]"
        bare = facts(Event.DELIVERED, content="")
        assert compose("delivered", "zh-CN", bare, 1) == "街角小店已交付红茶【MPSS 000001】"

    def test_says_in_the_question_that_there_is_no_fee(self) -> None:
        free = facts(Event.CONFIRM_PURCHASE, fee_fen=0, product="")
        assert compose("confirm_purchase", "zh-CN", free, 1).startswith("向街角小店支付25.00元，免手续费，确认请回复")
        assert compose("confirm_purchase", "en", free, 1).startswith("Pay 25.00 yuan to 街角小店? No fee. Reply")

    def test_offers_the_phone_bill_where_it_may_pay(self) -> None:
        offered = facts(Event.CONFIRM_PURCHASE, bill_code="0042")
        assert "用话费支付请回复“Y 0042 HF”，取消" in compose("confirm_purchase", "zh-CN", offered, 1)
        assert 'Reply "Y 0042" to pay, "Y 0042 HF" to pay by phone bill, "N' in compose(
            "confirm_purchase", "en", offered, 1
        )

    def test_writes_a_correction_downward_with_its_sign(self) -> None:
        assert "变动-5.00元" in compose("adjusted", "zh-CN", facts(Event.ADJUSTED, amount_fen=-500), 1)

    def test_gives_the_merchants_own_reason_in_its_own_words(self) -> None:
        assert "原因：卖完了。" in compose("reversed", "zh-CN", facts(Event.REVERSED, reason="卖完了"), 1)

    def test_keeps_names_and_content_on_one_line_and_short(self) -> None:
        nasty = facts(Event.DELIVERED, merchant="A\r\nB\u202e", product="x" * 500, content="y" * 5000)
        text = compose("delivered", "en", nasty, 1)
        assert text.startswith("A B delivered " + "x" * 39 + "…: yyy")
        assert segment_count(text) < 8

    def test_writes_chinese_for_an_unknown_language(self) -> None:
        assert compose("opened", "fr", {}, 7).endswith("【MPSS 000007】")

    def test_knows_no_other_events(self) -> None:
        with pytest.raises(ValueError, match="meteor"):
            compose("meteor", "en", {}, 1)

    @pytest.mark.parametrize("event", [event for event in Event if event not in (Event.PASSWORD_LINK, Event.REPLY)])
    def test_takes_at_most_two_short_messages(self, event: Event) -> None:
        for language in LANGUAGES:
            english = {"merchant": "Corner shop", "product": "Black tea", "content": "Code 8812"}
            given_facts = facts(event, **(english if language == "en" else {}))
            assert segment_count(compose(event, language, given_facts, 123_456)) <= 2


class TestTemplates:
    def test_are_there_for_every_event_and_language(self) -> None:
        assert set(TEMPLATES) == set(FACTS) == set(Event)
        for texts in [
            *TEMPLATES.values(),
            SERIAL,
            *PARTS.values(),
            *SOURCES.values(),
            *REASONS.values(),
            *PURPOSES.values(),
            *CHANGES.values(),
        ]:
            assert set(texts) == set(LANGUAGES)

    @pytest.mark.parametrize("event", list(Event))
    def test_use_the_same_facts_in_every_language(self, event: Event) -> None:
        used = {
            language: {name for _, name, _, _ in string.Formatter().parse(text) if name}
            for language, text in TEMPLATES[event].items()
        }
        assert used["en"] == used["zh-CN"]


@given(
    st.sampled_from(Event),
    st.sampled_from(LANGUAGES),
    st.text(max_size=80),
    st.integers(0, 10**13),
    st.integers(1, 10**9),
)
def test_every_event_has_a_text_whatever_its_facts(
    event: Event, language: str, words: str, fen: int, serial: int
) -> None:
    params: dict[str, str | int] = {name: fen if name.endswith("_fen") else words for name in FACTS[event]}
    text = compose(event, language, params, serial)
    assert text.endswith(f"【MPSS {serial:06d}】" if language == "zh-CN" else f" [No. {serial}]")
    assert "{" not in text or "{" in words

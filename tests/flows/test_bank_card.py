"""A bank card through a whole center and the town's banks: bound, paid from, topped up from (CT 5.1; CM 6.4.2)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mpss.simulators.merchant_shop import Fault
from mpss.simulators.people import PASSWORD, Person, confirmation_in, digits_in
from tests.support.center import Center, refusal
from tests.support.clauses import clause
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.xdist_group("center"),
    clause("CT 5.1", "CT 5.3", "CM 6.4.2", "CM 6.4.7.2", "CM 6.6.2.2"),
]

CARDS = {"NANCHENG": "6222020000000015", "BEIHU": "6228480000000019"}
HOLDER = "李小明"


async def bind(center: Center, person: Person, bank: str) -> str:
    """A card of this person at this bank, with 2,000 yuan, bound to the account; its id."""
    number = card_number(time.time_ns() % 10**9)
    center.running.town.banks[bank].store.open_card(number, holder_name=HOLDER, phone=person.phone, balance_fen=200_000)
    await person.mark()
    asked = await person.api.post("/v1/account/cards", {"bank": bank, "card_number": number, "holder_name": HOLDER})
    code = digits_in(await person.sms("验证码"), 6)
    bound = await person.api.post(f"/v1/account/cards/{asked['card_id']}/confirm", {"code": code})
    assert bound["state"] == "bound"
    return str(asked["card_id"])


def card_number(serial: int) -> str:
    """A number with its check digit."""
    body = f"622202{serial:09d}"
    doubled = [sum(divmod(int(digit) * 2, 10)) for digit in body[-1::-2]]
    return body + str(-(sum(doubled) + sum(int(digit) for digit in body[-2::-2])) % 10)


def left_fen(center: Center, person: Person, bank: str) -> tuple[int, int]:
    """What the person's card has, and how much of it is frozen."""
    (card,) = (card for card in center.running.town.banks[bank].store.cards() if card.phone == person.phone)
    return card.balance_fen, card.frozen_fen


async def goods(center: Center) -> dict[str, Any]:
    name = f"银行卡 {time.time_ns()}"
    return await center.counter.put_on_sale(center.kiosk, name, category="cards", price_fen=2_500, quantity=10)


async def buy(person: Person, product: dict[str, Any], card_id: str) -> dict[str, Any]:
    return await person.api.post(
        "/v1/purchases",
        {
            "merchant_id": product["merchant_id"], "product_id": product["product_id"], "quantity": 1,
            "amount_fen": 2_500, "currency": "CNY", "payment_password": PASSWORD, "funding": "bank_card",
            "card_id": card_id,
        },
    )  # fmt: skip


async def ends(person: Person, bought: dict[str, Any], state: str) -> None:
    async def there() -> bool:
        now = await person.api.get(f"/v1/purchases/{bought['transaction_id']}")
        return bool(now["state"] == state)

    await eventually(there, seconds=60)


class TestABankCard:
    @pytest.mark.parametrize("bank", list(CARDS))
    async def test_pays_for_goods_and_gets_its_money_back(self, shared_center: Center, bank: str) -> None:
        product, li = await goods(shared_center), await shared_center.subscriber("Card")
        card_id = await bind(shared_center, li, bank)
        bought = await buy(li, product, card_id)
        await ends(li, bought, "SUCCEEDED")
        assert left_fen(shared_center, li, bank) == (197_500, 0)
        keeper = shared_center.counter.shopkeeper(shared_center.kiosk)
        back = await keeper.post("/v1/reversals", {"transaction_id": bought["transaction_id"], "reason": "sold out"})
        assert back["state"] == "SUCCEEDED"
        assert left_fen(shared_center, li, bank) == (200_000, 0)
        assert "已退回原银行卡" in await li.sms("已冲正")
        shared_center.kiosk.fail(Fault.REFUSE, count=1)
        refused = await buy(li, product, card_id)
        await ends(li, refused, "CANCELLED")
        assert left_fen(shared_center, li, bank) == (200_000, 0)
        assert (await li.account())["balance_fen"] == 0
        await shared_center.assert_sound()

    async def test_tops_up_by_sms_after_a_yes(self, shared_center: Center) -> None:
        li = await shared_center.subscriber("Card")
        assert "没有这张银行卡" in await li.ask("CZ YHK 100", "银行卡")
        await bind(shared_center, li, "NANCHENG")
        question = await li.ask("CZ YHK 100", "确认请回复")
        assert left_fen(shared_center, li, "NANCHENG") == (200_000, 0)
        assert "充值" in await li.ask(f"Y {confirmation_in(question)}", "余额")
        assert (await li.account())["balance_fen"] == 10_000
        await li.handset.send(f"Y {confirmation_in(question)}")
        await shared_center.all_sent()
        assert left_fen(shared_center, li, "NANCHENG") == (190_000, 0)
        await shared_center.assert_sound()

    async def test_is_listed_and_unbound_by_sms(self, shared_center: Center) -> None:
        li = await shared_center.subscriber("Card")
        assert "未绑定银行卡" in await li.ask("YHK", "银行卡")
        card_id = await bind(shared_center, li, "BEIHU")
        (card,) = (await li.api.get("/v1/account/cards"))["items"]
        digits = card["masked"][-4:]
        assert f"北湖银行 {digits}" in await li.ask("YHK", "已绑定银行卡")
        wrong = "0000" if digits != "0000" else "1111"
        assert "没有这张银行卡" in await li.ask(f"JB {wrong}", "银行卡")
        assert digits in await li.ask(f"JB {digits}", "解除绑定")
        assert (await li.api.get("/v1/account/cards"))["items"] == []
        assert await refusal(li.api.get(f"/v1/account/cards/{card_id}/balance")) == "illegal_state"


class TestTheReply:
    async def test_chooses_what_pays(self, shared_center: Center) -> None:
        product, li = await goods(shared_center), await shared_center.subscriber("Chooser", fen=10_000)
        await bind(shared_center, li, "NANCHENG")
        question = await li.ask(f"ZF {product['sms_code']}", "用话费支付请回复")
        await li.ask(f"Y {confirmation_in(question)} HF", "您已用话费")
        ledger = shared_center.running.town.ocs.store.ledger(phone=li.phone)
        assert [(line["kind"], line["amount_fen"]) for line in ledger] == [("charge", 2_500)]
        question = await li.ask(f"ZF {product['sms_code']}", "用话费支付请回复")
        await li.ask(f"Y {confirmation_in(question)} YHK", "您已用绑定的银行卡")
        assert left_fen(shared_center, li, "NANCHENG") == (197_500, 0)
        assert (await li.account())["balance_fen"] == 10_000
        await shared_center.assert_sound()

    async def test_pays_though_the_wallet_is_empty(self, shared_center: Center) -> None:
        product, li = await goods(shared_center), await shared_center.subscriber("Empty")
        question = await li.ask(f"ZF {product['sms_code']}", "用话费支付请回复")
        assert "余额不足" in await li.ask(f"Y {confirmation_in(question)}", "余额")
        question = await li.ask(f"ZF {product['sms_code']}", "用话费支付请回复")
        await li.ask(f"Y {confirmation_in(question)} HF", "您已用话费")
        await shared_center.assert_sound()

"""The town's story: what the demo plays, over real protocols, and the facts it checks as it goes.

Everybody acts as they would: by HTTP with what was sent to their phone, by SMS, at a counter with a staff key, as a
shop by signed calls. A fact is what should be so, what is so, and in whose words.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mpss.cli.replay_cards import card_number, code_in
from mpss.kernel.money import Money
from mpss.simulators.center_api import ApiProblem, CenterApi
from mpss.simulators.merchant_shop import Fault, MerchantShop
from mpss.simulators.people import PATIENCE_SECONDS, Counter, Person, StaffKeys, confirmation_in
from mpss.simulators.town import Town

SHOPS = ("街角小铺", "好运彩票")
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Fact:
    """`holds` says whether what is, `found`, is as it should be."""

    text: str
    found: str
    holds: bool


class Story:
    """One playing of it, with new phones; `tell` is called with each step as it begins."""

    def __init__(self, town: Town, center: CenterApi, staff: StaffKeys, tell: Callable[[str], None]) -> None:
        self.facts: list[Fact] = []
        self.people: list[Person] = []
        self._town = town
        self._center = center
        self._counter = Counter(center, staff)
        self._tell = tell

    async def play(self) -> list[Fact]:
        """Play it all; the facts, in order.

        Raises:
            ApiProblem, NoSuchMessage: a step could not be taken at all.
        """
        shop, lottery = (self._town.shops[name] for name in SHOPS)
        for each in (shop, lottery):
            await self._join(each)
        card = await self._put_on_sale(shop, "上网卡 30 元", "cards", 3000, quantity=100)
        ticket = await self._put_on_sale(lottery, "双色球一注", "lottery", 200, quantity=None)

        li = await self._open_by_web("Li Na 李娜", "GD")
        await self._top_up_cash(li, "200.00")
        wang = await self._open_by_sms("Wang Wei 王伟", "GD")
        await self._top_up_by_voucher(wang, "100.00")

        bought = await self._buy_by_web(li, shop, card, "30.00")
        await self._buy_by_sms(wang, lottery, ticket, "2.00")
        await self._asked_by_shop(wang, shop, "12.50")
        await self._reversed_by_shop(li, shop, bought, "30.00")
        await self._refused_by_shop(li, shop, card, "30.00")
        await self._balance_by_sms(wang)
        await self._withdraw_by_sms(li, "50.00")
        await self._phone_lost_and_found(wang, shop)
        li = await self._number_changed(li, "GD")

        await self._balances({li.name: (li, "150.00"), wang.name: (wang, "85.50")})
        await self._books()
        return self.facts

    async def messages(self) -> dict[str, list[str]]:
        """What each phone of this story received, in order, by its owner and number."""
        return {
            f"{person.name}\n{person.phone}": [message.text for message in await person.inbox()]
            for person in self.people
        }

    async def close(self) -> None:
        for person in self.people:
            await person.close()

    def _fact(self, text: str, found: object, expected: object) -> None:
        self.facts.append(Fact(text, str(found), found == expected))

    def _saw(self, text: str, message: str, *parts: str) -> None:
        self.facts.append(Fact(text, message, all(part in message for part in parts)))

    async def _join(self, shop: MerchantShop) -> None:
        """A merchant is registered once; another day it has another address."""
        if shop.book.credentials() is not None:
            await self._counter.shopkeeper(shop).put("/v1/merchant/notify-url", {"notify_url": shop.url})
            return
        self._tell(f"{shop.name} registers as a merchant (CP/SP)")
        await self._counter.register(shop)

    async def _put_on_sale(
        self, shop: MerchantShop, name: str, category: str, price_fen: int, *, quantity: int | None
    ) -> dict[str, Any]:
        self._tell(f"{shop.name} uploads “{name}”, a reviewer publishes it")
        published = await self._counter.put_on_sale(
            shop, name, category=category, price_fen=price_fen, quantity=quantity
        )
        self._fact(f"“{name}” is on sale", published["state"], "published")
        return published

    def _person(self, name: str, province: str) -> Person:
        handset = self._town.handset(self._town.new_phone(province))
        person = Person(name, handset, self._center.as_caller())
        self.people.append(person)
        return person

    async def _open_by_web(self, name: str, province: str) -> Person:
        person = self._person(name, province)
        self._tell(f"{name} opens a wallet on the web; the number is proven by an SMS code")
        await person.open_by_web()
        self._saw(f"{name} is told that the wallet is open", await person.sms("已开通"), "已开通")
        return person

    async def _open_by_sms(self, name: str, province: str) -> Person:
        person = self._person(name, province)
        self._tell(f"{name} opens a wallet by SMS “KT” and sets the payment password over the one-time link")
        await person.open_by_sms()
        self._saw(f"{name} is told that the wallet is open", await person.sms("已开通"), "已开通")
        self._saw(f"{name} is told that the password is set", await person.sms("密码已设置"), "密码已设置")
        await person.sign_in()
        return person

    async def _top_up_cash(self, person: Person, yuan: str) -> None:
        self._tell(f"{person.name} pays {yuan} in cash at hall H01")
        await person.mark()
        done = await self._counter.top_up(person.phone, Money.cny(yuan).fen)
        self._fact(f"the clerk tops {person.name} up with {yuan}", done["state"], "SUCCEEDED")
        self._saw(f"{person.name} gets the SMS", await person.sms("充值"), yuan)

    async def _top_up_by_voucher(self, person: Person, yuan: str) -> None:
        self._tell(f"a batch of {yuan} vouchers is made and put on sale; {person.name} redeems one by SMS “CZ …”")
        cards, activated = await self._counter.sell_vouchers(Money.cny(yuan).fen)
        self._fact("the batch is activated by another person", activated["state"], "SUCCEEDED")
        self._saw(f"{person.name} gets the SMS", await person.ask(f"CZ {cards[0]}", "充值"), yuan)

    async def _buy_by_web(self, person: Person, shop: MerchantShop, product: dict[str, Any], yuan: str) -> str:
        self._tell(f"{person.name} browses, is shown price and fee, and buys “{product['name']}” with the password")
        listed = await person.api.get("/v1/products", category=product["category"])
        ids = [item["product_id"] for item in listed["items"]]
        self._fact(f"“{product['name']}” is listed", product["product_id"] in ids, True)
        quote = await person.api.post("/v1/quotes", {"amount_fen": product["price_fen"], "currency": "CNY"})
        await person.mark()
        paid = await person.buy(product, fee_fen=quote["fee_fen"])
        self._fact(f"{person.name} paid {yuan} to {shop.name}", paid["state"], "SUCCEEDED")
        self._saw(f"{person.name} gets the SMS", await person.sms("支付"), yuan)
        goods = await person.sms("卡号")
        self._saw(f"{shop.name} delivered the card", goods, "卡号", "密码")
        order = shop.book.order(paid["transaction_id"])
        delivered = order is not None and order.answer["content"] in goods
        self._fact("the shop's book has the order, with the same card", delivered, True)
        transaction_id: str = paid["transaction_id"]
        return transaction_id

    async def _buy_by_sms(self, person: Person, shop: MerchantShop, product: dict[str, Any], yuan: str) -> None:
        code = product["sms_code"]
        self._tell(f"{person.name} buys “{product['name']}” by SMS “ZF {code}” and confirms by reply")
        await self._confirm(person, await person.ask(f"ZF {code}", "回复"), yuan)
        self._saw(f"{shop.name} delivered", await person.sms("交付"), shop.name)

    async def _confirm(self, person: Person, question: str, yuan: str) -> None:
        self._saw(f"{person.name} is asked, with the price", question, yuan)
        told = await person.ask(f"Y {confirmation_in(question)}", "支付")
        self._saw(f"{person.name} confirms and is told", told, yuan)

    async def _asked_by_shop(self, person: Person, shop: MerchantShop, yuan: str) -> None:
        self._tell(f"{shop.name} asks {person.name} for {yuan} by a signed call; nothing moves before the reply")
        await person.mark()
        keeper = self._counter.shopkeeper(shop)
        asked = await self._ask_for(shop, person, yuan)
        self._fact("the sale waits for the payer", asked["state"], "CONFIRMING")
        await self._confirm(person, await person.sms("回复"), yuan)
        now = await keeper.get(f"/v1/transactions/{asked['transaction_id']}")
        self._fact("the shop sees it paid", now["state"], "SUCCEEDED")
        self._fact("the shop's webhook tells it", await _webhook_came(shop, asked["transaction_id"]), True)

    async def _ask_for(self, shop: MerchantShop, person: Person, yuan: str) -> dict[str, Any]:
        body = {
            "phone": person.phone,
            "amount_fen": Money.cny(yuan).fen,
            "currency": "CNY",
            "merchant_order_no": f"A{time.time_ns()}",
        }
        return await self._counter.shopkeeper(shop).post("/v1/purchases", body)

    async def _reversed_by_shop(self, person: Person, shop: MerchantShop, bought: str, yuan: str) -> None:
        self._tell(f"{shop.name} reverses {person.name}'s purchase (冲正)")
        await person.mark()
        body = {"transaction_id": bought, "reason": "顾客取消"}
        done = await self._counter.shopkeeper(shop).post("/v1/reversals", body)
        self._fact("the sale is reversed", done["state"], "SUCCEEDED")
        self._saw(f"{person.name} has the {yuan} back", await person.sms("冲正"), yuan)

    async def _refused_by_shop(self, person: Person, shop: MerchantShop, product: dict[str, Any], yuan: str) -> None:
        self._tell(f"{shop.name} cannot deliver the next one; the sale is reversed by itself")
        shop.fail(Fault.REFUSE, count=1)
        await person.mark()
        paid = await person.buy(product)
        self._fact(f"{person.name} paid {yuan}", paid["state"], "SUCCEEDED")
        self._saw(f"{person.name} has the {yuan} back", await person.sms("冲正"), yuan)
        now = await person.api.get(f"/v1/transactions/{paid['transaction_id']}")
        self._fact("the sale stands as", now["state"], "REVERSED")

    async def _balance_by_sms(self, person: Person) -> None:
        self._tell(f"{person.name} asks for the balance by SMS “YE”")
        self._saw("the answer", await person.ask("YE", "余额"), "85.50")

    async def _withdraw_by_sms(self, person: Person, yuan: str) -> None:
        bank = self._town.banks["NANCHENG"]
        number = card_number("NANCHENG", person.phone)
        bank.store.open_card(number, holder_name=person.name, phone=person.phone, balance_fen=0)
        self._tell(f"{person.name} binds a bank card and withdraws {yuan} to it by SMS “TX {yuan}”")
        await person.mark()
        card = {"bank": "NANCHENG", "card_number": number, "holder_name": person.name}
        asked = await person.api.post("/v1/account/cards", card)
        code = code_in(await person.sms("验证码"))
        bound = await person.api.post(f"/v1/account/cards/{asked['card_id']}/confirm", {"code": code})
        self._fact("the bank knows the card, the phone confirms", bound["state"], "bound")
        question = await person.ask(f"TX {yuan}", "回复")
        self._saw(f"{person.name} is asked, with card and fee", question, yuan, number[-4:], "手续费")
        told = await person.ask(f"Y {confirmation_in(question)}", "您已提现")
        self._saw(f"{person.name} confirms and is told", told, yuan)
        lines = [line["amount_fen"] for line in bank.store.lines() if line["card"] == number]
        self._fact("the bank's statement has", str(Money(sum(lines))), yuan)

    async def _phone_lost_and_found(self, person: Person, shop: MerchantShop) -> None:
        self._tell(f"{person.name} reports the phone lost by SMS “GS”; a clerk of hall H01 lifts the report")
        self._saw(f"{person.name} gets the SMS", await person.ask("GS", "挂失"), "挂失")
        await self._refused(
            f"{person.name} is asked to pay meanwhile", self._ask_for(shop, person, "1.00"), "loss_oral"
        )
        code = await person.code("account")
        await person.mark()
        await self._counter.lift_loss(person.phone, code)
        self._saw(f"{person.name} is told that it is lifted", await person.sms("挂失"), "解除")
        await person.sign_in()

    async def _number_changed(self, person: Person, province: str) -> Person:
        """The same person with the new number."""
        assert self._town.boss is not None
        after = self._person(f"{person.name}, new number", province)
        self._tell(f"{person.name} changes the number at BOSS (换号); the wallet follows")
        self._town.boss.change("change_number", person.phone, new_phone=after.phone)
        self._saw(f"{person.name} is told at the new number", await after.sms("新号码"), "换号")
        await after.sign_in()
        return after

    async def _refused(self, text: str, call: Awaitable[object], code: str) -> None:
        try:
            await call
        except ApiProblem as problem:
            self._fact(f"{text}: refused", problem.code, code)
        else:
            self._fact(f"{text}: refused", "accepted", code)

    async def _balances(self, expected: dict[str, tuple[Person, str]]) -> None:
        for name, (person, yuan) in expected.items():
            account = await person.account()
            self._fact(f"{name} has", str(Money(account["balance_fen"])), yuan)

    async def _books(self) -> None:
        self._tell("the books are weighed")
        trial = await self._counter.manager.get("/v1/staff/trial-balance")
        self._fact("trial balance", str(Money(trial["difference_fen"])), "0.00")


async def _webhook_came(shop: MerchantShop, transaction_id: str) -> bool:
    """Whether the shop got an event about this transaction before patience ended."""
    for _ in range(int(PATIENCE_SECONDS / _LOOK_SECONDS)):
        if any(webhook.body["data"]["transaction_id"] == transaction_id for webhook in shop.book.webhooks()):
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False

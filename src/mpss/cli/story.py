"""The town's story: what the demo plays, over real protocols, and the facts it checks as it goes.

Everybody acts as they would: by HTTP with what was sent to their phone, by SMS, at a counter with a staff key, as a
shop by signed calls. A fact is what should be so, what is so, and in whose words.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mpss.kernel.money import Money
from mpss.simulators.center_api import CenterApi, Signer
from mpss.simulators.handset import Handset
from mpss.simulators.merchant_shop import Fault, MerchantShop
from mpss.simulators.town import Town

SHOPS = ("街角小铺", "好运彩票")
PASSWORD = "492713"  # noqa: S105 - a person of the story's
_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Fact:
    """`holds` says whether what is, `found`, is as it should be."""

    text: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True)
class StaffKeys:
    """API keys of the people behind the counter: a clerk, a manager, a reviewer."""

    clerk: str
    manager: str
    reviewer: str


@dataclass(slots=True)
class Person:
    """Somebody with a phone; `api` is theirs once they are signed in."""

    name: str
    handset: Handset
    api: CenterApi
    seen: int = 0

    @property
    def phone(self) -> str:
        return self.handset.phone


@dataclass(slots=True)
class Story:
    """One playing of it, with new phones; `tell` is called with each step as it begins."""

    town: Town
    center: CenterApi
    staff: StaffKeys
    tell: Callable[[str], None]
    facts: list[Fact] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)

    async def play(self) -> list[Fact]:
        """Play it all; the facts, in order.

        Raises:
            ApiProblem, NoSuchMessage: a step could not be taken at all.
        """
        shop, lottery = (self.town.shops[name] for name in SHOPS)
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

        await self._balances({li.name: (li, "200.00"), wang.name: (wang, "85.50")})
        await self._books()
        return self.facts

    async def messages(self) -> dict[str, list[str]]:
        """What each phone of this story received, in order, by its owner and number."""
        return {
            f"{person.name}\n{person.phone}": [message.text for message in await person.handset.inbox()]
            for person in self.people
        }

    async def close(self) -> None:
        for person in self.people:
            await person.handset.close()
            await person.api.close()

    def _fact(self, text: str, found: object, expected: object) -> None:
        self.facts.append(Fact(text, str(found), found == expected))

    def _saw(self, text: str, message: str, *parts: str) -> None:
        self.facts.append(Fact(text, message, all(part in message for part in parts)))

    async def _join(self, shop: MerchantShop) -> None:
        """A merchant is registered once; its credentials stay in its own book."""
        if shop.book.credentials() is not None:
            async with self._merchant(shop) as api:
                await api.put("/v1/merchant/notify-url", {"notify_url": shop.url})
            return
        self.tell(f"{shop.name} registers as a merchant (CP/SP)")
        async with self.center.as_caller(token=self.staff.manager) as desk:
            given = await desk.post(
                "/v1/staff/merchants",
                {
                    "name": shop.name,
                    "province": "GD",
                    "public_key": base64.b64encode(shop.public_key).decode(),
                    "notify_url": shop.url,
                },
            )
        shop.join(
            merchant_id=given["merchant"]["merchant_id"],
            api_key=given["api_key"],
            webhook_secret=given["webhook_secret"],
        )

    def _merchant(self, shop: MerchantShop) -> CenterApi:
        credentials = shop.book.credentials()
        assert credentials is not None
        merchant_id, api_key, _ = credentials
        return self.center.as_caller(signer=Signer(merchant_id, api_key, shop.private_key))

    async def _put_on_sale(
        self, shop: MerchantShop, name: str, category: str, price_fen: int, *, quantity: int | None
    ) -> dict[str, Any]:
        self.tell(f"{shop.name} uploads “{name}”, a reviewer publishes it")
        async with self._merchant(shop) as api, self.center.as_caller(token=self.staff.reviewer) as reviewer:
            product = await api.post(
                "/v1/merchant/products",
                {
                    "name": name,
                    "description": f"{name}, delivered at once",
                    "category": category,
                    "price_fen": price_fen,
                    "currency": "CNY",
                    "quantity": quantity,
                    "scope": "local",
                },
            )
            path = product["product_id"]
            await api.post(f"/v1/merchant/products/{path}/submit")
            published = await reviewer.post(f"/v1/staff/products/{path}/publish")
        self._fact(f"“{name}” is on sale", published["state"], "published")
        return published

    async def _person(self, name: str, province: str) -> Person:
        handset = self.town.handset(self.town.new_phone(province))
        person = Person(name, handset, self.center.as_caller())
        self.people.append(person)
        return person

    async def _sms(self, person: Person, *parts: str) -> str:
        """The next message with all these parts in it."""
        message = await person.handset.wait_for(
            lambda came: all(part in came.text for part in parts), timeout_seconds=_PATIENCE_SECONDS, after=person.seen
        )
        return message.text

    async def _mark(self, person: Person) -> None:
        """From here on, only messages that come now count."""
        person.seen = await person.handset.last_id()

    async def _open_by_web(self, name: str, province: str) -> Person:
        person = await self._person(name, province)
        self.tell(f"{name} opens a wallet on the web; the number is proven by an SMS code")
        await person.api.post("/v1/codes", {"phone": person.phone, "purpose": "open"})
        code = _digits(await self._sms(person, "验证码"), 6)
        opened = await person.api.post(
            "/v1/accounts",
            {
                "phone": person.phone,
                "code": code,
                "terms_version": "2026-01",
                "payment_password": PASSWORD,
                "language": "zh-CN",
            },
        )
        person.api.token = opened["session"]["token"]
        self._saw(f"{name} is told that the wallet is open", await self._sms(person, "已开通"), "已开通")
        return person

    async def _open_by_sms(self, name: str, province: str) -> Person:
        person = await self._person(name, province)
        self.tell(f"{name} opens a wallet by SMS “KT” and sets the payment password over the one-time link")
        await person.handset.send("KT")
        link = re.search(r"https?://\S+", await self._sms(person, "http"))
        assert link is not None
        token = link.group().rsplit("/", 1)[1]
        await person.api.post(f"/v1/password-links/{token}", {"password": PASSWORD})
        self._saw(f"{name} is told that the password is set", await self._sms(person, "密码已设置"), "密码已设置")
        person.api.token = await self._sign_in(person)
        return person

    async def _sign_in(self, person: Person) -> str:
        await self._mark(person)
        await person.api.post("/v1/codes", {"phone": person.phone, "purpose": "sign_in"})
        code = _digits(await self._sms(person, "验证码"), 6)
        session = await person.api.post("/v1/sessions", {"phone": person.phone, "code": code})
        token: str = session["token"]
        return token

    async def _top_up_cash(self, person: Person, yuan: str) -> None:
        self.tell(f"{person.name} pays {yuan} in cash at hall H01")
        await self._mark(person)
        async with self.center.as_caller(token=self.staff.clerk) as clerk:
            done = await clerk.post(
                "/v1/topups/cash",
                {"phone": person.phone, "amount_fen": Money.cny(yuan).fen, "currency": "CNY"},
            )
        self._fact(f"the clerk tops {person.name} up with {yuan}", done["state"], "SUCCEEDED")
        self._saw(f"{person.name} gets the SMS", await self._sms(person, "充值"), yuan)

    async def _top_up_by_voucher(self, person: Person, yuan: str) -> None:
        self.tell(f"a batch of {yuan} vouchers is made and put on sale; {person.name} redeems one by SMS “CZ …”")
        async with self.center.as_caller(token=self.staff.clerk) as maker:
            made = await maker.post(
                "/v1/staff/voucher-batches",
                {"face_fen": Money.cny(yuan).fen, "currency": "CNY", "quantity": 10, "valid_until": "2030-12-31"},
            )
        batch, password = made["headers"]["batch-id"], _first_card(made["text"])
        async with self.center.as_caller(token=self.staff.manager) as manager:
            activated = await manager.post(f"/v1/staff/voucher-batches/{batch}/activate")
        self._fact("the batch is activated by another person", activated["state"], "SUCCEEDED")
        await self._mark(person)
        await person.handset.send(f"CZ {password}")
        self._saw(f"{person.name} gets the SMS", await self._sms(person, "充值"), yuan)

    async def _buy_by_web(self, person: Person, shop: MerchantShop, product: dict[str, Any], yuan: str) -> str:
        self.tell(f"{person.name} browses, is shown price and fee, and buys “{product['name']}” with the password")
        listed = await person.api.get("/v1/products", category=product["category"])
        ids = [item["product_id"] for item in listed["items"]]
        self._fact(f"“{product['name']}” is listed", product["product_id"] in ids, True)
        quote = await person.api.post("/v1/quotes", {"amount_fen": product["price_fen"], "currency": "CNY"})
        await self._mark(person)
        paid = await self._purchase(person, shop, product, quote["fee_fen"])
        self._fact(f"{person.name} paid {yuan} to {shop.name}", paid["state"], "SUCCEEDED")
        self._saw(f"{person.name} gets the SMS", await self._sms(person, "支付"), yuan)
        goods = await self._sms(person, "卡号")
        self._saw(f"{shop.name} delivered the card", goods, "卡号", "密码")
        order = shop.book.order(paid["transaction_id"])
        delivered = order is not None and order.answer["content"] in goods
        self._fact("the shop's book has the order, with the same card", delivered, True)
        transaction_id: str = paid["transaction_id"]
        return transaction_id

    async def _purchase(
        self, person: Person, shop: MerchantShop, product: dict[str, Any], fee_fen: int
    ) -> dict[str, Any]:
        credentials = shop.book.credentials()
        assert credentials is not None
        return await person.api.post(
            "/v1/purchases",
            {
                "merchant_id": credentials[0],
                "product_id": product["product_id"],
                "quantity": 1,
                "amount_fen": product["price_fen"],
                "fee_fen": fee_fen,
                "currency": "CNY",
                "payment_password": PASSWORD,
            },
        )

    async def _buy_by_sms(self, person: Person, shop: MerchantShop, product: dict[str, Any], yuan: str) -> None:
        code = product["sms_code"]
        self.tell(f"{person.name} buys “{product['name']}” by SMS “ZF {code}” and confirms by reply")
        await self._mark(person)
        await person.handset.send(f"ZF {code}")
        await self._confirm(person, await self._sms(person, "回复"), yuan)
        self._saw(f"{shop.name} delivered", await self._sms(person, "交付"), shop.name)

    async def _confirm(self, person: Person, question: str, yuan: str) -> None:
        self._saw(f"{person.name} is asked, with the price", question, yuan)
        answer = re.search(r"Y\s?(\d{4})", question)
        assert answer is not None, question
        await self._mark(person)
        await person.handset.send(f"Y {answer.group(1)}")
        self._saw(f"{person.name} confirms and is told", await self._sms(person, "支付"), yuan)

    async def _asked_by_shop(self, person: Person, shop: MerchantShop, yuan: str) -> None:
        self.tell(f"{shop.name} asks {person.name} for {yuan} by a signed call; nothing moves before the reply")
        await self._mark(person)
        async with self._merchant(shop) as api:
            asked = await api.post(
                "/v1/purchases",
                {
                    "phone": person.phone,
                    "amount_fen": Money.cny(yuan).fen,
                    "currency": "CNY",
                    "merchant_order_no": f"A{time.time_ns()}",
                },
            )
            self._fact("the sale waits for the payer", asked["state"], "CONFIRMING")
            await self._confirm(person, await self._sms(person, "回复"), yuan)
            now = await api.get(f"/v1/transactions/{asked['transaction_id']}")
        self._fact("the shop sees it paid", now["state"], "SUCCEEDED")
        self._fact("the shop's webhook tells it", await _webhook_came(shop, asked["transaction_id"]), True)

    async def _reversed_by_shop(self, person: Person, shop: MerchantShop, bought: str, yuan: str) -> None:
        self.tell(f"{shop.name} reverses {person.name}'s purchase (冲正)")
        await self._mark(person)
        async with self._merchant(shop) as api:
            done = await api.post("/v1/reversals", {"transaction_id": bought, "reason": "顾客取消"})
        self._fact("the sale is reversed", done["state"], "SUCCEEDED")
        self._saw(f"{person.name} has the {yuan} back", await self._sms(person, "冲正"), yuan)

    async def _refused_by_shop(self, person: Person, shop: MerchantShop, product: dict[str, Any], yuan: str) -> None:
        self.tell(f"{shop.name} cannot deliver the next one; the sale is reversed by itself")
        shop.fail(Fault.REFUSE, count=1)
        await self._mark(person)
        paid = await self._purchase(person, shop, product, 0)
        self._fact(f"{person.name} paid {yuan}", paid["state"], "SUCCEEDED")
        self._saw(f"{person.name} has the {yuan} back", await self._sms(person, "冲正"), yuan)
        now = await person.api.get(f"/v1/transactions/{paid['transaction_id']}")
        self._fact("the sale stands as", now["state"], "REVERSED")

    async def _balance_by_sms(self, person: Person) -> None:
        self.tell(f"{person.name} asks for the balance by SMS “YE”")
        await self._mark(person)
        await person.handset.send("YE")
        self._saw("the answer", await self._sms(person, "余额"), "85.50")

    async def _balances(self, expected: dict[str, tuple[Person, str]]) -> None:
        for name, (person, yuan) in expected.items():
            account = await person.api.get("/v1/account")
            self._fact(f"{name} has", str(Money(account["balance_fen"])), yuan)

    async def _books(self) -> None:
        self.tell("the books are weighed")
        async with self.center.as_caller(token=self.staff.manager) as manager:
            trial = await manager.get("/v1/staff/trial-balance")
        self._fact("trial balance", str(Money(trial["difference_fen"])), "0.00")


def _digits(text: str, count: int) -> str:
    found = re.search(rf"(?<!\d)\d{{{count}}}(?!\d)", text)
    assert found is not None, text
    return found.group()


def _first_card(csv: str) -> str:
    """The first card's password in the file that the printer gets once."""
    card = re.search(r"(?<!\d)\d{16}(?!\d)", csv)
    assert card is not None
    return card.group()


async def _webhook_came(shop: MerchantShop, transaction_id: str) -> bool:
    """Whether the shop got an event about this transaction before patience ended."""
    for _ in range(int(_PATIENCE_SECONDS / _LOOK_SECONDS)):
        if any(webhook.body["data"]["transaction_id"] == transaction_id for webhook in shop.book.webhooks()):
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False

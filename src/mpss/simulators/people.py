"""The town's people as they act: by HTTP with what was sent to their phone, by SMS, at a counter, as a shop.

What they do is answered as the center answers it; whether that is as it should be, is for who directs them to say.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from mpss.simulators.center_api import CenterApi, Signer
from mpss.simulators.companies import credit_code
from mpss.simulators.handset import Handset, Message
from mpss.simulators.merchant_shop import MerchantShop

PASSWORD = "492713"  # noqa: S105 - everybody's in the town
TERMS_VERSION = "2026-01"
PATIENCE_SECONDS = 30.0
"""How long somebody waits for an SMS."""


@dataclass(frozen=True, slots=True)
class StaffKeys:
    """API keys of the people behind the counter: a clerk, a manager, a reviewer."""

    clerk: str
    manager: str
    reviewer: str


@dataclass(slots=True)
class Person:
    """Somebody with a phone; `api` is theirs once they are signed in. Messages up to `seen` have been read."""

    name: str
    handset: Handset
    api: CenterApi
    seen: int = 0

    @property
    def phone(self) -> str:
        return self.handset.phone

    async def mark(self) -> None:
        """From here on, only messages that come now count."""
        self.seen = await self.handset.last_id()

    async def sms(self, *parts: str, patience_seconds: float = PATIENCE_SECONDS) -> str:
        """The next message with all these parts in it.

        Raises:
            NoSuchMessage: none came.
        """
        message = await self.handset.wait_for(
            lambda came: all(part in came.text for part in parts), timeout_seconds=patience_seconds, after=self.seen
        )
        return message.text

    async def ask(self, command: str, *parts: str) -> str:
        """Send a command by SMS; the next message with all these parts in it."""
        await self.mark()
        await self.handset.send(command)
        return await self.sms(*parts)

    async def inbox(self) -> list[Message]:
        """Every message received, oldest first."""
        return await self.handset.inbox()

    async def code(self, purpose: str) -> str:
        """Ask for an SMS code and read it."""
        await self.mark()
        await self.api.post("/v1/codes", {"phone": self.phone, "purpose": purpose})
        return digits_in(await self.sms("验证码"), 6)

    async def open_by_web(self, *, language: str = "zh-CN") -> dict[str, Any]:
        """Open a wallet; the number is proven by an SMS code. The answer; signed in from here on."""
        body = {
            "phone": self.phone,
            "code": await self.code("open"),
            "terms_version": TERMS_VERSION,
            "payment_password": PASSWORD,
            "language": language,
        }
        opened = await self.api.post("/v1/accounts", body)
        self.api.token = opened["session"]["token"]
        return opened

    async def open_by_sms(self) -> None:
        """Open a wallet by “KT” and set the payment password over the one-time link."""
        link = re.search(r"https?://\S+", await self.ask("KT", "http"))
        assert link is not None
        token = link.group().rsplit("/", 1)[1]
        await self.api.post(f"/v1/password-links/{token}", {"password": PASSWORD})

    async def sign_in(self) -> None:
        """Sign in by an SMS code."""
        session = await self.api.post("/v1/sessions", {"phone": self.phone, "code": await self.code("sign_in")})
        self.api.token = session["token"]

    async def account(self) -> dict[str, Any]:
        return await self.api.get("/v1/account")

    async def buy(
        self,
        product: dict[str, Any],
        *,
        quantity: int = 1,
        fee_fen: int | None = None,
        password: str = PASSWORD,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Buy of a product as it was shown; the transaction."""
        body = {
            "merchant_id": product["merchant_id"],
            "product_id": product["product_id"],
            "quantity": quantity,
            "amount_fen": product["price_fen"] * quantity,
            "fee_fen": fee_fen,
            "currency": "CNY",
            "payment_password": password,
        }
        return await self.api.post("/v1/purchases", body, key=key)

    async def pay(
        self, shop: MerchantShop, amount_fen: int, *, password: str = PASSWORD, key: str | None = None
    ) -> dict[str, Any]:
        """Pay a free amount; the transaction."""
        body = {
            "merchant_id": merchant_id_of(shop),
            "amount_fen": amount_fen,
            "currency": "CNY",
            "payment_password": password,
        }
        return await self.api.post("/v1/purchases", body, key=key)

    async def transfer(
        self, phone: str, amount_fen: int, *, password: str = PASSWORD, key: str | None = None
    ) -> dict[str, Any]:
        """Send money to a number; the transaction."""
        body = {"payee_phone": phone, "amount_fen": amount_fen, "currency": "CNY", "payment_password": password}
        return await self.api.post("/v1/transfers", body, key=key)

    async def add_payee(self, phone: str, *, single_limit_fen: int, daily_limit_fen: int) -> dict[str, Any]:
        """Set up a directed relation to a number, with the payment password and an SMS code; the relation."""
        body = {
            "payee_phone": phone,
            "single_limit_fen": single_limit_fen,
            "daily_limit_fen": daily_limit_fen,
            "currency": "CNY",
            "payment_password": PASSWORD,
            "sms_code": await self.code("payee"),
        }
        return await self.api.post("/v1/payees", body)

    async def close(self) -> None:
        await self.handset.close()
        await self.api.close()


@dataclass(frozen=True, slots=True)
class Counter:
    """The people behind the counter, at this center."""

    center: CenterApi
    keys: StaffKeys

    @property
    def clerk(self) -> CenterApi:
        return self.center.as_caller(token=self.keys.clerk)

    @property
    def manager(self) -> CenterApi:
        return self.center.as_caller(token=self.keys.manager)

    @property
    def reviewer(self) -> CenterApi:
        return self.center.as_caller(token=self.keys.reviewer)

    async def top_up(self, phone: str, amount_fen: int, *, key: str | None = None) -> dict[str, Any]:
        """The clerk takes cash; the transaction."""
        body = {"phone": phone, "amount_fen": amount_fen, "currency": "CNY"}
        return await self.clerk.post("/v1/topups/cash", body, key=key)

    async def lift_loss(self, phone: str, code: str) -> None:
        """The clerk sees the customer, and the code sent to the phone, and lifts the report of loss."""
        body = {"phone": phone, "document": "the code sent to the phone", "code": code}
        await self.clerk.post("/v1/staff/accounts/loss/lift", body)

    async def sell_vouchers(self, face_fen: int, *, quantity: int = 10) -> tuple[list[str], dict[str, Any]]:
        """The clerk has a batch made, the manager puts it on sale; the cards' passwords, and the transaction."""
        body = {"face_fen": face_fen, "currency": "CNY", "quantity": quantity, "valid_until": "2030-12-31"}
        made = await self.clerk.post("/v1/staff/voucher-batches", body)
        activated = await self.manager.post(f"/v1/staff/voucher-batches/{made['headers']['batch-id']}/activate")
        return re.findall(r"(?<!\d)\d{16}(?!\d)", made["text"]), activated

    async def register(self, shop: MerchantShop, *, province: str = "GD") -> None:
        """Register a merchant (CP/SP); it keeps its credentials in its own book."""
        body = {
            "name": shop.name,
            "province": province,
            "public_key": base64.b64encode(shop.public_key).decode(),
            "notify_url": shop.url,
            "credit_code": credit_code(shop.name),
        }
        given = await self.manager.post("/v1/staff/merchants", body)
        shop.join(
            merchant_id=given["merchant"]["merchant_id"],
            api_key=given["api_key"],
            webhook_secret=given["webhook_secret"],
        )

    def shopkeeper(self, shop: MerchantShop) -> CenterApi:
        """The registered shop as a caller, who signs."""
        credentials = shop.book.credentials()
        assert credentials is not None, f"{shop.name} is not registered"
        merchant_id, api_key, _ = credentials
        return self.center.as_caller(signer=Signer(merchant_id, api_key, shop.private_key))

    async def put_on_sale(
        self,
        shop: MerchantShop,
        name: str,
        *,
        category: str,
        price_fen: int,
        quantity: int | None,
        scope: str = "local",
    ) -> dict[str, Any]:
        """The shop uploads a product and submits it, the reviewer publishes it; the product as it is shown."""
        keeper = self.shopkeeper(shop)
        body = {
            "name": name,
            "description": f"{name}, delivered at once",
            "category": category,
            "price_fen": price_fen,
            "currency": "CNY",
            "quantity": quantity,
            "scope": scope,
        }
        product = await keeper.post("/v1/merchant/products", body)
        await keeper.post(f"/v1/merchant/products/{product['product_id']}/submit")
        review = f"/v1/staff/products/{product['product_id']}"
        seen = await self.reviewer.get(review)
        return await self.reviewer.post(f"{review}/publish", {"revision": seen["revision"]})


def merchant_id_of(shop: MerchantShop) -> str:
    """What the center calls a registered shop."""
    credentials = shop.book.credentials()
    assert credentials is not None, f"{shop.name} is not registered"
    return credentials[0]


def digits_in(text: str, count: int) -> str:
    """The number of exactly so many digits in a message."""
    found = re.search(rf"(?<!\d)\d{{{count}}}(?!\d)", text)
    assert found is not None, text
    return found.group()


def confirmation_in(question: str) -> str:
    """The code that a question wants repeated with “Y” or “N”."""
    found = re.search(r"Y\s?(\d{4})", question)
    assert found is not None, question
    return found.group(1)

"""A house with one merchant whose shop is a real server, one product on sale and a subscriber with money."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from mpss.accounts.open import OpenedAccount
from mpss.accounts.password_rules import candidate_digests, fingerprint
from mpss.adapters.merchant_http import MerchantHttp
from mpss.catalog.model import Product, Scope
from mpss.catalog.queries import get_product
from mpss.catalog.review import publish
from mpss.catalog.upload import ProductFields, submit_product, upload_product
from mpss.config import Policy
from mpss.db.database import Database
from mpss.desk.model import Transaction
from mpss.jobs.outbox import outbox_worker
from mpss.kernel.clock import FixedClock
from mpss.kernel.ids import MerchantId, TransactionId
from mpss.merchants.model import Merchant
from mpss.merchants.register import register_merchant
from mpss.runtime import Runtime
from mpss.security.networks import parse_networks
from mpss.simulators.merchant_shop import MerchantShop
from mpss.staff.permissions import Permission
from mpss.transactions.model import Proof
from mpss.transactions.purchases.purchase import purchase
from mpss.transactions.purchases.sale import Sale
from mpss.transactions.queries import get_transaction
from mpss.transactions.topups.cash import top_up_cash
from tests.support.house import LOOPBACK, PASSWORD, employee, house, notices, subscriber
from tests.support.instants import NOON

PHONE = "+8618912340001"
GOODS = ProductFields(
    name="上网卡", description="Ten hours of internet access", category="cards", price_fen=2500,
    scope=Scope.NATIONAL, quantity=10,
)  # fmt: skip


@dataclass(slots=True)
class Market:
    """`shops` are stopped with the market; keys of purchases are counted, "k1", "k2" …"""

    runtime: Runtime
    clock: FixedClock
    shop: MerchantShop
    merchant: Merchant
    product: Product
    payer: OpenedAccount
    bought: int = 0
    shops: list[MerchantShop] = field(default_factory=list)

    async def buy(
        self, product: Product | None = None, *, quantity: int = 1, amount_fen: int | None = None
    ) -> Transaction:
        """Buy the product, another one, or a free amount from the merchant."""
        self.bought += 1
        chosen = None if amount_fen is not None else product or self.product
        key_store = self.runtime.ports.key_store
        account_id = self.payer.account_id
        answer = await purchase(
            self.runtime,
            caller=f"account:{account_id}",
            key=f"k{self.bought}",
            channel="http",
            sale=Sale(
                account_id,
                self.merchant.id if chosen is None else chosen.merchant_id,
                None if chosen is None else chosen.id,
                quantity if chosen is not None else 0,
                amount_fen,
                None,
            ),
            proof=Proof(
                candidate_digests(key_store, account_id, PASSWORD), False, fingerprint(key_store, PASSWORD), "test"
            ),
        )
        assert answer.transaction.refusal is None, answer
        return answer.transaction

    async def open_shop(self, name: str, fields: ProductFields = GOODS) -> tuple[MerchantShop, Product]:
        """Another merchant with a product on sale."""
        shop, merchant = await start_shop(self.runtime, name)
        self.shops.append(shop)
        return shop, await put_on_sale(self.runtime, merchant, fields)

    async def state(self, transaction_id: UUID) -> str:
        async with self.runtime.database.read() as uow:
            found = await get_transaction(uow, transaction_id)
        assert found is not None
        return found.state

    async def available(self, product: Product | None = None) -> int | None:
        async with self.runtime.database.read() as uow:
            found = await get_product(uow, (product or self.product).id)
        assert found is not None
        return found.available

    async def told(self, event: str) -> list[dict[str, Any]]:
        """The parameters of every notice of this event to the payer."""
        return [params for name, params in await notices(self.runtime, PHONE) if name == event]

    async def outbox(self, item_id: UUID) -> dict[str, Any]:
        async with self.runtime.database.read() as uow:
            rows = await uow.dicts("SELECT * FROM outbox WHERE id = %(id)s", {"id": item_id})
        return rows[0]

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """The outbox is served meanwhile."""
        worker = outbox_worker(self.runtime, poll_seconds=0.02)
        await worker.start()
        try:
            yield
        finally:
            await worker.stop()


@asynccontextmanager
async def market(database: Database, folder: Path, *, policy: Policy | None = None) -> AsyncIterator[Market]:
    clock = FixedClock(NOON)
    port = MerchantHttp(networks=parse_networks(LOOPBACK))
    async with house(database, folder, clock, policy=policy) as empty:
        runtime = replace(empty, ports=replace(empty.ports, merchant=port))
        shop, merchant = await start_shop(runtime, "Kiosk")
        made = Market(
            runtime, clock, shop, merchant, await put_on_sale(runtime, merchant, GOODS),
            await subscriber(runtime, PHONE), shops=[shop],
        )  # fmt: skip
        clerk = await employee(runtime, "clerk", Permission.CASH_TOPUP, hall="H01", clerk="C01")
        await top_up_cash(runtime, staff=clerk, key="first", phone=PHONE, amount_fen=100_000)
        try:
            yield made
        finally:
            for opened in made.shops:
                await opened.stop()
                opened.close()
            await port.close()


async def start_shop(runtime: Runtime, name: str, **options: Any) -> tuple[MerchantShop, Merchant]:
    """A running shop, registered."""
    shop = MerchantShop(name, **options)
    await shop.start()
    registered = await register_merchant(
        runtime, name=name, province="GD", public_key=shop.public_key, notify_url=shop.url
    )
    merchant = registered.merchant
    shop.join(
        merchant_id=str(MerchantId.from_uuid(merchant.id)),
        api_key=registered.api_key,
        webhook_secret=registered.webhook_secret,
    )
    return shop, merchant


async def put_on_sale(runtime: Runtime, merchant: Merchant, fields: ProductFields) -> Product:
    """Upload, submit, publish."""
    product = await upload_product(runtime, merchant_id=merchant.id, fields=fields)
    submitted = await submit_product(runtime, merchant_id=merchant.id, product_id=product.id)
    return await publish(runtime, product_id=product.id, revision=submitted.revision)


def outside(transaction_id: UUID) -> str:
    return str(TransactionId.from_uuid(transaction_id))

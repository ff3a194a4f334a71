"""Sales to decide without a database: a snapshot of a small world, and commands on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mpss.accounts.model import AccountKind, AccountRow, Life, UsageRow
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.catalog.model import ProductRow, ProductState, Scope, StockRow
from mpss.catalog.store import PRODUCTS, STOCK
from mpss.config import Policy
from mpss.desk.model import Snapshot, TransactionKind, digest_of
from mpss.fees.model import Schedule
from mpss.fees.store import FEES
from mpss.kernel.ids import AccountId, MerchantId, ProductId, TransactionId
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES
from mpss.merchants.model import MerchantRow, MerchantState
from mpss.merchants.store import MERCHANTS
from mpss.transactions.model import Asked, Proof
from mpss.transactions.purchases.purchase import PurchaseCommand
from mpss.transactions.purchases.sale import Sale
from tests.support.instants import NOON, TODAY

RIGHT = b"the right digest".ljust(32, b".")
WRONG = b"another digest".ljust(32, b".")
KEY_VERSION = 1

PAYER = AccountRow(
    id=AccountId.new(NOON),
    phone="+8618912340001",
    home_province="GD",
    kind=AccountKind.WALLET,
    life=Life.ACTIVE,
    ledger_account_id=100_001,
    password_digest=RIGHT,
    password_key=KEY_VERSION,
    daily_limit_fen=100_000,
    language="zh-CN",
)
USED = UsageRow(TODAY, 0, 0, TODAY, 0, 0, 0, None)
KIOSK = MerchantRow(MerchantId.new(NOON), "Kiosk", "GD", MerchantState.ACTIVE, 200_001)
TEA = ProductRow(ProductId.new(NOON), KIOSK.id, "Tea", 2500, Scope.LOCAL, ProductState.PUBLISHED, True)
FEE = Schedule(fixed_fen=0, basis_points=60, min_fen=0, max_fen=10_000)
POLICY = Policy()


@dataclass(frozen=True, slots=True)
class World:
    """The rows of one sale; change one with `world.but(account=…)`. None leaves the row out."""

    account: AccountRow | None = PAYER
    usage: UsageRow = USED
    balance: Balance = Balance(10_000, 0, 0)
    merchant: MerchantRow | None = KIOSK
    product: ProductRow | None = TEA
    stock: StockRow = StockRow(10, True)
    fee: Schedule | None = FEE

    def but(self, **changes: Any) -> World:
        return replace(self, **changes)

    def snapshot(self) -> Snapshot:
        """A fresh snapshot, so that a decision leaves nothing to the next."""
        made = Snapshot(TODAY)
        made[USAGE][PAYER.id] = self.usage
        made[BALANCES][PAYER.ledger_account_id] = self.balance
        made[STOCK][TEA.id] = self.stock
        if self.account is not None:
            made[ACCOUNTS][PAYER.id] = self.account
        if self.merchant is not None:
            made[MERCHANTS][KIOSK.id] = self.merchant
        if self.product is not None:
            made[PRODUCTS][TEA.id] = self.product
        if self.fee is not None:
            made[FEES][TransactionKind.PURCHASE.value] = ((NOON - timedelta(days=1), self.fee),)
        return made


TEA_FOR_PAYER = Sale(PAYER.id, KIOSK.id, TEA.id, quantity=1, price_fen=None, fee_fen=None)


def asked(key: str, body: object, *, caller: str = "account:payer", at: datetime = NOON) -> Asked:
    return Asked(TransactionId.new(at), caller, key, digest_of(TransactionKind.PURCHASE, body), at, "http")


def purchase_of(
    sale: Sale = TEA_FOR_PAYER,
    *,
    key: str = "k1",
    digest: bytes = RIGHT,
    challenged: bool = False,
    policy: Policy = POLICY,
    at: datetime = NOON,
    caller: str = "account:payer",
) -> PurchaseCommand:
    """A purchase with a payment password, offered as its digest."""
    proof = Proof({KEY_VERSION: digest}, challenged, fingerprint=b"f" * 32, source="127.0.0.1")
    return PurchaseCommand(asked(key, sale, caller=caller, at=at), sale, policy, proof)


def stock_of(snapshot: Snapshot, product_id: UUID) -> int:
    return snapshot[STOCK][product_id].available

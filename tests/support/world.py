"""A small world made quickly on a real database, desks on it, and commands for them that need no key store."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg.conninfo import conninfo_to_dict

from mpss.config import Policy
from mpss.db.database import Database
from mpss.db.embedded import ADMIN_ROLE
from mpss.desk.desk import Desk
from mpss.desk.model import Answer, Command, TransactionKind, digest_of
from mpss.kernel.ids import AccountId, MerchantId, ProductId, TransactionId
from mpss.ledger.balances import stored_balance
from mpss.ledger.model import Balance
from mpss.observability import DESK_RETRIES
from mpss.transactions.model import Asked, Proof
from mpss.transactions.purchases.purchase import PurchaseCommand
from mpss.transactions.purchases.sale import Sale
from mpss.transactions.topups.cash import CashTopupCommand
from mpss.transactions.transfers.terms import Order
from mpss.transactions.transfers.transfer import TransferCommand
from mpss.transactions.verify import verify
from tests.support.instants import NOON, TODAY
from tests.support.postgres import DatabaseUrls, PostgresForTests
from tests.support.sales import KEY_VERSION, POLICY, RIGHT, WRONG, purchase_of

_numbers = itertools.count(1)

_WALLETS: LiteralString = """
    WITH asked AS (
        SELECT * FROM unnest(%(ids)s::uuid[], %(phones)s::text[], %(digests)s::bytea[], %(keys)s::int2[])
                      AS asked (id, phone, digest, key)),
    opened AS (
        INSERT INTO ledger_account (code, name, has_floor, opened_at)
        SELECT '2011', id::text, true, %(now)s FROM asked RETURNING id, name),
    balances AS (INSERT INTO ledger_balance (ledger_account_id) SELECT id FROM opened),
    usages AS (
        INSERT INTO account_usage (account_id, day, wrong_day) SELECT id, %(today)s, %(today)s FROM asked)
    INSERT INTO account (id, phone, home_province, kind, life, ledger_account_id, password_digest, password_key,
                         daily_limit_fen, language, terms_version, channel, opened_at)
    SELECT asked.id, asked.phone, 'GD', 'wallet', 'active', opened.id, asked.digest, asked.key, %(daily_limit_fen)s,
           'zh-CN', '2026-01', 'test', %(now)s
      FROM asked JOIN opened ON opened.name = asked.id::text
    RETURNING id, phone, ledger_account_id
"""
_MERCHANT: LiteralString = """
    WITH opened AS (
        INSERT INTO ledger_account (code, name, has_floor, opened_at)
        VALUES ('2021', %(name)s, false, %(now)s) RETURNING id)
    INSERT INTO merchant (id, name, province, state, ledger_account_id, api_key_digest, public_key, notify_url,
                          webhook_secret, created_at)
    SELECT %(id)s, %(name)s, 'GD', 'active', opened.id, %(digest)s, '', 'http://127.0.0.1:9', '', %(now)s FROM opened
    RETURNING ledger_account_id
"""
_PRODUCT: LiteralString = """
    INSERT INTO product (id, merchant_id, name, description, category, price_fen, scope, state, has_stock, created_at,
                         published_at)
    VALUES (%(id)s, %(merchant_id)s, %(name)s, '', 'cards', %(price_fen)s, 'national', 'published', %(has_stock)s,
            %(now)s, %(now)s)
"""
_STOCK: LiteralString = "INSERT INTO product_stock (product_id, slot, available) VALUES (%(id)s, 0, %(available)s)"
_BLOCKED: LiteralString = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class Person(NamedTuple):
    """A subscriber with an active wallet."""

    id: UUID
    phone: str
    ledger_account_id: int

    @property
    def caller(self) -> str:
        return f"account:{AccountId.from_uuid(self.id)}"


class Goods(NamedTuple):
    id: UUID
    merchant_id: UUID
    price_fen: int
    payable: int
    """The merchant's ledger account."""


def fixed_digest(account_id: UUID) -> tuple[bytes, int]:
    """The same digest for everybody, which `pay` offers."""
    return RIGHT, KEY_VERSION


async def open_wallets(
    database: Database,
    count: int,
    *,
    daily_limit_fen: int = 10**9,
    digest: Callable[[UUID], tuple[bytes, int]] = fixed_digest,
    now: datetime = NOON,
) -> list[Person]:
    """Open `count` wallets, empty, with numbers that nobody else has."""
    ids = [AccountId.new(now) for _ in range(count)]
    digests = [digest(account_id) for account_id in ids]
    async with database.transaction() as uow:
        rows = await uow.dicts(
            _WALLETS,
            {
                "ids": ids,
                "phones": [f"+86189{next(_numbers):08d}" for _ in ids],
                "digests": [made for made, _ in digests],
                "keys": [key for _, key in digests],
                "daily_limit_fen": daily_limit_fen,
                "today": TODAY,
                "now": now,
            },
        )
    found = {row["id"]: Person(row["id"], row["phone"], row["ledger_account_id"]) for row in rows}
    return [found[account_id] for account_id in ids]


async def put_on_sale(
    database: Database,
    *,
    price_fen: int = 100,
    stock: int | None = 1000,
    merchant_id: UUID | None = None,
    now: datetime = NOON,
) -> Goods:
    """A published product, of a new merchant unless one is named; `stock` None is an unlimited quantity."""
    async with database.transaction() as uow:
        if merchant_id is None:
            merchant_id = MerchantId.new(now)
            number = next(_numbers)
            payable = await uow.value(
                _MERCHANT, {"id": merchant_id, "name": f"Shop {number}", "digest": merchant_id.bytes, "now": now}
            )
        else:
            payable = await uow.value("SELECT ledger_account_id FROM merchant WHERE id = %(id)s", {"id": merchant_id})
        goods = Goods(ProductId.new(now), merchant_id, price_fen, payable)
        row = {**goods._asdict(), "name": f"Goods {next(_numbers)}", "has_stock": stock is not None, "now": now}
        await uow.execute(_PRODUCT, row)
        if stock is not None:
            await uow.execute(_STOCK, {"id": goods.id, "available": stock})
    return goods


@asynccontextmanager
async def desks(database: Database, count: int, **options: Any) -> AsyncIterator[list[Desk]]:
    """Started desks on one database; `options` are Desk's."""
    made = [Desk(database, **options) for _ in range(count)]
    async with AsyncExitStack() as stack:
        for desk in made:
            await desk.start()
            stack.push_async_callback(desk.stop)
        yield made


async def submit_all(desk: Desk, commands: Iterable[Command]) -> list[Answer]:
    """Hand all in at once; the answers in the commands' order."""
    return list(await asyncio.gather(*(desk.submit(command) for command in commands)))


def cash(
    person: Person, amount_fen: int, *, key: str | None = None, at: datetime = NOON, policy: Policy = POLICY
) -> CashTopupCommand:
    """A clerk tops the wallet up."""
    body = digest_of(TransactionKind.CASH_TOPUP, person.phone, amount_fen)
    head = Asked(TransactionId.new(at), "hall:H01/C01", key or f"cash-{next(_numbers)}", body, at, "hall")
    return CashTopupCommand(head, person.id, amount_fen, policy)


def pay(
    person: Person,
    goods: Goods,
    *,
    quantity: int = 1,
    amount_fen: int | None = None,
    key: str | None = None,
    right: bool = True,
    order_no: str | None = None,
    at: datetime = NOON,
    policy: Policy = POLICY,
) -> PurchaseCommand:
    """Buy the goods, or pay their merchant a free amount where `amount_fen` is given."""
    free = amount_fen is not None
    sale = Sale(
        person.id, goods.merchant_id, None if free else goods.id, 0 if free else quantity, amount_fen, None, order_no
    )
    return purchase_of(
        sale, key=key or f"pay-{next(_numbers)}", digest=RIGHT if right else WRONG, at=at, caller=person.caller,
        policy=policy,
    )  # fmt: skip


def send(
    person: Person, payee: Person | None, amount_fen: int, *, key: str | None = None, at: datetime = NOON
) -> TransferCommand:
    """Transfer an amount, to a number without a wallet where no payee is named."""
    phone, payee_id = ("+8618900000000", None) if payee is None else (payee.phone, payee.id)
    order = Order(person.id, phone, payee_id, None, amount_fen)
    body = digest_of(TransactionKind.TRANSFER, phone, amount_fen)
    head = Asked(TransactionId.new(at), person.caller, key or f"send-{next(_numbers)}", body, at, "http")
    proof = Proof({KEY_VERSION: RIGHT}, challenged=False, fingerprint=b"f" * 32, source="127.0.0.1")
    return TransferCommand(head, order, POLICY, proof)


async def give_money(desk: Desk, people: Sequence[Person], amount_fen: int) -> None:
    """Top every wallet up with cash, in as many top-ups as the limit asks."""
    while amount_fen > 0:
        portion = min(amount_fen, POLICY.topup_single_limit_fen)
        answers = await submit_all(desk, (cash(person, portion) for person in people))
        assert all(answer.transaction.refusal is None for answer in answers)
        amount_fen -= portion


async def balance(database: Database, person: Person) -> Balance:
    async with database.read() as uow:
        found = await stored_balance(uow, person.ledger_account_id)
    assert found is not None
    return found


async def available(database: Database, goods: Goods) -> int:
    """The quantity available, all portions together."""
    async with database.read() as uow:
        return int(
            await uow.value(
                "SELECT coalesce(sum(available), 0) FROM product_stock WHERE product_id = %(id)s", {"id": goods.id}
            )
        )


async def count(database: Database, sql: LiteralString, **params: object) -> int:
    async with database.read() as uow:
        return int(await uow.value(sql, params))


async def blocked(database: Database, how_many: int, *, timeout_seconds: float = 10) -> None:
    """Wait until so many sessions of this database wait for a lock."""
    async with asyncio.timeout(timeout_seconds):
        while await count(database, _BLOCKED) < how_many:  # noqa: ASYNC110 - the server is another process
            await asyncio.sleep(0.01)


def retries(reason: str) -> float:
    """How often desks of this process tried a batch again for this reason, so far."""
    return float(DESK_RETRIES.labels(reason=reason)._value.get())


def superuser_url(postgres: PostgresForTests, urls: DatabaseUrls) -> str:
    """The superuser, on the same database."""
    return postgres.server.url(ADMIN_ROLE, str(conninfo_to_dict(urls.run_url)["dbname"]))


async def breaches(database: Database) -> list[str]:
    """The names of the invariants that do not hold."""
    async with database.read() as uow:
        return [check.name for check in await verify(uow) if not check.holds]


@dataclass(slots=True)
class Shop:
    """People with money, goods on sale, and a desk."""

    database: Database
    desk: Desk
    people: list[Person]
    goods: Goods

    async def serve(self, *commands: Command) -> list[Answer]:
        return await submit_all(self.desk, commands)


@asynccontextmanager
async def shop(
    database: Database, *, people: int = 4, money_fen: int = 100_000, stock: int | None = 1000, **options: Any
) -> AsyncIterator[Shop]:
    """One desk, some people with money and one product of 1 yuan; `options` are Desk's."""
    async with desks(database, 1, **options) as (desk,):
        opened = await open_wallets(database, people)
        await give_money(desk, opened, money_fen)
        yield Shop(database, desk, opened, await put_on_sale(database, stock=stock))

"""What is done in a storm: each operation is one function that draws it and one that a process carries out.

A new operation is these two and its line in `OPERATIONS`.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from mpss.desk.model import Answer, Funding, TransactionState
from mpss.kernel.ids import AccountId, MerchantId, TransactionId
from mpss.runtime import Runtime
from mpss.transactions.confirm import confirm
from mpss.transactions.pay import pay
from mpss.transactions.purchases.purchase import request_purchase
from mpss.transactions.purchases.reversal import caller_of_merchant, reverse
from mpss.transactions.purchases.sale import Sale
from mpss.transactions.queries import get_transaction
from mpss.transactions.topups.card import top_up_from_card
from mpss.transactions.withdrawals.withdrawal import withdraw
from tests.simulation.doubt.model import Deed, World
from tests.simulation.steps import Found
from tests.support.house import PASSWORD

Known = Sequence[tuple[Deed, Found]]
Draw = Callable[[random.Random, World, Deed, Known], Deed | None]
CarryOut = Callable[[Runtime, World, Deed], Awaitable[Answer]]
_RECENT = 40
REAL_TIME_BANK = "NANCHENG"
"""The town's bank that credits a card in real time; the other one's orders wait for a file."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`draw` completes a deed from chance and what is known so far, None where there is nothing to do it to.

    `wallet_sign` is what its success does to the payer's wallet: 1 fills it, -1 empties it.
    """

    weight: int
    draw: Draw
    carry_out: CarryOut
    wallet_sign: int = 0


# ── drawing


def _amount(chance: random.Random, world: World, deed: Deed, known: Known) -> Deed:
    return replace(deed, merchant=chance.randrange(len(world.merchants)), amount_fen=chance.randint(1, 900))


def _goods(chance: random.Random, world: World, deed: Deed, known: Known) -> Deed:
    return replace(deed, goods=chance.randrange(len(world.goods)), quantity=chance.randint(1, 2))


def _sale(chance: random.Random, world: World, deed: Deed, known: Known) -> Deed | None:
    """A sale of the last that were acknowledged, whatever was said of it; seldom one that was to be reversed before."""
    recent = known[-_RECENT:]
    before = {step.original for step, _ in recent} if chance.random() < 0.9 else set()
    sold = [
        (step, found)
        for step, found in recent
        if step.kind in SALES and found.state != "DECLINED" and found.id not in before
    ]
    if not sold:
        return None
    sale, found = chance.choice(sold)
    return replace(deed, merchant=merchant_of(world, sale), original=found.id)


def _card_amount(chance: random.Random, world: World, deed: Deed, known: Known) -> Deed:
    return _amount(chance, world, replace(deed, bank=_bank(chance, world, deed)), known)


def _card_goods(chance: random.Random, world: World, deed: Deed, known: Known) -> Deed:
    return _goods(chance, world, replace(deed, bank=_bank(chance, world, deed)), known)


def _card(chance: random.Random, world: World, deed: Deed, known: Known) -> Deed:
    return replace(deed, bank=_bank(chance, world, deed), amount_fen=chance.randint(1, 5_000))


def _card_paid_at_once(chance: random.Random, world: World, deed: Deed, known: Known) -> Deed:
    return replace(deed, bank=REAL_TIME_BANK, amount_fen=chance.randint(1, 3_000))


def _bank(chance: random.Random, world: World, deed: Deed) -> str:
    """One of those that the payer has a card of."""
    return chance.choice(sorted(world.payers[deed.payer].cards))


# ── carrying out


async def _pay(runtime: Runtime, world: World, deed: Deed) -> Answer:
    """From a bound card of the bank that the deed names, or from the phone bill."""
    payer = world.payers[deed.payer]
    merchant_id = UUID(world.merchants[merchant_of(world, deed)])
    product = None if deed.goods is None else UUID(world.goods[deed.goods].id)
    sale = Sale(payer.uuid, merchant_id, product, deed.quantity, deed.amount_fen or None, None)
    return await pay(
        runtime, caller=f"account:{AccountId.from_uuid(payer.uuid)}", key=deed.key, channel="http", sale=sale,
        phone=payer.phone, password=PASSWORD, source="storm",
        funding=_funding(deed),
        card_id=UUID(payer.cards[deed.bank]) if deed.bank else None,
    )  # fmt: skip


def _funding(deed: Deed) -> Funding:
    return Funding.BANK_CARD if deed.bank else Funding.PHONE_BILL


async def _ask_and_reply(runtime: Runtime, world: World, deed: Deed) -> Answer:
    """The merchant asks, and the payer's phone replies what pays; how the purchase stands then."""
    payer = world.payers[deed.payer]
    merchant_id = UUID(world.merchants[merchant_of(world, deed)])
    product = None if deed.goods is None else UUID(world.goods[deed.goods].id)
    sale = Sale(payer.uuid, merchant_id, product, deed.quantity, deed.amount_fen or None, None)
    answer = await request_purchase(
        runtime, caller=caller_of_merchant(merchant_id), key=deed.key, channel="http", sale=sale, phone=payer.phone
    )
    if not answer.recorded:
        return answer
    async with runtime.database.read() as uow:
        asked = {"id": UUID(int=answer.transaction.id.int)}
        code = await uow.value("SELECT code FROM confirmation WHERE transaction_id = %(id)s", asked)
        told = await get_transaction(uow, answer.transaction.id)
    if told is not None and told.state is TransactionState.CONFIRMING:
        told = await confirm(runtime, phone=payer.phone, code=code, funding=_funding(deed))
    assert told is not None
    assert told.id == answer.transaction.id
    return answer._replace(transaction=told)


async def _reverse(runtime: Runtime, world: World, deed: Deed) -> Answer:
    assert deed.original is not None
    merchant_id = UUID(world.merchants[deed.merchant])
    return await reverse(
        runtime, caller=caller_of_merchant(merchant_id), key=deed.key, channel="http",
        merchant_id=MerchantId.from_uuid(merchant_id), original_id=TransactionId.from_uuid(UUID(deed.original)),
        reason="storm",
    )  # fmt: skip


async def _withdraw(runtime: Runtime, world: World, deed: Deed) -> Answer:
    payer = world.payers[deed.payer]
    return await withdraw(
        runtime, account_id=payer.uuid, phone=payer.phone, key=deed.key, card_id=UUID(payer.cards[deed.bank]),
        amount_fen=deed.amount_fen, fee_fen=None, password=PASSWORD, source="storm", channel="http",
    )  # fmt: skip


async def _top_up(runtime: Runtime, world: World, deed: Deed) -> Answer:
    payer = world.payers[deed.payer]
    return await top_up_from_card(
        runtime, account_id=payer.uuid, phone=payer.phone, key=deed.key, card_id=UUID(payer.cards[deed.bank]),
        amount_fen=deed.amount_fen, password=PASSWORD, source="storm", channel="http",
    )  # fmt: skip


def merchant_of(world: World, deed: Deed) -> int:
    """Whose sale it is."""
    return deed.merchant if deed.goods is None else world.merchants.index(world.goods[deed.goods].merchant_id)


OPERATIONS = {
    "bill_amount": Operation(20, _amount, _pay),
    "bill_goods": Operation(18, _goods, _pay),
    "card_amount": Operation(12, _card_amount, _pay),
    "card_goods": Operation(15, _card_goods, _pay),
    "asked_bill": Operation(5, _goods, _ask_and_reply),
    "asked_card": Operation(5, _card_goods, _ask_and_reply),
    "reverse": Operation(20, _sale, _reverse),
    "card_topup": Operation(15, _card, _top_up, wallet_sign=1),
    "withdrawal": Operation(12, _card_paid_at_once, _withdraw, wallet_sign=-1),
}
SALES = frozenset({"bill_amount", "bill_goods", "card_amount", "card_goods", "asked_bill", "asked_card"})
"""The operations that a merchant may reverse."""


def draw(chance: random.Random, world: World, number: int, known: Known) -> Deed:
    """The next thing somebody does."""
    while True:
        (kind,) = chance.choices(list(OPERATIONS), [operation.weight for operation in OPERATIONS.values()])
        plain = Deed(number, kind, payer=chance.randrange(len(world.payers)))
        drawn = OPERATIONS[kind].draw(chance, world, plain, known)
        if drawn is not None:
            return drawn

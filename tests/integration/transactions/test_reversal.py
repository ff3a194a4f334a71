"""Reversal of a sale: what it used comes back, once, and only to its own merchant's asking."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from mpss.desk.model import Answer, TransactionState
from mpss.fees.model import Schedule
from mpss.fees.store import add_schedule
from mpss.kernel.clock import FixedClock
from mpss.kernel.errors import ErrorCode
from mpss.ledger.day_close import close_day
from mpss.ledger.model import Balance
from mpss.runtime import Runtime
from mpss.staff.permissions import Permission
from mpss.transactions.purchases.purchase import request_purchase
from mpss.transactions.purchases.reversal import caller_of_merchant, reverse
from mpss.transactions.purchases.sale import Sale
from mpss.transactions.queries import get_transaction
from mpss.transactions.topups.voucher import redeem_voucher
from mpss.transactions.topups.voucher_activation import activate_batch
from mpss.vouchers.issue import generate_batch
from tests.support.clauses import clause
from tests.support.house import employee
from tests.support.instants import NOON, TODAY
from tests.support.world import (
    Goods,
    Person,
    available,
    balance,
    breaches,
    count,
    give_money,
    open_wallets,
    pay,
    put_on_sale,
    submit_all,
)


async def undo(
    runtime: Runtime, goods: Goods, *, key: str = "r1", original: UUID | None = None, order_no: str | None = None
) -> Answer:
    return await reverse(
        runtime, caller=caller_of_merchant(goods.merchant_id), key=key, channel="http", merchant_id=goods.merchant_id,
        original_id=original, order_no=order_no, reason="could not deliver",
    )  # fmt: skip


async def payer(runtime: Runtime, money_fen: int = 1_000) -> Person:
    (person,) = await open_wallets(runtime.database, 1)
    await give_money(runtime.desk, [person], money_fen)
    return person


async def sold(runtime: Runtime, person: Person, goods: Goods, **how: object) -> Answer:
    (answer,) = await submit_all(runtime.desk, [pay(person, goods, at=runtime.clock.now(), **how)])  # type: ignore[arg-type]
    assert answer.transaction.refusal is None
    return answer


async def spent(runtime: Runtime, person: Person) -> tuple[int, int]:
    """What the person's day counts: fen and purchases."""
    counted = "SELECT spent_fen FROM account_usage WHERE account_id = %(id)s"
    times = "SELECT spent_count FROM account_usage WHERE account_id = %(id)s"
    return await count(runtime.database, counted, id=person.id), await count(runtime.database, times, id=person.id)


@clause("CT 5.3", "CT 6.5.1")
class TestReversal:
    async def test_gives_back_money_parts_fee_stock_and_limits(self, runtime: Runtime) -> None:
        """A wallet of 500 fen in cash and 300 of a voucher, which is spent first."""
        person, goods = await payer(runtime, 500), await put_on_sale(runtime.database, price_fen=200, stock=9)
        maker = await employee(runtime, "maker", Permission.VOUCHER_GENERATE)
        seller = await employee(runtime, "seller", Permission.VOUCHER_ACTIVATE)
        made = await generate_batch(runtime, face_fen=300, quantity=1, valid_until=TODAY, staff=maker)
        await activate_batch(runtime, staff=seller, key="a", batch_id=made.id)
        await redeem_voucher(runtime, account_id=person.id, key="v", password=made.cards[0].password, channel="http")
        async with runtime.database.transaction() as uow:
            await add_schedule(uow, "purchase", Schedule(5, 0, 0, 99), valid_from=NOON)
        answer = await sold(runtime, person, goods, quantity=2)
        assert await balance(runtime.database, person) == Balance(395, 0, 0)
        undone = await undo(runtime, goods, original=answer.transaction.id)
        assert (undone.transaction.amount_fen, undone.transaction.fee_fen) == (400, 5)
        assert await balance(runtime.database, person) == Balance(800, 300, 0)
        assert await available(runtime.database, goods) == 9
        assert await spent(runtime, person) == (0, 0)
        assert await breaches(runtime.database) == []

    async def test_of_yesterdays_sale_leaves_todays_limit_alone(self, runtime: Runtime, clock: FixedClock) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        yesterday = await sold(runtime, person, goods)
        clock.advance(timedelta(days=1))
        await close_day(runtime.database, today=TODAY + timedelta(days=1), now=clock.now())
        await sold(runtime, person, goods, quantity=2)
        await undo(runtime, goods, original=yesterday.transaction.id)
        assert await spent(runtime, person) == (200, 1)
        assert (await balance(runtime.database, person)).balance_fen == 800
        assert await breaches(runtime.database) == []

    async def test_happens_once_however_often_it_is_asked_for(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database, stock=5)
        original = (await sold(runtime, person, goods, order_no="o1")).transaction.id
        answers = await asyncio.gather(
            undo(runtime, goods, key="r1", original=original),
            undo(runtime, goods, key="r1", original=original),
            undo(runtime, goods, key="r2", original=original),
            undo(runtime, goods, key="r3", order_no="o1"),
        )
        by_key = {answer.transaction.idempotency_key: answer.transaction.refusal for answer in answers}
        assert sorted(by_key.values(), key=str) == [None, ErrorCode.ILLEGAL_STATE, ErrorCode.ILLEGAL_STATE]
        assert (await balance(runtime.database, person)).balance_fen == 1_000
        assert await available(runtime.database, goods) == 5
        assert await breaches(runtime.database) == []

    async def test_before_its_original_refuses_the_late_original(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        first = await undo(runtime, goods, key="r1", order_no="late")
        again = await undo(runtime, goods, key="r2", order_no="late")
        assert [answer.transaction.state for answer in (first, again)] == [TransactionState.SUCCEEDED] * 2
        (late,) = await submit_all(runtime.desk, [pay(person, goods, order_no="late")])
        assert late.transaction.refusal is ErrorCode.ALREADY_TOMBSTONED
        other = await put_on_sale(runtime.database)
        await sold(runtime, person, other, order_no="late")  # another merchant's number is another number
        assert await breaches(runtime.database) == []

    async def test_cancels_what_its_payer_has_not_confirmed(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database, stock=5)
        sale = Sale(person.id, goods.merchant_id, goods.id, 1, None, None, "o1")
        caller = caller_of_merchant(goods.merchant_id)
        await request_purchase(runtime, caller=caller, key="k1", channel="http", sale=sale, phone=person.phone)
        undone = await undo(runtime, goods, order_no="o1")
        assert (undone.transaction.state, undone.transaction.amount_fen) == (TransactionState.SUCCEEDED, 0)
        async with runtime.database.read() as uow:
            original = await get_transaction(uow, undone.transaction.original_id or UUID(int=0))
        assert original is not None
        assert original.state is TransactionState.CANCELLED
        assert (await balance(runtime.database, person)).balance_fen == 1_000
        assert await breaches(runtime.database) == []

    async def test_of_somebody_elses_sale_is_refused_and_tells_nothing_of_it(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        stranger = await put_on_sale(runtime.database)
        original = (await sold(runtime, person, goods)).transaction.id
        refused = (await undo(runtime, stranger, original=original)).transaction
        unknown = (await undo(runtime, stranger, key="r2", original=UUID(int=7))).transaction
        assert [found.refusal for found in (refused, unknown)] == [ErrorCode.UNKNOWN_TRANSACTION] * 2
        assert (refused.account_id, refused.product_id, refused.original_id) == (None, None, None)
        assert (await balance(runtime.database, person)).balance_fen == 900
        assert await breaches(runtime.database) == []

    async def test_of_what_is_no_sale_is_refused(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        topups = "SELECT id FROM transaction WHERE kind = 'cash_topup'"
        async with runtime.database.read() as uow:
            topup = await uow.value(topups)
        declined = (await submit_all(runtime.desk, [pay(person, goods, quantity=90)]))[0].transaction
        refusals = [
            (await undo(runtime, goods, key=f"r{number}", original=original)).transaction.refusal
            for number, original in enumerate((topup, declined.id))
        ]
        assert refusals == [ErrorCode.UNKNOWN_TRANSACTION, ErrorCode.ILLEGAL_STATE]
        assert await breaches(runtime.database) == []

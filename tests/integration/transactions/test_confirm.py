"""A purchase that its payer confirms by a reply: yes, no, too late; and the question itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import pytest

from mpss.config import Policy
from mpss.db.database import Database
from mpss.desk.model import Answer, TransactionState
from mpss.fees.model import Schedule
from mpss.fees.store import add_schedule
from mpss.kernel.clock import FixedClock
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime
from mpss.transactions.confirm import cancel, confirm, lapse_waiting
from mpss.transactions.purchases.purchase import request_purchase
from mpss.transactions.purchases.reversal import caller_of_merchant
from mpss.transactions.purchases.sale import Sale
from tests.support.clauses import clause
from tests.support.house import house, notices
from tests.support.instants import NOON
from tests.support.world import (
    Goods,
    Person,
    available,
    balance,
    breaches,
    count,
    give_money,
    open_wallets,
    put_on_sale,
)

_VISITED: LiteralString = "UPDATE product SET scope = 'visited' WHERE id = %(id)s"
_ROAMER: LiteralString = "UPDATE account SET home_province = 'BJ' WHERE id = %(id)s"
_USED_CODES: LiteralString = """
    INSERT INTO confirmation (transaction_id, phone, code, expires_at, answered_at)
    SELECT gen_random_uuid(), %(phone)s, lpad(n::text, 4, '0'), %(expires_at)s, %(expires_at)s
      FROM generate_series(1, 9999) AS n
"""
_TAKE_CODES: LiteralString = """
    INSERT INTO confirmation (transaction_id, phone, code, expires_at)
    SELECT gen_random_uuid(), %(phone)s, lpad(n::text, 4, '0'), %(expires_at)s FROM generate_series(1, 9999) AS n
"""


async def ask(runtime: Runtime, person: Person, goods: Goods, *, key: str = "k1", visited: str | None = None) -> Answer:
    """The merchant asks the person to buy one piece."""
    sale = Sale(person.id, goods.merchant_id, goods.id, 1, None, None, visited_province=visited)
    caller = caller_of_merchant(goods.merchant_id)
    return await request_purchase(runtime, caller=caller, key=key, channel="http", sale=sale, phone=person.phone)


async def question(runtime: Runtime, person: Person) -> dict[str, str | int]:
    """What the last question to the person said."""
    return [params for event, params in await notices(runtime, person.phone) if event == "confirm_purchase"][-1]


async def code_sent(runtime: Runtime, person: Person) -> str:
    return str((await question(runtime, person))["code"])


async def payer(runtime: Runtime, money_fen: int = 1_000) -> Person:
    (person,) = await open_wallets(runtime.database, 1)
    await give_money(runtime.desk, [person], money_fen)
    return person


@clause("CT 5.3", "CT 6.3.2")
class TestConfirm:
    async def test_moves_the_money_when_the_payer_says_yes_and_once(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database, stock=5)
        asked = await ask(runtime, person, goods)
        assert asked.transaction.state is TransactionState.CONFIRMING
        assert (await balance(runtime.database, person)).balance_fen == 1_000
        code = await code_sent(runtime, person)
        paid = await confirm(runtime, phone=person.phone, code=code)
        again = await confirm(runtime, phone=person.phone, code=code)
        assert (paid.id, paid.state) == (asked.transaction.id, TransactionState.SUCCEEDED)
        assert again == paid
        assert (await balance(runtime.database, person)).balance_fen == 900
        assert await available(runtime.database, goods) == 4
        assert await breaches(runtime.database) == []

    async def test_answers_the_merchants_repeat_as_at_first(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        first = await ask(runtime, person, goods)
        await confirm(runtime, phone=person.phone, code=await code_sent(runtime, person))
        again = await ask(runtime, person, goods)
        assert again.repeated
        assert again.transaction == first.transaction

    async def test_changes_nothing_when_the_payer_says_no(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database, stock=5)
        await ask(runtime, person, goods)
        code = await code_sent(runtime, person)
        assert (await cancel(runtime, phone=person.phone, code=code)).state is TransactionState.CANCELLED
        assert (await confirm(runtime, phone=person.phone, code=code)).state is TransactionState.CANCELLED
        assert (await balance(runtime.database, person)).balance_fen == 1_000
        assert await available(runtime.database, goods) == 5
        assert await breaches(runtime.database) == []

    async def test_expires_when_no_reply_comes_in_time(self, runtime: Runtime, clock: FixedClock) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        asked = await ask(runtime, person, goods)
        code = await code_sent(runtime, person)
        assert await lapse_waiting(runtime) == 0
        clock.advance(timedelta(seconds=runtime.policy.confirmation_ttl_seconds))
        assert await lapse_waiting(runtime) == 1
        late = await confirm(runtime, phone=person.phone, code=code)
        assert (late.id, late.state, late.refusal) == (
            asked.transaction.id,
            TransactionState.EXPIRED,
            ErrorCode.CONFIRMATION_EXPIRED,
        )
        assert (await balance(runtime.database, person)).balance_fen == 1_000
        assert await breaches(runtime.database) == []

    async def test_tells_the_merchant_that_asked_how_it_ended(self, runtime: Runtime, clock: FixedClock) -> None:
        person, goods = await payer(runtime, 150), await put_on_sale(runtime.database, stock=5)
        for key in ("paid", "declined", "cancelled", "expired"):
            await ask(runtime, person, goods, key=key)
        async with runtime.database.read() as uow:
            waiting = await uow.dicts(
                "SELECT c.code, t.idempotency_key AS key"
                " FROM confirmation c JOIN transaction t ON t.id = c.transaction_id"
            )
        code = {row["key"]: row["code"] for row in waiting}
        for key in ("paid", "declined"):
            await confirm(runtime, phone=person.phone, code=code[key])
        await cancel(runtime, phone=person.phone, code=code["cancelled"])
        clock.advance(timedelta(seconds=runtime.policy.confirmation_ttl_seconds))
        assert await lapse_waiting(runtime) == 1
        async with runtime.database.read() as uow:
            told = await uow.dicts(
                "SELECT o.payload::jsonb AS said, t.idempotency_key AS key FROM outbox o"
                " JOIN transaction t ON t.id = o.reference WHERE o.kind = 'webhook'"
            )
        assert {(row["key"], row["said"]["type"], row["said"]["data"].get("reason")) for row in told} == {
            ("declined", "purchase.declined", "insufficient_funds"),
            ("cancelled", "purchase.cancelled", None),
            ("expired", "purchase.expired", "confirmation_expired"),
        }

    async def test_is_too_late_even_where_nothing_lapsed_it_yet(self, runtime: Runtime, clock: FixedClock) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        await ask(runtime, person, goods)
        code = await code_sent(runtime, person)
        clock.advance(timedelta(seconds=runtime.policy.confirmation_ttl_seconds))
        assert (await confirm(runtime, phone=person.phone, code=code)).state is TransactionState.EXPIRED

    async def test_is_declined_when_the_money_has_gone(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime, 150), await put_on_sale(runtime.database, stock=5)
        await ask(runtime, person, goods, key="k1")
        first = await code_sent(runtime, person)
        await ask(runtime, person, goods, key="k2")
        second = await code_sent(runtime, person)
        assert (await confirm(runtime, phone=person.phone, code=second)).state is TransactionState.SUCCEEDED
        declined = await confirm(runtime, phone=person.phone, code=first)
        assert (declined.state, declined.refusal) == (TransactionState.DECLINED, ErrorCode.INSUFFICIENT_FUNDS)
        assert await available(runtime.database, goods) == 4
        assert await breaches(runtime.database) == []

    async def test_one_of_yes_and_no_at_once_counts(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        await ask(runtime, person, goods)
        code = await code_sent(runtime, person)
        replies = await asyncio.gather(
            *(reply(runtime, phone=person.phone, code=code) for reply in (confirm, cancel, confirm, cancel))
        )
        assert len({reply.state for reply in replies}) == 1
        assert await breaches(runtime.database) == []

    async def test_charges_the_fee_that_was_shown_though_it_changed_meanwhile(
        self, runtime: Runtime, clock: FixedClock
    ) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        async with runtime.database.transaction() as uow:
            await add_schedule(uow, "purchase", Schedule(7, 0, 0, 99), valid_from=NOON)
            await add_schedule(uow, "purchase", Schedule(9, 0, 0, 99), valid_from=NOON + timedelta(seconds=60))
        await ask(runtime, person, goods)
        shown = await question(runtime, person)
        clock.advance(timedelta(seconds=90))
        paid = await confirm(runtime, phone=person.phone, code=str(shown["code"]))
        assert (shown["fee_fen"], paid.fee_fen, paid.state) == (7, 7, TransactionState.SUCCEEDED)
        assert (await balance(runtime.database, person)).balance_fen == 893

    @clause("CT 4.2")
    async def test_a_visitor_may_confirm_what_is_sold_to_visitors(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        async with runtime.database.transaction() as uow:
            await uow.execute(_VISITED, {"id": goods.id})
            await uow.execute(_ROAMER, {"id": person.id})
        assert (await ask(runtime, person, goods)).transaction.refusal is ErrorCode.OUT_OF_SCOPE
        await ask(runtime, person, goods, key="k2", visited="GD")
        paid = await confirm(runtime, phone=person.phone, code=await code_sent(runtime, person))
        assert paid.state is TransactionState.SUCCEEDED

    async def test_refuses_a_reply_that_nobody_waits_for(self, runtime: Runtime) -> None:
        person = await payer(runtime)
        with pytest.raises(Refused) as refused:
            await confirm(runtime, phone=person.phone, code="0000")
        assert refused.value.code is ErrorCode.UNKNOWN_TRANSACTION


class TestQuestions:
    async def test_do_not_give_a_number_the_same_code_again_soon(self, runtime: Runtime, clock: FixedClock) -> None:
        """A reply that an SMSC sends twice must not pay the sale after."""
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        async with runtime.database.transaction() as uow:
            await uow.execute(_USED_CODES, {"phone": person.phone, "expires_at": NOON})
        await ask(runtime, person, goods)
        assert await code_sent(runtime, person) == "0000"
        clock.advance(timedelta(days=8))
        await ask(runtime, person, goods, key="k2")
        await ask(runtime, person, goods, key="k3")
        assert (await ask(runtime, person, goods, key="k4")).transaction.refusal is None

    async def test_to_one_number_are_limited_and_a_repeat_is_answered_all_the_same(self, runtime: Runtime) -> None:
        person, goods = await payer(runtime), await put_on_sale(runtime.database)
        most = runtime.policy.confirmations_per_phone
        first = [await ask(runtime, person, goods, key=f"k{number}") for number in range(most)]
        refused = await ask(runtime, person, goods, key="one more")
        assert refused.transaction.refusal is ErrorCode.RATE_LIMITED
        assert not refused.recorded
        again = await ask(runtime, person, goods, key="k0")
        assert (again.repeated, again.transaction) == (True, first[0].transaction)
        await cancel(runtime, phone=person.phone, code=await code_sent(runtime, person))
        assert (await ask(runtime, person, goods, key="one more")).transaction.refusal is None

    async def test_that_draw_one_code_at_once_are_told_apart(
        self, database: Database, tmp_path: Path, clock: FixedClock
    ) -> None:
        policy = replace(Policy(), confirmations_per_phone=10_000)
        async with house(database, tmp_path, clock, policy=policy) as runtime:
            person, goods = await payer(runtime), await put_on_sale(database)
            async with database.transaction() as uow:
                await uow.execute(_TAKE_CODES, {"phone": person.phone, "expires_at": NOON + timedelta(hours=1)})
            answers = await asyncio.gather(*(ask(runtime, person, goods, key=f"k{number}") for number in range(4)))
            refusals = [answer.transaction.refusal for answer in answers]
            assert sorted(refusals, key=str) == [None, *[ErrorCode.RATE_LIMITED] * 3]
            waiting = await count(
                database, "SELECT count(*) FROM confirmation WHERE phone = %(phone)s", phone=person.phone
            )
            assert waiting == 10_000

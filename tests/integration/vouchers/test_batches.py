"""Batches of vouchers: made by one person, put on sale by another (CM 8.5)."""

from __future__ import annotations

import asyncio
import csv
from datetime import timedelta
from io import StringIO

import pytest

from mpss.desk.model import TransactionState
from mpss.kernel.clock import FixedClock
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import VoucherBatchId
from mpss.runtime import Runtime
from mpss.staff.permissions import Permission
from mpss.transactions.topups.voucher_activation import activate_batch
from mpss.vouchers.issue import discard_batch, generate_batch
from mpss.vouchers.queries import get_batch, list_batches
from tests.support.cards import A_YEAR, batch_of, cards_on_sale
from tests.support.clauses import clause
from tests.support.house import assert_books_balance, employee
from tests.support.instants import NOON, TODAY


@clause("CM 8.5")
class TestGenerate:
    async def test_hands_the_cards_out_once_and_keeps_digests(self, runtime: Runtime) -> None:
        batch = await batch_of(runtime, quantity=250)
        assert len({card.serial for card in batch.cards}) == len({card.password for card in batch.cards}) == 250
        assert all(len(card.serial) == 18 and len(card.password) == 16 for card in batch.cards)
        async with runtime.database.read() as uow:
            stored = await uow.dicts("SELECT * FROM voucher")
        assert len(stored) == 250
        assert {row["serial"] for row in stored} == {card.serial for card in batch.cards}
        text = repr(stored)
        assert not any(card.password in text for card in batch.cards)

    async def test_gives_the_printer_a_file(self, runtime: Runtime) -> None:
        batch = await batch_of(runtime, quantity=2)
        rows = list(csv.DictReader(StringIO("".join(batch.csv()), newline="")))
        assert [(row["serial"], row["password"]) for row in rows] == list(batch.cards)
        assert {(row["face_fen"], row["valid_until"]) for row in rows} == {("5000", A_YEAR.isoformat())}

    async def test_posts_nothing(self, runtime: Runtime) -> None:
        await batch_of(runtime)
        async with runtime.database.read() as uow:
            assert await uow.value("SELECT count(*) FROM posting") == 0

    @pytest.mark.parametrize(
        ("field", "face_fen", "quantity", "days"),
        [("face_fen", 0, 1, 1), ("face_fen", 500_001, 1, 1), ("quantity", 1, 0, 1), ("quantity", 1, 100_001, 1),
         ("valid_until", 1, 1, -1)],
    )  # fmt: skip
    async def test_refuses_what_makes_no_sense(
        self, runtime: Runtime, field: str, face_fen: int, quantity: int, days: int
    ) -> None:
        maker = await employee(runtime, "wang", Permission.VOUCHER_GENERATE)
        with pytest.raises(MalformedField) as malformed:
            await generate_batch(
                runtime, face_fen=face_fen, quantity=quantity, valid_until=TODAY + timedelta(days=days), staff=maker
            )
        assert malformed.value.field == field

    async def test_needs_the_permission(self, runtime: Runtime) -> None:
        other = await employee(runtime, "zhao", Permission.VOUCHER_ACTIVATE)
        with pytest.raises(Refused) as refused:
            await generate_batch(runtime, face_fen=1, quantity=1, valid_until=A_YEAR, staff=other)
        assert refused.value.code is ErrorCode.FORBIDDEN


@clause("CM 8.5")
class TestActivate:
    async def test_makes_the_whole_batch_a_liability_once(self, runtime: Runtime) -> None:
        batch = await batch_of(runtime, quantity=7)
        seller = await employee(runtime, "zhao", Permission.VOUCHER_ACTIVATE)
        answers = await asyncio.gather(
            *(activate_batch(runtime, staff=seller, key=f"k{n}", batch_id=batch.id) for n in range(4))
        )
        states = [answer.transaction.state for answer in answers]
        assert states.count(TransactionState.SUCCEEDED) == 1
        refusals = {answer.transaction.refusal for answer in answers} - {None}
        assert refusals == {ErrorCode.ILLEGAL_STATE}
        async with runtime.database.read() as uow:
            postings = await uow.dicts("SELECT ledger_account_id, amount_fen FROM posting ORDER BY line")
            seen = await get_batch(uow, batch.id)
        assert [tuple(row.values()) for row in postings] == [(4, 35_000), (12, -35_000)]
        assert seen is not None
        assert (seen.state, seen.activated_by, seen.activated_at, seen.redeemed) == (
            "activated",
            str(seller.id),
            NOON,
            0,
        )
        await assert_books_balance(runtime)

    async def test_is_answered_again_alike(self, runtime: Runtime) -> None:
        batch = await batch_of(runtime)
        seller = await employee(runtime, "zhao", Permission.VOUCHER_ACTIVATE)
        first = await activate_batch(runtime, staff=seller, key="k", batch_id=batch.id)
        again = await activate_batch(runtime, staff=seller, key="k", batch_id=batch.id)
        assert (again.repeated, again.transaction) == (True, first.transaction)

    async def test_is_not_for_who_made_it(self, runtime: Runtime) -> None:
        both = await employee(runtime, "wang", Permission.VOUCHER_GENERATE, Permission.VOUCHER_ACTIVATE)
        batch = await generate_batch(runtime, face_fen=100, quantity=1, valid_until=A_YEAR, staff=both)
        answer = await activate_batch(runtime, staff=both, key="k", batch_id=batch.id)
        assert answer.transaction.refusal is ErrorCode.SAME_PERSON

    async def test_refuses_an_unknown_an_expired_and_a_discarded_batch(
        self, runtime: Runtime, clock: FixedClock
    ) -> None:
        seller = await employee(runtime, "zhao", Permission.VOUCHER_ACTIVATE)
        unknown = await activate_batch(runtime, staff=seller, key="k1", batch_id=VoucherBatchId.new(NOON))
        assert unknown.transaction.refusal is ErrorCode.NOT_FOUND
        maker = await employee(runtime, "wang", Permission.VOUCHER_GENERATE)
        batch = await generate_batch(runtime, face_fen=100, quantity=1, valid_until=TODAY, staff=maker)
        await discard_batch(runtime, batch_id=batch.id, staff=maker)
        thrown = await activate_batch(runtime, staff=seller, key="k2", batch_id=batch.id)
        assert thrown.transaction.refusal is ErrorCode.ILLEGAL_STATE
        with pytest.raises(Refused):
            await discard_batch(runtime, batch_id=batch.id, staff=maker)

    async def test_lists_the_batches_newest_first(self, runtime: Runtime, clock: FixedClock) -> None:
        await cards_on_sale(runtime, name="wang")
        clock.advance(timedelta(seconds=1))
        newest = await batch_of(runtime, name="li")
        async with runtime.database.read() as uow:
            listed = await list_batches(uow, before=None, limit=10)
            rest = await list_batches(uow, before=newest.id, limit=10)
        assert [batch.state for batch in listed] == ["generated", "activated"]
        assert [batch.number for batch in rest] == [1]

"""Holds through the desk: the table, the balance and the entry change together."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from mpss.db.database import Database
from mpss.desk.model import Decision, Snapshot
from mpss.kernel.errors import ErrorCode
from mpss.ledger.holds import HOLDS, collect, lapse, release, reserve
from mpss.ledger.model import Balance, Part, Posting
from mpss.ledger.post import BALANCES
from tests.support.commands import Script, Scripted, scripted
from tests.support.instants import NOON
from tests.support.world import Goods, Person, balance, breaches, pay, shop

LATER = NOON + timedelta(minutes=5)


def hold_back(person: Person, amount_fen: int) -> Scripted:
    account = person.ledger_account_id

    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        before = snapshot[BALANCES][account]
        if before.available_fen < amount_fen:
            return Decision(command.declined(ErrorCode.INSUFFICIENT_FUNDS, snapshot.business_date))
        puts = reserve(
            before, ledger_account_id=account, transaction_id=command.id, amount_fen=amount_fen, at=NOON,
            expires_at=LATER,
        )  # fmt: skip
        made = puts[0][1]
        return Decision(command.becomes(snapshot.business_date, metadata=str(UUID(int=made.int))), puts=puts)

    return scripted(decide, (BALANCES, account))


def take(hold_id: UUID, goods: Goods, amount_fen: int) -> Scripted:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        hold = snapshot[HOLDS][hold_id]
        account = hold.ledger_account_id
        return Decision(
            command.becomes(snapshot.business_date, amount_fen=amount_fen),
            entry=command.entry(Posting(account, amount_fen, Part.WITHDRAWABLE), Posting(goods.payable, -amount_fen)),
            puts=collect(hold, snapshot[BALANCES][account], amount_fen=amount_fen, at=LATER),
        )

    return scripted(decide, (HOLDS, hold_id))


def let_go(hold_id: UUID, end: str) -> Scripted:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        hold = snapshot[HOLDS][hold_id]
        ended = (release if end == "release" else lapse)(hold, snapshot[BALANCES][hold.ledger_account_id], at=LATER)
        return Decision(command.becomes(snapshot.business_date), puts=ended)

    script: Script = decide
    return scripted(script, (HOLDS, hold_id))


class TestHoldsThroughTheDesk:
    async def test_are_reserved_collected_and_freed_with_the_balance(self, database: Database) -> None:
        async with shop(database, people=1, money_fen=1_000) as made:
            person = made.people[0]
            answers = await made.serve(*(hold_back(person, amount) for amount in (300, 300, 300, 300)))
            refusals = [answer.transaction.refusal for answer in answers]
            assert refusals == [None, None, None, ErrorCode.INSUFFICIENT_FUNDS]
            assert await balance(database, person) == Balance(1_000, 0, 900)
            held = [UUID(answer.transaction.metadata or "") for answer in answers[:3]]
            (refused,) = await made.serve(pay(person, made.goods, quantity=2))
            assert refused.transaction.refusal is ErrorCode.INSUFFICIENT_FUNDS
            assert await breaches(database) == []
            await made.serve(take(held[0], made.goods, 250), let_go(held[1], "release"), let_go(held[2], "lapse"))
            assert await balance(database, person) == Balance(750, 0, 0)
            assert await breaches(database) == []

    async def test_all_that_is_held_may_be_collected(self, database: Database) -> None:
        async with shop(database, people=1, money_fen=1_000) as made:
            person = made.people[0]
            (answer,) = await made.serve(hold_back(person, 1_000))
            await made.serve(take(UUID(answer.transaction.metadata or ""), made.goods, 1_000))
            assert await balance(database, person) == Balance(0, 0, 0)
            assert await breaches(database) == []

    async def test_that_differ_from_the_balance_are_found(self, database: Database) -> None:
        async with shop(database, people=1, money_fen=1_000) as made:
            await made.serve(hold_back(made.people[0], 1_000))
            async with database.transaction() as uow:
                await uow.execute("UPDATE hold SET amount_fen = 999")
            assert await breaches(database) == ["held amounts equal the open holds"]

"""Several desks spend one company's money at once: no quota and no balance is overdrawn, and all that fits is paid."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from uuid import UUID

from mpss.accounts.group_model import GroupSource
from mpss.db.database import Database
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import MemberId
from mpss.transactions.purchases.purchase import PurchaseCommand
from tests.support.clauses import clause
from tests.support.instants import NOON, TODAY
from tests.support.world import Goods, Person, balance, breaches, desks, give_money, open_wallets, pay, put_on_sale

PRICE, PAID = 100, 15


async def join(database: Database, master: Person, member: Person, *, month_fen: int) -> GroupSource:
    member_id = MemberId.new(NOON)
    async with database.transaction() as uow:
        await uow.execute("UPDATE account SET account_class = 'corporate' WHERE id = %(id)s", {"id": master.id})
        await uow.execute(
            "INSERT INTO group_member (id, master_account_id, member_account_id, quota_month_fen, quota_single_fen,"
            " used_month, added_at)"
            " VALUES (%(id)s, %(master)s, %(member)s, %(fen)s, %(fen)s, %(month)s, %(now)s)",
            {
                "id": member_id, "master": master.id, "member": member.id, "fen": month_fen,
                "month": TODAY.replace(day=1), "now": NOON,
            },
        )  # fmt: skip
    return GroupSource(member_id, master.id)


def buy(person: Person, goods: Goods, source: GroupSource) -> PurchaseCommand:
    return replace(pay(person, goods, amount_fen=PRICE), group=source)


async def used(database: Database, source: GroupSource) -> int:
    assert isinstance(source.member_id, UUID)
    async with database.read() as uow:
        return int(await uow.value("SELECT used_fen FROM group_member WHERE id = %(id)s", {"id": source.member_id}))


@clause("CM 5.2.1.2")
class TestTwoDesks:
    async def test_hold_a_quota_and_the_companys_balance_to_the_fen(self, database: Database) -> None:
        async with desks(database, 2, batch_size=4) as serving:
            master, careful, eager = await open_wallets(database, 3)
            goods = await put_on_sale(database, stock=None)
            await give_money(serving[0], [master], PRICE * PAID)
            sources = [
                await join(database, master, careful, month_fen=5 * PRICE),
                await join(database, master, eager, month_fen=1000 * PRICE),
            ]
            answers = await asyncio.gather(
                *(
                    desk.submit(buy(person, goods, source))
                    for _ in range(15)
                    for person, source in zip((careful, eager), sources, strict=True)
                    for desk in serving
                )
            )
            refusals = Counter(answer.transaction.refusal for answer in answers)
            assert refusals[None] == PAID
            assert set(refusals) == {None, ErrorCode.GROUP_QUOTA_EXCEEDED, ErrorCode.INSUFFICIENT_FUNDS}
            assert (await balance(database, master)).balance_fen == 0
            spent = [await used(database, source) for source in sources]
            assert spent[0] <= 5 * PRICE
            assert sum(spent) == PAID * PRICE
        assert await breaches(database) == []

    async def test_look_at_the_membership_again(self, database: Database) -> None:
        """Removed, or of another group, between the flow's reading and the desk's."""
        async with desks(database, 1) as (desk,):
            master, other, member, stranger = await open_wallets(database, 4)
            goods = await put_on_sale(database, stock=None)
            await give_money(desk, [master, other], PRICE * 10)
            source = await join(database, master, member, month_fen=1000)
            wrong = [
                buy(stranger, goods, source),
                buy(member, goods, source._replace(master_account_id=other.id)),
                buy(member, goods, GroupSource(None, None)),
            ]
            async with database.transaction() as uow:
                await uow.execute("UPDATE account SET account_class = 'corporate'")
            answers = [await desk.submit(command) for command in wrong]
            async with database.transaction() as uow:
                await uow.execute("UPDATE group_member SET removed_at = %(now)s", {"now": NOON})
            answers.append(await desk.submit(buy(member, goods, source)))
            assert {answer.transaction.refusal for answer in answers} == {ErrorCode.NOT_GROUP_MEMBER}
        assert await breaches(database) == []

from __future__ import annotations

from datetime import datetime, timedelta

from mpss.db.database import Database
from mpss.kernel.ids import OutboxId, TransactionId
from mpss.outbox.model import Kind, OutboxItem, OutboxRow, notice
from mpss.outbox.queries import attempts_of, item, waiting
from mpss.outbox.store import Result, claim, enqueue, finish, resend
from tests.support.instants import NOON

LATER = NOON + timedelta(seconds=10)


def row(phone: str, at: datetime = NOON) -> OutboxRow:
    return notice(
        OutboxId.new(at), reference=TransactionId.new(at), phone=phone, event="opened", language="zh-CN", params={},
        now=at,
    )  # fmt: skip


async def put(database: Database, *rows: OutboxRow) -> None:
    async with database.transaction() as uow:
        await enqueue(uow, rows)


async def take(database: Database, *, now: datetime = NOON, limit: int = 10, each: int = 10, busy: tuple[str, ...] = ()
) -> list[OutboxItem]:  # fmt: skip
    async with database.transaction() as uow:
        return await claim(uow, Kind.NOTICE, now=now, limit=limit, each=each, busy=busy, lease_seconds=5)


def result(taken: OutboxItem, state: str, outcome: str, due_at: datetime | None = None) -> Result:
    return Result(taken.id, taken.attempts, state, due_at, NOON, outcome, "said so", 12)


class TestAClaim:
    async def test_takes_an_item_once_until_its_lease_runs_out(self, database: Database) -> None:
        await put(database, row("+1"))
        (first,) = await take(database)
        assert (first.attempts, first.recipient) == (1, "+1")
        assert await take(database) == []
        (again,) = await take(database, now=NOON + timedelta(seconds=5))
        assert (again.id, again.attempts) == (first.id, 2)

    async def test_leaves_what_is_not_due(self, database: Database) -> None:
        await put(database, row("+1", LATER))
        assert await take(database) == []
        assert len(await take(database, now=LATER)) == 1

    async def test_leaves_what_another_holds_in_an_open_unit_of_work(self, database: Database) -> None:
        await put(database, row("+1"), row("+2"))
        async with database.transaction() as uow:
            held = await claim(uow, Kind.NOTICE, now=NOON, limit=1, each=1, lease_seconds=5)
            others = await take(database)
        assert len(held) == len(others) == 1
        assert held[0].id != others[0].id

    async def test_shares_the_batch_out_between_recipients(self, database: Database) -> None:
        await put(database, *(row("+1") for _ in range(30)), row("+2"), row("+3"))
        taken = await take(database, limit=10, each=4)
        assert sorted(one.recipient for one in taken) == ["+1"] * 4 + ["+2", "+3"]
        assert [one.recipient for one in await take(database, busy=("+1",))] == []
        assert {one.recipient for one in await take(database)} == {"+1"}

    async def test_takes_the_oldest_first_and_in_order(self, database: Database) -> None:
        await put(database, *(row(f"+{n}", NOON - timedelta(seconds=n)) for n in range(6)))
        taken = await take(database, limit=3, each=1)
        assert {one.recipient for one in taken} == {"+5", "+4", "+3"}
        assert [one.serial for one in taken] == sorted(one.serial for one in taken)


class TestAResult:
    async def test_is_written_with_its_attempt(self, database: Database) -> None:
        await put(database, row("+1"), row("+2"), row("+3"))
        one, two, three = await take(database)
        async with database.transaction() as uow:
            await finish(
                uow,
                [result(one, "done", "approved"), result(two, "dead", "declined"),
                 result(three, "pending", "in_doubt", LATER)],
                now=NOON,
            )  # fmt: skip
            assert await waiting(uow) == {"notice": 1}
            kept = [await item(uow, taken.id) for taken in (one, two, three)]
            attempts = await attempts_of(uow, [one.id, two.id, three.id])
        assert [(k.state, k.finished_at, k.last_error) for k in kept if k is not None] == [
            ("done", NOON, None),
            ("dead", NOON, "said so"),
            ("pending", None, "said so"),
        ]
        assert {(a.outbox_id, a.outcome, a.duration_ms) for a in attempts} == {
            (one.id, "approved", 12),
            (two.id, "declined", 12),
            (three.id, "in_doubt", 12),
        }
        assert [taken.id for taken in await take(database, now=LATER)] == [three.id]

    async def test_of_a_lease_that_ran_out_changes_nothing_but_an_approval(self, database: Database) -> None:
        await put(database, row("+1"))
        (slow,) = await take(database)
        (quick,) = await take(database, now=LATER)
        async with database.transaction() as uow:
            await finish(uow, [result(slow, "dead", "declined")], now=LATER)
            assert await waiting(uow) == {"notice": 1}
            await finish(uow, [result(slow, "done", "approved")], now=LATER)
            assert await waiting(uow) == {}
            await finish(uow, [result(quick, "pending", "in_doubt", LATER)], now=LATER)
            assert await waiting(uow) == {}

    async def test_is_undone_by_a_resend(self, database: Database) -> None:
        await put(database, row("+1"))
        (taken,) = await take(database)
        async with database.transaction() as uow:
            await finish(uow, [result(taken, "dead", "declined")], now=NOON)
            assert await resend(uow, taken.id, now=LATER)
            assert not await resend(uow, OutboxId.new(NOON), now=LATER)
        (again,) = await take(database, now=LATER)
        assert (again.id, again.attempts) == (taken.id, 2)

    async def test_does_not_end_what_was_asked_for_again_meanwhile(self, database: Database) -> None:
        await put(database, row("+1"))
        (taken,) = await take(database)
        async with database.transaction() as uow:
            assert await resend(uow, taken.id, now=NOON)
            await finish(uow, [result(taken, "done", "approved")], now=NOON)
        (again,) = await take(database)
        assert (again.id, again.attempts) == (taken.id, 2)
        async with database.transaction() as uow:
            await finish(uow, [result(again, "done", "approved")], now=NOON)
        assert await take(database, now=LATER) == []


async def test_a_message_is_not_there_when_its_cause_is_rolled_back(database: Database) -> None:
    try:
        async with database.transaction() as uow:
            await enqueue(uow, [row("+1")])
            raise LookupError
    except LookupError:
        pass
    assert await take(database) == []

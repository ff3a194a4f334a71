"""Closing by a merchant while it is paid: whatever meets whatever, no closed merchant is owed anything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mpss.config import Policy
from mpss.db.database import Connection, Database
from mpss.desk.desk import Desk
from mpss.desk.model import Answer, Transaction
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.outcome import Approved, InDoubt
from mpss.ledger.balances import gathered_balance_fen
from mpss.ledger.chart import RESERVE_AT_BANK
from mpss.ledger.model import Posting
from mpss.merchants.close import finish_merchant_closings, merchant_closing
from mpss.merchants.queries import get_merchant
from mpss.runtime import Runtime
from mpss.staff.permissions import Permission
from mpss.transactions.adjustment import approve_adjustment, propose_adjustment
from mpss.transactions.purchases.deliver import resend_delivery
from mpss.transactions.purchases.reversal import reverse
from mpss.transactions.settlement import approve_settlement, propose_settlement
from tests.support.bill import answer, assert_sound, intend
from tests.support.clauses import clause
from tests.support.closing import begin_closing, webhooks_taken
from tests.support.eventually import eventually
from tests.support.house import employee
from tests.support.instants import TODAY
from tests.support.market import Market, market

pytestmark = clause("CM 5.2.3.3")


@pytest.fixture
async def town(database: Database, tmp_path: Path) -> AsyncIterator[Market]:
    async with market(database, tmp_path, policy=Policy(merchant_closing_days=0)) as opened:
        yield opened


async def state(town: Market) -> str:
    async with town.runtime.database.read() as uow:
        found = await get_merchant(uow, town.merchant.id)
    assert found is not None
    return found.state


async def payable_fen(town: Market) -> int:
    async with town.runtime.database.read() as uow:
        return -await gathered_balance_fen(uow, town.merchant.ledger_account_id)


async def owed_fen(town: Market) -> int | None:
    found = await merchant_closing(town.runtime, merchant_id=town.merchant.id)
    return None if found.closing is None else found.closing.owed_fen


async def blocked_by(town: Market) -> list[str]:
    found = await merchant_closing(town.runtime, merchant_id=town.merchant.id)
    return [obstacle.block for obstacle in found.obstacles]


async def take_back(runtime: Runtime, town: Market, sold: Transaction, key: str) -> Answer:
    return await reverse(
        runtime, caller=f"merchant:{town.merchant.id}", key=key, channel="http", merchant_id=town.merchant.id,
        original_id=sold.id, reason="back",
    )  # fmt: skip


async def settle(town: Market, amount_fen: int, reference: str = "R-1") -> None:
    first = await employee(town.runtime, f"settle-asks-{reference}", Permission.MERCHANT_CLOSE)
    second = await employee(town.runtime, f"settle-decides-{reference}", Permission.MERCHANT_CLOSE)
    approval_id = await propose_settlement(
        town.runtime, staff=first, merchant_id=town.merchant.id, amount_fen=amount_fen, bank_account="BEIHU 1",
        bank_reference=reference,
    )  # fmt: skip
    told = await approve_settlement(town.runtime, staff=second, approval_id=approval_id)
    assert told.transaction.refusal is None


class TestTheEnd:
    async def test_does_not_come_while_a_sale_is_in_doubt(self, town: Market) -> None:
        sale = (await intend(town, "doubt", amount_fen=700)).transaction
        await answer(town.runtime, InDoubt("silence"))
        assert await town.state(sale.id) == "IN_DOUBT"
        await begin_closing(town.runtime, town.merchant.id)
        await webhooks_taken(town.runtime, town.merchant.id)
        assert await finish_merchant_closings(town.runtime) == 0
        assert await blocked_by(town) == ["open_sales"]
        for _ in range(2):
            await answer(town.runtime, Approved("1"))
        assert await payable_fen(town) == 700
        await webhooks_taken(town.runtime, town.merchant.id)
        assert await finish_merchant_closings(town.runtime) == 0
        assert await blocked_by(town) == ["payable"]
        await settle(town, 700)
        await webhooks_taken(town.runtime, town.merchant.id)
        assert await finish_merchant_closings(town.runtime) == 1
        await assert_sound(town.runtime)

    async def test_counts_what_a_batch_posts_that_saw_the_merchant_closing(self, town: Market) -> None:
        sold, _ = await town.buy(amount_fen=900), await town.buy(amount_fen=50)
        await begin_closing(town.runtime, town.merchant.id)
        decided, go_on = asyncio.Event(), asyncio.Event()

        async def stop_at(step: str, _: Connection) -> None:
            if step == "decided":
                decided.set()
                await go_on.wait()

        slow = Desk(town.runtime.database, hook=stop_at)
        await slow.start()
        try:
            taking = asyncio.create_task(take_back(replace(town.runtime, desk=slow), town, sold, "late"))
            await decided.wait()
            ending = asyncio.create_task(finish_merchant_closings(town.runtime))
            await asyncio.sleep(0.3)
            assert not ending.done()
            go_on.set()
            assert (await taking).transaction.refusal is None
            assert await ending == 0
        finally:
            go_on.set()
            await slow.stop()
        assert (await state(town), await owed_fen(town), await payable_fen(town)) == ("ending", 50, 50)
        await assert_sound(town.runtime)

    async def test_is_carried_on_where_a_process_died_in_it(self, town: Market) -> None:
        sold = await town.buy(amount_fen=900)
        await begin_closing(town.runtime, town.merchant.id)
        assert (await take_back(town.runtime, town, sold, "k")).transaction.refusal is None
        async with town.runtime.database.transaction() as uow:
            await uow.execute("UPDATE merchant SET state = 'ending'")
        late = await take_back(town.runtime, town, sold, "late")
        assert (late.transaction.refusal, late.recorded) == (ErrorCode.MERCHANT_NOT_ACTIVE, False)
        await webhooks_taken(town.runtime, town.merchant.id)
        assert await finish_merchant_closings(town.runtime) == 1
        await assert_sound(town.runtime)

    async def test_settles_no_more_than_is_owed_however_many_approve_at_once(self, town: Market) -> None:
        await town.buy(amount_fen=900)
        await begin_closing(town.runtime, town.merchant.id)
        await finish_merchant_closings(town.runtime)
        first = await employee(town.runtime, "mc-asks", Permission.MERCHANT_CLOSE)
        second = await employee(town.runtime, "mc-decides", Permission.MERCHANT_CLOSE)
        proposed = [
            await propose_settlement(
                town.runtime, staff=first, merchant_id=town.merchant.id, amount_fen=500, bank_account="BEIHU 1",
                bank_reference=reference,
            )
            for reference in ("R-1", "R-2", "R-3", "R-3")
        ]  # fmt: skip
        told = await asyncio.gather(
            *(approve_settlement(town.runtime, staff=second, approval_id=each) for each in proposed)
        )
        assert [each.transaction.refusal for each in told].count(None) == 1
        assert (await owed_fen(town), await payable_fen(town)) == (400, 400)
        await assert_sound(town.runtime)

    async def test_leaves_nothing_that_could_be_posted_to(self, town: Market) -> None:
        first = await employee(town.runtime, "mc-adjuster-1", Permission.LEDGER_ADJUST)
        second = await employee(town.runtime, "mc-adjuster-2", Permission.LEDGER_ADJUST)
        legs = [Posting(RESERVE_AT_BANK, 100), Posting(town.merchant.ledger_account_id, -100)]
        approval_id = await propose_adjustment(town.runtime, staff=first, legs=legs, memo="late")
        sold = await town.buy(amount_fen=900)
        await begin_closing(town.runtime, town.merchant.id)
        assert await finish_merchant_closings(town.runtime) == 0
        await settle(town, 900)
        await webhooks_taken(town.runtime, town.merchant.id)
        assert await finish_merchant_closings(town.runtime) == 1
        told = await approve_adjustment(town.runtime, staff=second, approval_id=approval_id)
        assert told.transaction.refusal is ErrorCode.MERCHANT_NOT_ACTIVE
        told = await take_back(town.runtime, town, sold, "late")
        assert told.transaction.refusal is ErrorCode.MERCHANT_NOT_ACTIVE
        assert await payable_fen(town) == 0
        await assert_sound(town.runtime)


class TestSettling:
    async def test_waits_until_a_risk_report_on_the_merchant_is_looked_at(self, town: Market) -> None:
        await town.buy(amount_fen=900)
        await begin_closing(town.runtime, town.merchant.id)
        await finish_merchant_closings(town.runtime)
        first = await employee(town.runtime, "mc-risk-asks", Permission.MERCHANT_CLOSE)
        second = await employee(town.runtime, "mc-risk-decides", Permission.MERCHANT_CLOSE)
        approval_id = await propose_settlement(
            town.runtime, staff=first, merchant_id=town.merchant.id, amount_fen=900, bank_account="BEIHU 1",
            bank_reference="R-9",
        )  # fmt: skip
        async with town.runtime.database.transaction() as uow:
            await uow.execute(
                """
                INSERT INTO risk_report (id, business_date, pattern, subject_id, merchant_id, movements, amount_fen,
                                         figures, state, found_at)
                VALUES (%(id)s, %(day)s, 'refund_share', %(id)s, %(id)s, 1, 900, '{}', 'open', %(now)s)
                """,
                {"id": town.merchant.id, "day": TODAY, "now": town.clock.now()},
            )
        with pytest.raises(Refused, match="risk_reports"):
            await approve_settlement(town.runtime, staff=second, approval_id=approval_id)
        assert (await state(town), await payable_fen(town)) == ("ending", 900)

    async def test_comes_after_no_delivery_can_be_ordered_again(self, town: Market) -> None:
        sold = await town.buy()
        async with town.working():
            await eventually(lambda: delivered(town, sold))
        await begin_closing(town.runtime, town.merchant.id)
        await finish_merchant_closings(town.runtime)
        assert await state(town) == "ending"
        with pytest.raises(Refused, match="closing"):
            await resend_delivery(town.runtime, transaction_id=sold.id, by="platform")


async def delivered(town: Market, sold: Transaction) -> bool:
    return bool((await town.outbox(sold.id))["state"] == "done")


class TestARace:
    async def test_of_payments_and_reversals_with_the_closing_leaves_nothing_owed(self, town: Market) -> None:
        sold = [await town.buy(amount_fen=100) for _ in range(6)]
        paid: list[Transaction] = []
        taken: list[Answer] = []

        async def pay() -> None:
            for _ in range(25):
                with contextlib.suppress(AssertionError):  # where it was refused
                    paid.append(await town.buy(amount_fen=100))

        async def back() -> None:
            for number, sale in enumerate(sold):
                taken.append(await take_back(town.runtime, town, sale, f"back-{number}"))

        async def end() -> None:
            for _ in range(10):
                await webhooks_taken(town.runtime, town.merchant.id)
                await finish_merchant_closings(town.runtime)

        await asyncio.gather(pay(), back(), begin_closing(town.runtime, town.merchant.id), end(), pay())
        await end()
        returned = [each for each in taken if each.transaction.refusal is None]
        left_fen = 100 * (len(sold) + len(paid) - len(returned))
        assert (await state(town), await payable_fen(town)) == ("ending" if left_fen else "closed", left_fen)
        await assert_sound(town.runtime)
        if left_fen:
            await settle(town, left_fen)
        await asyncio.gather(end(), end(), pay())
        assert (await state(town), await payable_fen(town)) == ("closed", 0)
        await assert_sound(town.runtime)

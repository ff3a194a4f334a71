"""A purchase from the phone bill at the desk: whatever the charging system answers, and in whatever order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from mpss.config import Policy
from mpss.db.database import Database
from mpss.desk.model import Answer
from mpss.kernel.errors import ErrorCode
from mpss.kernel.outcome import Approved, Declined, InDoubt
from mpss.ledger.balances import trial_balance
from mpss.transactions.funding.store import claim_due
from mpss.transactions.purchases.collect import complete
from mpss.transactions.purchases.reversal import reverse
from mpss.transactions.resolve import resolve_due
from tests.support.bill import answer, assert_sound, intend, stands, under_way
from tests.support.clauses import clause
from tests.support.house import events
from tests.support.market import PHONE, Market, market

YES, SILENCE = Approved("session"), InDoubt("no answer")
POLICY = Policy(phone_bill_single_limit_fen=5_000, phone_bill_monthly_limit_fen=8_000)


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> AsyncIterator[Market]:
    async with market(database, tmp_path, policy=POLICY) as opened:
        yield opened


async def receivable(shop: Market) -> int:
    """What the operator owes us, in fen."""
    async with shop.runtime.database.read() as uow:
        lines = await trial_balance(uow)
    return sum(line.debit_fen - line.credit_fen for line in lines if line.code == "1122")


async def take_back(shop: Market, sale: Answer, *, key: str = "r1") -> Answer:
    return await reverse(
        shop.runtime, caller="merchant", key=key, channel="http", merchant_id=shop.merchant.id,
        original_id=sale.transaction.id, reason="sold out",
    )  # fmt: skip


@clause("CT 5.1", "CT 6.3.2")
class TestAFreeAmount:
    async def test_is_charged_once_it_is_reserved(self, shop: Market) -> None:
        sale = await intend(shop, "a", amount_fen=1_000)
        assert sale.transaction.state == "FUNDING"
        await assert_sound(shop.runtime)
        assert (await answer(shop.runtime, YES)).state == "COMPLETING"
        assert await receivable(shop) == 0
        await assert_sound(shop.runtime)
        assert (await answer(shop.runtime, YES)).state == "SUCCEEDED"
        assert await receivable(shop) == 1_000
        assert (await events(shop.runtime, PHONE))[-1] == "bill_paid"
        await assert_sound(shop.runtime)

    async def test_is_declined_with_the_limits_given_back(self, shop: Market) -> None:
        await intend(shop, "a", amount_fen=5_000)
        told = await answer(shop.runtime, Declined("4012 credit limit reached"))
        assert (told.state, told.refusal) == ("DECLINED", ErrorCode.INSUFFICIENT_FUNDS)
        await intend(shop, "b", amount_fen=5_000)
        assert (await answer(shop.runtime, Declined("5030 user unknown"))).refusal is ErrorCode.FUNDING_DECLINED
        await assert_sound(shop.runtime)

    async def test_counts_an_answer_once_however_often_it_comes(self, shop: Market) -> None:
        await intend(shop, "a", amount_fen=1_000)
        first = await under_way(shop.runtime)
        await answer(shop.runtime, YES)
        commit = await under_way(shop.runtime)
        assert (await answer(shop.runtime, Declined("late"), request_id=first.id)).state == "COMPLETING"
        await answer(shop.runtime, YES)
        await answer(shop.runtime, YES, request_id=commit.id)
        assert await receivable(shop) == 1_000
        await assert_sound(shop.runtime)

    async def test_keeps_to_the_caps_of_one_purchase_and_of_a_month(self, shop: Market) -> None:
        over = await intend(shop, "a", amount_fen=5_001)
        assert over.transaction.refusal is ErrorCode.SINGLE_LIMIT_EXCEEDED
        await intend(shop, "b", amount_fen=5_000)
        over = await intend(shop, "c", amount_fen=3_001)
        assert over.transaction.refusal is ErrorCode.MONTHLY_LIMIT_EXCEEDED
        await assert_sound(shop.runtime)


@clause("CT 5.1", "CT 6.3.2")
class TestSilence:
    async def test_is_kept_in_doubt_until_somebody_says(self, shop: Market) -> None:
        sale = await intend(shop, "a", amount_fen=1_000)
        assert (await answer(shop.runtime, SILENCE)).state == "IN_DOUBT"
        assert (await events(shop.runtime, PHONE))[-1] == "bill_in_doubt"
        await assert_sound(shop.runtime)
        await answer(shop.runtime, SILENCE)
        await answer(shop.runtime, YES)
        await answer(shop.runtime, YES)
        assert await stands(shop.runtime, sale.transaction.id) == "SUCCEEDED"
        assert (await events(shop.runtime, PHONE)).count("bill_in_doubt") == 1

    async def test_is_given_up_by_a_release_that_is_insisted_upon(self, shop: Market) -> None:
        await intend(shop, "a", amount_fen=1_000)
        reserve = await under_way(shop.runtime)
        shop.clock.advance(timedelta(seconds=POLICY.funding_give_up_seconds))
        assert (await answer(shop.runtime, SILENCE)).state == "RELEASING"
        release = await under_way(shop.runtime)
        assert (release.operation, release.session) == ("release", reserve.session)
        # Neither a "no" nor the late reservation ends it.
        await answer(shop.runtime, Declined("5002 unknown session"))
        assert (await answer(shop.runtime, YES, request_id=reserve.id)).state == "RELEASING"
        await assert_sound(shop.runtime)
        assert (await answer(shop.runtime, YES)).state == "CANCELLED"
        assert await receivable(shop) == 0
        await assert_sound(shop.runtime)

    async def test_broken_by_a_no_is_released_all_the_same(self, shop: Market) -> None:
        """What lies under silence may have been carried out; a "no" to its repeat takes nothing back."""
        await intend(shop, "a", amount_fen=1_000)
        await answer(shop.runtime, SILENCE)
        assert (await answer(shop.runtime, Declined("4012 credit limit reached"))).state == "RELEASING"
        assert (await under_way(shop.runtime)).operation == "release"
        assert (await answer(shop.runtime, YES)).state == "CANCELLED"
        assert (await events(shop.runtime, PHONE))[-1] == "bill_not_charged"
        await assert_sound(shop.runtime)

    async def test_of_a_process_that_died_after_sending_makes_the_repeats_no_doubtful(self, shop: Market) -> None:
        await intend(shop, "a", amount_fen=1_000)
        shop.clock.advance(timedelta(seconds=60))
        async with shop.runtime.database.transaction() as uow:
            assert len(await claim_due(uow, now=shop.clock.now(), limit=1, lease_seconds=10)) == 1
        assert (await answer(shop.runtime, Declined("4012 credit limit reached"))).state == "RELEASING"
        assert (await answer(shop.runtime, YES)).state == "CANCELLED"
        await assert_sound(shop.runtime)

    async def test_to_a_commit_is_asked_again_and_never_given_up(self, shop: Market) -> None:
        await intend(shop, "a", amount_fen=1_000)
        await answer(shop.runtime, YES)
        shop.clock.advance(timedelta(days=3))
        for said in (SILENCE, Declined("5012 unable to comply"), SILENCE):
            assert (await answer(shop.runtime, said)).state == "COMPLETING"
        await assert_sound(shop.runtime)
        assert (await answer(shop.runtime, YES)).state == "SUCCEEDED"

    async def test_of_a_process_that_was_killed_is_found_by_the_job_when_its_time_is_over(self, shop: Market) -> None:
        await intend(shop, "a", amount_fen=1_000)
        assert await resolve_due(shop.runtime) == 0
        shop.clock.advance(timedelta(seconds=60))
        assert await resolve_due(shop.runtime) == 1
        # No charging system is connected here: certainly not reserved.
        await assert_sound(shop.runtime)


@clause("CT 5.3", "CT 6.3.2", "CT 6.5.1")
class TestGoods:
    async def authorized(self, shop: Market) -> Answer:
        sale = await intend(shop, "a", product=shop.product.id)
        assert (await answer(shop.runtime, YES)).state == "AUTHORIZED"
        await assert_sound(shop.runtime)
        return sale

    async def test_are_charged_when_they_are_delivered(self, shop: Market) -> None:
        sale = await self.authorized(shop)
        # The charging system that is not there does not acknowledge.
        assert (await complete(shop.runtime, sale.transaction.id)).state == "COMPLETING"
        assert (await answer(shop.runtime, YES)).state == "SUCCEEDED"
        assert await receivable(shop) == sale.transaction.amount_fen

    async def test_taken_back_before_their_delivery_are_never_charged(self, shop: Market) -> None:
        sale = await self.authorized(shop)
        assert (await take_back(shop, sale)).transaction.state == "SUCCEEDED"
        assert await stands(shop.runtime, sale.transaction.id) == "RELEASING"
        await assert_sound(shop.runtime)
        assert (await answer(shop.runtime, YES)).state == "CANCELLED"
        await assert_sound(shop.runtime)

    async def test_taken_back_afterwards_go_back_to_the_phone_bill(self, shop: Market) -> None:
        sale = await self.authorized(shop)
        await complete(shop.runtime, sale.transaction.id)
        assert (await take_back(shop, sale, key="too soon")).transaction.refusal is ErrorCode.BUSY
        await answer(shop.runtime, YES)
        # The charging system that is not there does not acknowledge: both wait.
        assert (await take_back(shop, sale)).transaction.state == "COMPLETING"
        assert await stands(shop.runtime, sale.transaction.id) == "REVERSING"
        assert await receivable(shop) == sale.transaction.amount_fen
        await assert_sound(shop.runtime)
        await answer(shop.runtime, YES)
        assert await stands(shop.runtime, sale.transaction.id) == "REVERSED"
        assert await receivable(shop) == 0
        assert (await events(shop.runtime, PHONE))[-1] == "bill_refunded"
        await assert_sound(shop.runtime)
        # Its first answer waited for the charging system; the repeat says what that said.
        again = await take_back(shop, sale)
        assert (again.repeated, again.transaction.state) == (True, "SUCCEEDED")

"""A reservation that nobody ends in time: released by the OCS, never ordered from a shop, never lost from sight."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mpss.config import Policy
from mpss.db.database import Database
from mpss.desk.model import Transaction
from mpss.kernel.outcome import Approved, Declined
from mpss.ports.charging import ChargingOperation
from mpss.simulators.merchant_shop import Fault
from mpss.simulators.ocs import Ocs
from mpss.transactions.resolve import list_open, resolve_due
from tests.integration.charging.conftest import Bill, buy, charging, connected
from tests.support.bill import assert_sound
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.market import PHONE, Market, market, outside
from tests.support.programs import run

RESERVE, COMMIT, RELEASE = ChargingOperation.RESERVE, ChargingOperation.COMMIT, ChargingOperation.RELEASE
LAPSED = Declined("5002 unknown session")
MOMENT = 0.2
POLICY = Policy(charging_reservation_seconds=600, merchant_timeout_seconds=3)


class TestAReservation:
    async def test_lapses_by_itself_and_cannot_be_charged_any_more(self, bill: Bill) -> None:
        bill.ocs.store.validity_seconds = MOMENT
        session = bill.new_session()
        assert await bill.ask(RESERVE, session) == Approved(session)
        assert bill.available == 7_500
        await asyncio.sleep(MOMENT)
        assert bill.available == 10_000
        assert [line["session_id"] for line in bill.ocs.store.sessions(state="lapsed")] == [session]
        assert await bill.ask(COMMIT, session) == LAPSED
        assert await bill.ask(COMMIT, session, again=True) == LAPSED
        assert await bill.ask(RESERVE, session, again=True) == LAPSED
        assert (bill.balance, bill.available, bill.lines()) == (10_000, 10_000, [])

    async def test_that_lapsed_is_released_as_it_was_meant_to_be(self, bill: Bill) -> None:
        bill.ocs.store.validity_seconds = MOMENT
        session = bill.new_session()
        await bill.ask(RESERVE, session)
        await asyncio.sleep(MOMENT)
        assert await bill.ask(RELEASE, session) == Approved(session)
        assert bill.available == 10_000

    async def test_that_is_ended_in_time_does_not_lapse(self, bill: Bill) -> None:
        bill.ocs.store.validity_seconds = MOMENT
        session = bill.new_session()
        await bill.ask(RESERVE, session)
        await bill.ask(COMMIT, session)
        await asyncio.sleep(MOMENT)
        assert (bill.balance, bill.available) == (7_500, 7_500)
        assert bill.ocs.store.sessions(state="lapsed") == []

    @pytest.mark.parametrize(("needed", "warned"), [(3600, False), (3601, True)])
    async def test_shorter_than_the_house_counts_on_is_told_in_the_log(
        self, ocs: Ocs, needed: int, warned: bool
    ) -> None:
        async with charging(ocs, reservation_seconds=needed) as bill:
            with capture_logs() as logs:
                assert isinstance(await bill.ask(RESERVE, bill.new_session()), Approved)
        assert ("charging.reservation_short" in [line["event"] for line in logs]) is warned


@clause("CT 5.1", "CT 6.3.2")
class TestAPurchase:
    async def test_whose_reservation_lapsed_while_the_shop_delivered_stays_with_the_operator(
        self, ocs: Ocs, database: Database, tmp_path: Path
    ) -> None:
        async with charging(ocs) as bill, market(database, tmp_path / "market", policy=POLICY) as opened:
            shop = connected(opened, bill)
            ocs.store.validity_seconds = MOMENT
            shop.shop.fail(Fault.DELAY, count=1, seconds=MOMENT * 2)
            sale = await buy(shop)
            assert sale.state == "AUTHORIZED"
            async with shop.working():
                await eventually(lambda: _refused(shop))
            assert ocs.store.ledger() == []
            for _ in range(2):
                shop.clock.advance(timedelta(days=1))
                assert await resolve_due(shop.runtime) == 1
            (doubt,) = await list_open(shop.runtime)
            assert (doubt.operation, doubt.transaction_state) == ("commit", "COMPLETING")
            assert doubt.reason == LAPSED.reason
            shown = run("doubts", MPSS_DATABASE_URL=database.url, MPSS_DATA_DIR=str(tmp_path)).stdout
            assert outside(sale.id) in shown
            assert LAPSED.reason in shown
            await assert_sound(shop.runtime)

    async def test_whose_reservation_may_lapse_is_released_and_its_shop_is_not_asked(
        self, ocs: Ocs, database: Database, tmp_path: Path
    ) -> None:
        """The jobs were away for the whole time; the first attempt comes too late."""
        async with charging(ocs) as bill, market(database, tmp_path / "market", policy=POLICY) as opened:
            shop = connected(opened, bill)
            sale = await buy(shop)
            shop.clock.advance(timedelta(seconds=POLICY.charging_reservation_seconds - 10))
            async with shop.working():
                await eventually(lambda: _stands(shop, sale, "CANCELLED"))
            assert shop.shop.book.order(outside(sale.id)) is None
            assert await shop.available() == 10
            assert ocs.store.subscriber(PHONE).reserved_fen == 0
            assert ocs.store.ledger() == []
            await assert_sound(shop.runtime)


async def _refused(shop: Market) -> bool:
    return [doubt.reason for doubt in await list_open(shop.runtime)] == [LAPSED.reason]


async def _stands(shop: Market, sale: Transaction, state: str) -> bool:
    return await shop.state(sale.id) == state

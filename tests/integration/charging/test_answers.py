"""What the OCS may say that makes no sense: the purchase waits in doubt, our books stay, and it is charged once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mpss.config import Policy
from mpss.db.database import Database
from mpss.ledger.balances import trial_balance
from mpss.simulators.ocs import Ocs
from mpss.simulators.ocs_faults import OcsFaultKind
from mpss.transactions.resolve import list_open, resolve_due
from tests.integration.charging.conftest import buy, charging, connected
from tests.support.bill import assert_sound
from tests.support.clauses import clause
from tests.support.market import Market, market

FEN = 1_000
POLICY = Policy(charging_timeout_seconds=1)


async def receivable(shop: Market) -> int:
    """What the operator owes us, in fen."""
    async with shop.runtime.database.read() as uow:
        return sum(line.debit_fen - line.credit_fen for line in await trial_balance(uow) if line.code == "1122")


@clause("CT 5.1", "CT 6.3.2")
class TestAnAnswer:
    @pytest.mark.parametrize(
        ("kind", "reason"),
        [
            (OcsFaultKind.UNKNOWN_CODE, "result code 5999"),
            (OcsFaultKind.WRONG_SESSION, "an answer to another request"),
            (OcsFaultKind.NONSENSE, "an answer that cannot be read"),
            (OcsFaultKind.LOSE_REPLY, "no answer in 1 s"),
        ],
    )
    async def test_that_says_neither_yes_nor_no_moves_nothing_until_it_is_asked_again(
        self, ocs: Ocs, database: Database, tmp_path: Path, kind: OcsFaultKind, reason: str
    ) -> None:
        async with charging(ocs) as bill, market(database, tmp_path / "market", policy=POLICY) as opened:
            shop = connected(opened, bill)
            bill.fault(kind)
            sale = await buy(shop, amount_fen=FEN)
            assert sale.state == "IN_DOUBT"
            (doubt,) = await list_open(shop.runtime)
            assert doubt.reason.startswith(reason)
            assert await receivable(shop) == 0
            await assert_sound(shop.runtime)
            shop.clock.advance(timedelta(seconds=60))
            assert await resolve_due(shop.runtime) == 1
            assert await shop.state(sale.id) == "SUCCEEDED"
            assert [(line["kind"], line["amount_fen"]) for line in ocs.store.ledger()] == [("charge", FEN)]
            assert await receivable(shop) == FEN
            await assert_sound(shop.runtime)

    @pytest.mark.parametrize("kind", [OcsFaultKind.STRANGER, OcsFaultKind.TWICE, OcsFaultKind.NOISE])
    async def test_too_many_or_on_a_line_that_breaks_charges_once(
        self, ocs: Ocs, database: Database, tmp_path: Path, kind: OcsFaultKind
    ) -> None:
        async with charging(ocs) as bill, market(database, tmp_path / "market", policy=POLICY) as opened:
            shop = connected(opened, bill)
            bill.fault(kind)
            sale = await buy(shop, amount_fen=FEN)
            assert sale.state == "SUCCEEDED"
            assert [(line["kind"], line["amount_fen"]) for line in ocs.store.ledger()] == [("charge", FEN)]
            assert await receivable(shop) == FEN
            await assert_sound(shop.runtime)

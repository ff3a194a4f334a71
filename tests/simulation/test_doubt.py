"""A storm between us and the charging system: whatever was lost, late or doubled, both books agree in the end.

`MPSS_DOUBT_OPERATIONS=10000` plays that many; the gate plays a few. A storm's number plays the same choices again.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import pytest

from mpss.accounts.password_rules import candidate_digests, fingerprint
from mpss.adapters.charging_diameter import DiameterCharging
from mpss.config import Policy
from mpss.db.database import Database
from mpss.desk.model import Funding
from mpss.runtime import Runtime
from mpss.simulators.ocs import REALM, Ocs, OcsSettings, serve
from mpss.simulators.ocs_faults import OcsFault, OcsFaultKind
from mpss.transactions.funding_store import open_requests
from mpss.transactions.model import Proof
from mpss.transactions.purchase import purchase
from mpss.transactions.resolve import resolve_due
from mpss.transactions.reversal import reverse
from mpss.transactions.sale import Sale
from tests.support.bill import assert_sound, intend
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.house import PASSWORD
from tests.support.market import PHONE, Market, market

OPERATIONS = int(os.environ.get("MPSS_DOUBT_OPERATIONS", "24"))
AT_ONCE = 12
PLENTY = 10**10
FAULTS = (
    OcsFaultKind.LATE, OcsFaultKind.LOSE_REQUEST, OcsFaultKind.LOSE_REPLY, OcsFaultKind.TWICE,
    OcsFaultKind.CLOSE, OcsFaultKind.UNKNOWN_CODE, OcsFaultKind.STRANGER, OcsFaultKind.NONSENSE,
    OcsFaultKind.DECLINE,
)  # fmt: skip
_CHARGED: LiteralString = """
    SELECT session, operation, amount_fen FROM funding_request
     WHERE state = 'APPROVED' AND operation IN ('commit', 'refund')
"""


async def pay(shop: Market, runtime: Runtime, number: int, amount_fen: int) -> None:
    keys, account_id = runtime.ports.key_store, shop.payer.account_id
    proof = Proof(candidate_digests(keys, account_id, PASSWORD), False, fingerprint(keys, PASSWORD), "test")
    answer = await purchase(
        runtime, caller=f"account:{account_id}", key=f"storm {number}", channel="http",
        sale=Sale(account_id, shop.merchant.id, None, 0, amount_fen, None), proof=proof, funding=Funding.PHONE_BILL,
    )  # fmt: skip
    if number % 3 == 0 and answer.transaction.refusal is None:
        await reverse(
            runtime, caller="merchant", key=f"back {number}", channel="http", merchant_id=shop.merchant.id,
            original_id=answer.transaction.id, reason="storm",
        )  # fmt: skip


async def settle(shop: Market, runtime: Runtime) -> None:
    """The sky is clear: the job asks until nothing is open."""

    async def nothing_open() -> bool:
        shop.clock.advance(timedelta(seconds=70))
        await resolve_due(runtime, limit=64)
        async with runtime.database.read() as uow:
            return not await open_requests(uow, after=None, limit=1)

    await eventually(nothing_open, seconds=60.0 + OPERATIONS / 10)


async def assert_agree(runtime: Runtime, ocs: Ocs) -> None:
    """Line by line: what we hold charged and refunded, and what the charging system wrote."""
    names = {"commit": "charge", "refund": "refund"}
    async with runtime.database.read() as uow:
        ours = Counter(
            (row["session"], names[row["operation"]], row["amount_fen"]) for row in await uow.dicts(_CHARGED)
        )
    theirs = Counter(
        (line["session_id"], line["kind"], line["amount_fen"]) for line in ocs.store.ledger(limit=10 * OPERATIONS + 100)
    )
    assert ours == theirs
    assert ocs.store.sessions(state="open") == []


@clause("CT 5.1", "CT 6.3.2")
class TestAStorm:
    @pytest.mark.parametrize("storm", range(2))
    async def test_leaves_both_books_agreeing_line_by_line(
        self, database: Database, tmp_path: Path, storm: int
    ) -> None:
        dice = random.Random(storm)
        policy = Policy(
            phone_bill_monthly_limit_fen=PLENTY, single_limit_fen=PLENTY, charging_timeout_seconds=1,
            funding_give_up_seconds=100,
        )  # fmt: skip
        async with serve(OcsSettings(tmp_path / "ocs")) as ocs, market(database, tmp_path, policy=policy) as shop:
            ocs.store.set_subscriber(PHONE, kind="prepaid", balance_fen=PLENTY, credit_limit_fen=0, barred=False)
            peers = [("127.0.0.1", door.port) for door in ocs.doors]
            charging = DiameterCharging(
                peers, origin_host="storm.mpss", origin_realm="mpss", realm=REALM, watchdog_seconds=0.3
            )
            runtime = replace(shop.runtime, ports=replace(shop.runtime.ports, charging=charging))
            await charging.start()
            try:
                for first in range(0, OPERATIONS, AT_ONCE):
                    for _ in range(AT_ONCE // 2):
                        ocs.faults.add(OcsFault(dice.choice(FAULTS), 1, 1.3))
                    numbers = range(first, first + AT_ONCE)
                    await asyncio.gather(*(pay(shop, runtime, number, dice.randint(1, 90)) for number in numbers))
                    # What a process that is killed before it sends leaves behind.
                    await intend(shop, f"killed {first}", amount_fen=dice.randint(1, 90))
                    await assert_sound(runtime)
                    shop.clock.advance(timedelta(seconds=dice.choice((2, 20, 110))))
                    await resolve_due(runtime)
                ocs.faults.clear()
                await settle(shop, runtime)
            finally:
                await charging.stop()
            await assert_sound(runtime)
            await assert_agree(runtime, ocs)

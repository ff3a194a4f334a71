"""What keeps an account from falling dormant: whatever its holder pays with, it is used (CM 7.7)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from mpss.accounts.dormancy import find_dormant
from mpss.db.database import Database
from mpss.kernel.outcome import Approved, Declined
from tests.support.bill import answer, intend
from tests.support.clauses import clause
from tests.support.market import Market, market


async def pay_from_bill(shop: Market, key: str, *, refused: bool = False) -> None:
    """A purchase that the phone bill pays, or that the charging system refuses."""
    await intend(shop, key, amount_fen=100)
    if refused:
        assert (await answer(shop.runtime, Declined("4012"))).state == "DECLINED"
        return
    await answer(shop.runtime, Approved("session"))
    assert (await answer(shop.runtime, Approved("session"))).state == "SUCCEEDED"


@clause("CM 7.7")
class TestWhoPaysFromThePhoneBill:
    async def test_is_neither_warned_nor_silenced(self, database: Database, tmp_path: Path) -> None:
        async with market(database, tmp_path) as shop:
            policy, clock = shop.runtime.policy, shop.clock
            for month in range(8):
                clock.advance(timedelta(days=30))
                await pay_from_bill(shop, f"m{month}")
                assert await find_dormant(shop.runtime) == (0, 0)
            clock.advance(timedelta(days=policy.dormancy_days - policy.dormancy_warning_days + 1))
            await pay_from_bill(shop, "no", refused=True)
            assert await find_dormant(shop.runtime) == (1, 0)
            await pay_from_bill(shop, "yes")
            clock.advance(timedelta(days=policy.dormancy_warning_days + 1))
            assert await find_dormant(shop.runtime) == (0, 0)

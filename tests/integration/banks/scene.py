"""The market with a bank of the town, where the payer has a card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from mpss.config import Policy
from mpss.db.database import Database
from mpss.ports.bank import BankPort
from mpss.transactions.resolve import resolve_due
from tests.integration.banks.conftest import HOLDER, Connected
from tests.support.house import last_secret
from tests.support.http import Caller, Counter, counter
from tests.support.market import PHONE, market

CARD = "6222020000000015"


@dataclass(slots=True)
class BankScene:
    """The payer, who has 1,000 yuan and a bound card, is signed in."""

    shop: Counter
    connected: Connected
    payer: Caller
    card_id: str

    async def resolve(self, *, seconds: int = 30) -> None:
        """Let the job ask about everything that waits."""
        assert await self.connected.port.session("ICBC").wait_up(timeout_seconds=5)
        self.shop.market.clock.advance(timedelta(seconds=seconds))
        await resolve_due(self.shop.runtime)


@asynccontextmanager
async def bank_counter(
    database: Database, folder: Path, banks: BankPort, *, policy: Policy | None = None
) -> AsyncIterator[Counter]:
    """The market's API, without limits of rate, connected to these banks."""
    async with market(database, folder, policy=policy) as opened:
        opened.runtime = replace(opened.runtime, ports=replace(opened.runtime.ports, banks=banks))
        async with counter(opened, rate_per_second=0, source_rate_per_second=0) as shop:
            yield shop


async def bind_card(shop: Counter, payer: Caller, *, bank: str = "ICBC") -> str:
    """Bind the payer's card by the code that is sent; its id."""
    asked = await payer.post("/v1/account/cards", {"bank": bank, "card_number": CARD, "holder_name": HOLDER})
    assert asked.status_code == 201, asked.text
    card_id = str(asked.json()["card_id"])
    code = await last_secret(shop.runtime, PHONE, "code", "code_sealed")
    bound = await payer.post(f"/v1/account/cards/{card_id}/confirm", {"code": code})
    assert bound.json()["state"] == "bound", bound.text
    return card_id

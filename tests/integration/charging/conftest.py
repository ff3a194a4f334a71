"""An OCS with two doors, and the adapter connected to both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from mpss.accounts.password_rules import candidate_digests, fingerprint
from mpss.adapters.charging_diameter import DiameterCharging
from mpss.desk.model import Funding, Transaction
from mpss.kernel.outcome import Outcome
from mpss.ports.charging import ChargingOperation, ChargingRequest
from mpss.simulators.ocs import REALM, Ocs, OcsSettings, serve
from mpss.simulators.ocs_faults import OcsFault, OcsFaultKind
from mpss.transactions.model import Proof
from mpss.transactions.purchases.purchase import purchase
from mpss.transactions.purchases.sale import Sale
from tests.support.eventually import eventually
from tests.support.house import PASSWORD
from tests.support.market import Market

PHONE = "+8618022220001"
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
WATCHDOG_SECONDS = 0.3


def new_adapter(ocs: Ocs) -> DiameterCharging:
    """An adapter for both doors, not started."""
    peers = [("127.0.0.1", door.port) for door in ocs.doors]
    return DiameterCharging(
        peers, origin_host="test.mpss", origin_realm="mpss", realm=REALM, watchdog_seconds=WATCHDOG_SECONDS
    )


@dataclass(slots=True)
class Bill:
    """The adapter and the OCS behind it; `timeout_seconds` is how long its calls wait."""

    charging: DiameterCharging
    ocs: Ocs
    timeout_seconds: float = 2.0
    _ids: count[int] = field(default_factory=count)

    def new_session(self) -> str:
        return f"test.mpss;1;{next(self._ids)}"

    def request(
        self,
        operation: ChargingOperation,
        session_id: str,
        fen: int = 2500,
        *,
        original: str | None = None,
        again: bool = False,
    ) -> ChargingRequest:
        ending = operation in (ChargingOperation.COMMIT, ChargingOperation.RELEASE)
        return ChargingRequest(operation, session_id, int(ending), PHONE, fen, AT, original, again)

    async def ask(
        self,
        operation: ChargingOperation,
        session_id: str,
        fen: int = 2500,
        *,
        original: str | None = None,
        again: bool = False,
    ) -> Outcome:
        request = self.request(operation, session_id, fen, original=original, again=again)
        return await self.charging.charge(request, timeout_seconds=self.timeout_seconds)

    def fault(self, kind: OcsFaultKind, *, times: int | None = 1, seconds: float = 0.0) -> None:
        self.ocs.faults.add(OcsFault(kind, times, seconds))

    @property
    def balance(self) -> int:
        return self.ocs.store.subscriber(PHONE).balance_fen

    @property
    def available(self) -> int:
        return self.ocs.store.subscriber(PHONE).available_fen

    def lines(self) -> list[tuple[str, str, int]]:
        """The OCS's ledger: session, kind, fen."""
        return [(line["session_id"], line["kind"], line["amount_fen"]) for line in self.ocs.store.ledger()]

    async def connected(self, doors: int = 2) -> None:
        async def ready() -> bool:
            return len(self.charging.ready_peers) == doors

        await eventually(ready)


@pytest.fixture
async def ocs(tmp_path: Path) -> AsyncIterator[Ocs]:
    async with serve(OcsSettings(tmp_path)) as running:
        running.store.set_subscriber(PHONE, kind="prepaid", balance_fen=10_000, credit_limit_fen=0, barred=False)
        yield running


@pytest.fixture
async def bill(ocs: Ocs) -> AsyncIterator[Bill]:
    bill = Bill(new_adapter(ocs), ocs)
    await bill.charging.start()
    try:
        await bill.connected()
        yield bill
    finally:
        await bill.charging.stop()


@asynccontextmanager
async def charging(ocs: Ocs, *, reservation_seconds: int = 0) -> AsyncIterator[Bill]:
    """Our side of the OCS, connected for a block."""
    peers = [("127.0.0.1", door.port) for door in ocs.doors]
    port = DiameterCharging(
        peers, origin_host="test.mpss", origin_realm="mpss", realm=REALM, reservation_seconds=reservation_seconds
    )
    bill = Bill(port, ocs)
    await port.start()
    try:
        await bill.connected()
        yield bill
    finally:
        await port.stop()


def connected(shop: Market, bill: Bill) -> Market:
    """The market with its charging system."""
    ports = replace(shop.runtime.ports, charging=bill.charging)
    shop.runtime = replace(shop.runtime, ports=ports)
    return shop


async def buy(shop: Market, *, amount_fen: int | None = None) -> Transaction:
    """One of the product from the phone bill, or a free amount."""
    account_id, keys = shop.payer.account_id, shop.runtime.ports.key_store
    proof = Proof(candidate_digests(keys, account_id, PASSWORD), False, fingerprint(keys, PASSWORD), "test")
    product, quantity = (shop.product.id, 1) if amount_fen is None else (None, 0)
    sale = Sale(account_id, shop.merchant.id, product, quantity, amount_fen, None)
    answer = await purchase(
        shop.runtime,
        caller=f"account:{account_id}",
        key="k",
        channel="http",
        sale=sale,
        proof=proof,
        funding=Funding.PHONE_BILL,
    )
    return answer.transaction

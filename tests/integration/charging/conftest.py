"""An OCS with two doors, and the adapter connected to both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from mpss.adapters.charging_diameter import DiameterCharging
from mpss.kernel.outcome import Outcome
from mpss.ports.charging import ChargingOperation, ChargingRequest
from mpss.simulators.ocs import REALM, Ocs, OcsSettings, serve
from mpss.simulators.ocs_faults import OcsFault, OcsFaultKind
from tests.support.eventually import eventually

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

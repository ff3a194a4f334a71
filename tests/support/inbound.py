"""A bank whose customers bind cards and send money to wallets, a market, and two processes of ours on its line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import LiteralString

from mpss.adapters.bank_iso8583 import BankLine, Iso8583Banks
from mpss.adapters.iso8583_session import Line, Session
from mpss.channels.bank.listener import listen
from mpss.config import Policy
from mpss.db.database import Database
from mpss.ports.bank import BankProfile
from mpss.runtime import Runtime
from mpss.simulators.bank import Bank, BankSettings
from mpss.simulators.bank_faults import Fault, FaultKind
from mpss.simulators.bank_orders import BACK, SENT
from mpss.transactions.verify import verify
from mpss.wire.iso8583.fields import PROFILES, ProfileName
from mpss.wire.iso8583.messages import BankMessage, Service
from tests.support.eventually import eventually
from tests.support.market import PHONE, Market, market

CARD, OTHER_CARD, HOLDER = "6222020000000015", "6222020000000023", "李小明"
KEY = bytes(range(16))
RICH = 10_000_000
_OURS: LiteralString = """
    SELECT idempotency_key AS reference, amount_fen FROM transaction
     WHERE kind = 'bank_topup' AND state = 'SUCCEEDED' AND caller = 'bank:ICBC'
"""


@dataclass(slots=True)
class Inbound:
    """`bank` changes with its restarts; its card of the market's payer begins with `RICH` fen."""

    market: Market
    bank: Bank
    ports: list[Iso8583Banks]

    @property
    def runtime(self) -> Runtime:
        return self.market.runtime

    @property
    def session(self) -> Session:
        return self.ports[0].session("ICBC")

    def fault(self, kind: FaultKind, service: Service | None = Service.TOP_UP, count: int = 1, **more: float) -> None:
        self.bank.faults.add(Fault(kind, count, service=service, outgoing=True, **more))  # type: ignore[arg-type]

    async def ask(self, message: BankMessage) -> str | None:
        """The response to one message of the bank, None where none came."""
        reply = await self.bank.counter.ask(message)
        return None if reply is None else reply.response

    async def restart_bank(self) -> None:
        """The bank dies and lives again on its books and its port."""
        port, settings = self.bank.port, self.bank.settings
        await self.bank.stop()
        self.bank = Bank(replace(settings, port=port))
        await self.bank.start()
        await self.signed_on()

    async def signed_on(self) -> None:
        async def everyone() -> bool:
            return self.bank.signed_on == len(self.ports)

        await eventually(everyone)

    async def settled(self) -> None:
        """The bank has no answer to wait for any more."""

        async def nothing_open() -> bool:
            return self.bank.counter.settled

        await eventually(nothing_open)

    async def agrees(self) -> int:
        """Both books have the same top-ups, line by line, and every invariant holds; what stands in all."""
        async with self.runtime.database.read() as uow:
            broken = [check for check in await verify(uow) if not check.holds]
            ours = {row["reference"]: row["amount_fen"] for row in await uow.dicts(_OURS, {})}
        assert broken == []
        lines = self.bank.store.lines()
        back = {line["original"] for line in lines if line["service"] == BACK}
        sent = [line for line in lines if line["service"] == SENT]
        theirs = {line["reference"]: -line["amount_fen"] for line in sent if line["reference"] not in back}
        assert theirs == ours
        card = self.bank.store.card(CARD)
        assert card is not None
        assert card.balance_fen == RICH - sum(ours.values())
        return sum(ours.values())


@asynccontextmanager
async def inbound(
    database: Database, folder: Path, profile: ProfileName, *, policy: Policy | None = None, processes: int = 1
) -> AsyncIterator[Inbound]:
    settings = BankSettings("ICBC", folder / "bank.sqlite", profile, KEY, answer_seconds=2)
    async with market(database, folder, policy=policy) as opened:
        bank = Bank(settings)
        await bank.start()
        bank.store.open_card(CARD, holder_name=HOLDER, phone=PHONE, balance_fen=RICH)
        line = Line("ICBC", "127.0.0.1", bank.port, PROFILES[profile], KEY, quiet_seconds=5, answer_seconds=2)
        ports = [Iso8583Banks([BankLine(BankProfile("ICBC", "工商银行", True), line)]) for _ in range(processes)]
        for port in ports:
            await listen(replace(opened.runtime, ports=replace(opened.runtime.ports, banks=port)))
        opened.runtime = replace(opened.runtime, ports=replace(opened.runtime.ports, banks=ports[0]))
        made = Inbound(opened, bank, ports)
        try:
            await made.signed_on()
            yield made
        finally:
            for port in ports:
                await port.stop()
            await made.bank.stop()

"""A market whose SMS go over a real SMSC, and the phones of its people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mpss.accounts.queries import AccountOverview, overview_by_phone
from mpss.adapters.sms_smpp import SmppSms
from mpss.channels.sms.listener import listen
from mpss.db.database import Database
from mpss.runtime import Runtime
from mpss.simulators.handset import Handset, Message
from mpss.simulators.smsc import Smsc, SmscSettings, serve
from tests.support.eventually import eventually
from tests.support.house import notices
from tests.support.market import PHONE, Market, market

NEWCOMER = "+8618912340009"


@dataclass(slots=True)
class Phones:
    """A market whose SMS go over a real SMSC, with the payer's phone and a newcomer's."""

    market: Market
    smsc: Smsc
    sms: SmppSms
    li: Handset
    newcomer: Handset

    @property
    def runtime(self) -> Runtime:
        return self.market.runtime

    async def ask(self, phone: Handset, text: str) -> Message:
        """Send a command; the message that comes next."""
        before = await phone.last_id()
        await phone.send(text)
        return await phone.wait_for("", after=before)

    async def account(self, phone: str = PHONE) -> AccountOverview:
        return await overview_by_phone(self.runtime, phone=phone)

    async def count(self, table: str) -> int:
        queries = {
            "transaction": "SELECT count(*) FROM transaction",
            "confirmation": "SELECT count(*) FROM confirmation",
        }
        async with self.runtime.database.read() as uow:
            found: int = await uow.value(queries[table])
        return found


@asynccontextmanager
async def phones_of(database: Database, tmp_path: Path) -> AsyncIterator[Phones]:
    """The market is working, and everything that was told before is sent."""
    async with market(database, tmp_path) as made, serve(SmscSettings(tmp_path / "smsc")) as smsc:
        sms = SmppSms(host="127.0.0.1", port=smsc.port, system_id="mpss", password="town", number="10001888")
        made.runtime = replace(made.runtime, ports=replace(made.runtime.ports, sms=sms))
        await listen(made.runtime)
        assert await sms.wait_bound(timeout_seconds=5)
        async with made.working(), Handset(smsc.control_url, PHONE) as li, Handset(smsc.control_url, NEWCOMER) as other:
            built = Phones(made, smsc, sms, li, other)
            await eventually(lambda: _all_sent(built))
            yield built
        await sms.stop()


def confirm_code(message: Message) -> str:
    return message.text.split("Y ")[1][:4]


async def _all_sent(phones: Phones) -> bool:
    async with phones.runtime.database.read() as uow:
        waiting = await uow.value("SELECT count(*) FROM outbox WHERE kind = 'notice' AND state = 'pending'")
    return bool(waiting == 0 and await notices(phones.runtime, PHONE))

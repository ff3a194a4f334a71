"""A runtime on a real database with a real desk and key file, for flows that call no other system."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from mpss.accounts.codes import Purpose, request_code
from mpss.accounts.open import OpenedAccount, open_wallet
from mpss.adapters.key_store_file import FileKeyStore
from mpss.config import Policy, Settings
from mpss.db.database import Database
from mpss.desk.desk import Desk
from mpss.kernel.clock import Clock
from mpss.kernel.outcome import Outcome
from mpss.kernel.phone import parse_phone
from mpss.ledger.verify import verify_ledger
from mpss.ports.bundle import Ports
from mpss.ports.merchant import DeliveryOrder, MerchantEndpoint
from mpss.ports.sms import InboundHandler, OutboundSms
from mpss.runtime import Runtime
from mpss.staff.members import create_member
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

PASSWORD = "470983"
LOOPBACK = "127.0.0.0/8"
"""Where the shops of a test are."""


class NoSms:
    """No SMSC: a flow that called it inside its unit of work would be wrong."""

    async def submit(self, message: OutboundSms, *, timeout_seconds: float) -> Outcome:
        raise AssertionError("nothing is sent here")

    async def start(self, on_message: InboundHandler) -> None:
        raise AssertionError("nothing is received here")

    async def stop(self) -> None:
        """There is nothing to stop."""


class NoMerchants:
    """No CP/SP."""

    async def deliver(self, endpoint: MerchantEndpoint, order: DeliveryOrder, *, timeout_seconds: float) -> Outcome:
        raise AssertionError("nothing is delivered here")

    async def webhook(
        self, endpoint: MerchantEndpoint, *, event_id: str, body: bytes, timeout_seconds: float
    ) -> Outcome:
        raise AssertionError("nothing is told here")


@asynccontextmanager
async def house(
    database: Database, folder: Path, clock: Clock, *, policy: Policy | None = None
) -> AsyncIterator[Runtime]:
    """A runtime with one desk, and its key file in `folder`."""
    desk = Desk(database)
    await desk.start()
    settings = Settings(data_dir=folder, merchant_networks=LOOPBACK, policy=policy or Policy())
    ports = Ports(FileKeyStore.open_or_make(folder / "keys.json"), NoSms(), NoMerchants())
    try:
        yield Runtime(database, desk, clock, ports, settings)
    finally:
        await desk.stop()


async def notices(runtime: Runtime, phone: str) -> list[tuple[str, dict[str, Any]]]:
    """Every notice for the number, in the order they were written: event and parameters."""
    async with runtime.database.read() as uow:
        rows = await uow.dicts(
            "SELECT payload FROM outbox WHERE kind = 'notice' AND recipient = %(phone)s ORDER BY serial",
            {"phone": parse_phone(phone)},
        )
    payloads = [json.loads(row["payload"]) for row in rows]
    return [(payload["event"], payload["params"]) for payload in payloads]


async def events(runtime: Runtime, phone: str) -> list[str]:
    """The events the number was told of, in order."""
    return [event for event, _ in await notices(runtime, phone)]


async def last_secret(runtime: Runtime, phone: str, event: str, param: str) -> str:
    """What the newest notice of this event carries sealed: a code, a link."""
    sealed = [params[param] for name, params in await notices(runtime, phone) if name == event][-1]
    return runtime.ports.key_store.unseal(base64.b64decode(sealed)).decode()


async def sms_code(runtime: Runtime, phone: str, purpose: Purpose, *, source: str = "192.0.2.1") -> str:
    """Ask for a code and read it as the phone would."""
    await request_code(runtime, phone=phone, purpose=purpose, source=source)
    return await last_secret(runtime, phone, "code", "code_sealed")


async def subscriber(runtime: Runtime, phone: str, *, password: str = PASSWORD) -> OpenedAccount:
    """A subscriber with an active wallet."""
    return await open_wallet(
        runtime,
        phone=phone,
        code=await sms_code(runtime, phone, Purpose.OPEN),
        terms_version=runtime.policy.terms_version,
        password=password,
        language="zh-CN",
        channel="http",
    )


async def employee(
    runtime: Runtime, name: str, *permissions: Permission, hall: str | None = None, clerk: str | None = None
) -> StaffMember:
    """A member of staff."""
    made = await create_member(runtime, name=name, permissions=permissions, hall=hall, clerk=clerk)
    return made.member


async def one(runtime: Runtime, table: str, key: UUID | bytes) -> dict[str, Any]:
    """A row of account, account_usage, approval or voucher_batch by its key."""
    queries = {
        "account": "SELECT * FROM account WHERE id = %(key)s",
        "account_usage": "SELECT * FROM account_usage WHERE account_id = %(key)s",
        "approval": "SELECT * FROM approval WHERE id = %(key)s",
        "voucher_batch": "SELECT * FROM voucher_batch WHERE id = %(key)s",
    }
    async with runtime.database.read() as uow:
        rows = await uow.dicts(queries[table], {"key": key})
    return rows[0]


async def assert_books_balance(runtime: Runtime) -> None:
    """Every invariant of the ledger holds."""
    async with runtime.database.read() as uow:
        checks = await verify_ledger(uow)
    assert [check for check in checks if not check.holds] == []

"""The HTTP API as it is served: granian in a process of its own, over a database with a payer, a merchant and staff."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpss.catalog.model import Scope
from mpss.catalog.upload import ProductFields
from mpss.cli.center import environment_of
from mpss.cli.processes import Child, free_port, wait_ready
from mpss.config import Settings
from mpss.db.database import Database
from mpss.kernel.clock import SandboxClock
from mpss.kernel.ids import MerchantId, ProductId
from mpss.merchants.register import register_merchant
from mpss.staff.members import create_member
from mpss.staff.permissions import Permission
from mpss.transactions.topups.cash import top_up_cash
from tests.support.house import house, subscriber
from tests.support.instants import NOON
from tests.support.market import put_on_sale
from tests.support.postgres import DatabaseUrls

PAYER = "18912340001"


@dataclass(frozen=True, slots=True)
class People:
    """What the callers know: a payer with 5,000 yuan, a member of staff with every permission, a merchant."""

    token: str
    staff_key: str
    merchant_id: str
    api_key: str
    private_key: Ed25519PrivateKey
    product_id: str


@dataclass(frozen=True, slots=True)
class Served:
    """`url` is where the API listens."""

    url: str
    urls: DatabaseUrls
    clock: SandboxClock
    people: People


@contextmanager
def serving(urls: DatabaseUrls, folder: Path, people: People, **settings: Any) -> Iterator[Served]:
    """A running API. Its keys are those of `folder`, and its clock the one in the file "clock" there."""
    served = Settings(
        database_url=urls.run_url,
        data_dir=folder,
        sandbox_clock=folder / "clock",
        port=free_port(),
        log_level="WARNING",
        **{"rate_per_second": 0, "source_rate_per_second": 0, **settings},
    )
    command = ["-m", "mpss", "serve", "--role", "http"]
    with Child("http", command, environment=environment_of(served), log=folder / "http.log") as child:
        url = f"http://127.0.0.1:{served.port}"
        wait_ready(f"{url}/readyz", children=[child])
        yield Served(url, urls, SandboxClock(folder / "clock"), people)


async def populate(urls: DatabaseUrls, folder: Path) -> People:
    """People at noon, on the clock in the file "clock"."""
    clock = SandboxClock(folder / "clock")
    clock.set(NOON)
    database = Database(urls.run_url, pool_size=2)
    await database.open()
    key = Ed25519PrivateKey.generate()
    try:
        async with house(database, folder, clock) as runtime:
            staff = await create_member(
                runtime, name="everything", permissions=list(Permission), hall="H01", clerk="C01"
            )
            payer = await subscriber(runtime, PAYER)
            await top_up_cash(runtime, staff=staff.member, key="first", phone=PAYER, amount_fen=500_000)
            registered = await register_merchant(
                runtime,
                name="Kiosk",
                province="GD",
                public_key=key.public_key().public_bytes_raw(),
                notify_url="https://kiosk.example/mpss",
            )
            fields = ProductFields("上网卡", "Ten hours", "cards", 2500, Scope.NATIONAL, 1000)
            product = await put_on_sale(runtime, registered.merchant, fields)
    finally:
        await database.close()
    assert payer.signed_in is not None
    return People(
        payer.signed_in.token,
        staff.api_key,
        str(MerchantId.from_uuid(registered.merchant.id)),
        registered.api_key,
        key,
        str(ProductId.from_uuid(product.id)),
    )

"""The world of a storm: the simulators' processes, shops, goods, and subscribers with phone bills and bound cards."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from mpss.accounts.cards import confirm_binding, request_binding
from mpss.accounts.password_rules import new_digest
from mpss.adapters.key_store_file import FileKeyStore
from mpss.bootstrap import make_runtime, running, transport_key_of
from mpss.catalog.model import Scope
from mpss.catalog.upload import ProductFields
from mpss.config import Policy, Settings
from mpss.fees.model import Schedule
from mpss.fees.store import add_schedule
from mpss.kernel.clock import SandboxClock
from mpss.runtime import Runtime
from mpss.simulators.merchant_shop import MerchantShop
from mpss.simulators.ocs import REALM
from mpss.simulators.town import TOWN_BANKS
from tests.simulation.doubt.model import Payer, Shelf, World
from tests.simulation.doubt.outside import Simulator, bank, ocs
from tests.simulation.doubt.storm import Storm
from tests.simulation.processes import Cluster
from tests.support.house import LOOPBACK, PASSWORD, last_secret
from tests.support.instants import NOON
from tests.support.market import put_on_sale, start_shop
from tests.support.world import Person, open_wallets

PAYERS = 6
PLENTY = 10**10
OPENING_FEN = 10**9
POOR_FEN = 30_000
"""What the last of the payers has, on phone bill and card: not enough for a storm."""
STOCK = (60, 10_000, None)
HOLDER = "李小明"
POLICY = Policy(
    single_limit_fen=PLENTY,
    phone_bill_single_limit_fen=PLENTY,
    phone_bill_monthly_limit_fen=PLENTY,
    balance_limit_fen=PLENTY,
    withdrawal_single_limit_fen=PLENTY,
    withdrawal_daily_limit_fen=PLENTY,
    charging_timeout_seconds=1,
    bank_timeout_seconds=1,
    merchant_timeout_seconds=1,
    funding_give_up_seconds=100,
    delivery_deadline_seconds=60,
)


@asynccontextmanager
async def setting(seed: int, cluster: Cluster, url: str, folder: Path) -> AsyncIterator[tuple[Storm, Settings]]:
    """Everything there is before the first operation; nothing of the platform runs yet."""
    chance = random.Random(seed)
    clock = SandboxClock(folder / "clock")
    clock.set(NOON)
    key_store = FileKeyStore.open_or_make(folder / "keys.json")
    simulators = {"ocs": ocs(folder)}
    for code, entry in TOWN_BANKS.items():
        simulators[code] = bank(folder, code, entry.profile.value, transport_key_of(key_store, code))
    async with AsyncExitStack() as stack:
        for simulator in simulators.values():
            stack.push_async_callback(simulator.stop)
        await asyncio.gather(*(simulator.start() for simulator in simulators.values()))
        settings = Settings(
            database_url=url, data_dir=folder, sandbox_clock=folder / "clock", merchant_networks=LOOPBACK,
            charging_peers=simulators["ocs"].addresses["peers"], charging_realm=REALM, charging_watchdog_seconds=1,
            banks=",".join(
                str(replace(entry, port=simulators[code].addresses["port"])) for code, entry in TOWN_BANKS.items()
            ),
            pool_size=6, desk_batch=chance.choice((4, 32, 256)), log_level="CRITICAL", policy=POLICY,
        )  # fmt: skip
        runtime = make_runtime(settings)
        async with running(runtime):
            shops, world = await _populate(runtime, simulators, folder)
            # What a bank asks is for the processes that are killed.
            assert runtime.ports.banks is not None
            await runtime.ports.banks.stop()
            for shop in shops:
                stack.callback(shop.close)
                stack.push_async_callback(shop.stop)
            yield Storm(chance, clock, runtime.database, cluster, world, simulators, shops), settings


async def _populate(
    runtime: Runtime, simulators: dict[str, Simulator], folder: Path
) -> tuple[list[MerchantShop], World]:
    shops, merchants, goods = [], [], []
    for number, stocks in enumerate((STOCK[:2], STOCK[2:])):
        shop, merchant = await start_shop(runtime, f"Shop {number}", path=folder / f"shop{number}.sqlite")
        shops.append(shop)
        merchants.append(str(merchant.id))
        for stock in stocks:
            fields = ProductFields(f"上网卡 {stock}", "Ten hours", "cards", 300 + number, Scope.NATIONAL, stock)
            product = await put_on_sale(runtime, merchant, fields)
            goods.append(Shelf(str(product.id), str(merchant.id), stock))
    async with runtime.database.transaction() as uow:
        for kind in ("purchase", "withdrawal"):
            await add_schedule(uow, kind, Schedule(0, 60, 1, 100), valid_from=NOON - timedelta(days=1))
    key_store = runtime.ports.key_store
    people = await open_wallets(
        runtime.database, PAYERS, digest=lambda identity: new_digest(key_store, identity, PASSWORD)
    )
    numbers = itertools.count(1)
    payers = []
    for person in people:
        fen = POOR_FEN if person is people[-1] else OPENING_FEN
        await simulators["ocs"].control("PUT", f"/subscribers/{person.phone}", {"kind": "prepaid", "balance_fen": fen})
        cards = {
            code: await _bind(runtime, person, simulators[code], card_number(next(numbers)), fen) for code in TOWN_BANKS
        }
        payers.append(Payer(str(person.id), person.phone, person.ledger_account_id, cards))
    return shops, World(payers, goods, merchants)


async def _bind(runtime: Runtime, person: Person, simulator: Simulator, number: str, fen: int) -> str:
    """The id of a card of this bank, bound."""
    account = {"number": number, "holder_name": HOLDER, "phone": person.phone, "balance_fen": fen}
    await simulator.control("POST", "/cards", account)
    asked = await request_binding(
        runtime, account_id=person.id, bank=simulator.name, card_number=number, holder_name=HOLDER, source=person.phone
    )
    code = await last_secret(runtime, person.phone, "code", "code_sealed")
    bound = await confirm_binding(runtime, account_id=person.id, card_id=asked.id, code=code)
    return str(UUID(int=bound.id.int))


def card_number(number: int) -> str:
    """Sixteen digits with their check digit (ISO/IEC 7812)."""
    digits = f"622202{number:09d}"
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    return f"{digits}{-sum(value // 10 + value % 10 for value in doubled) % 10}"

"""One seed: people buy, ask, reply, reverse, top up and repeat themselves, while processes and PostgreSQL are killed at
random moments and at chosen steps, and days are closed. Then the books are asked, and everybody again.

What must hold: each acknowledged answer is found again under its key and says the same; nothing happened twice; every
invariant that `verify` recomputes; and the balances, parts, stock, payables and fees are those which the answers alone
add up to.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from mpss.accounts.password_rules import new_digest
from mpss.db.database import Database
from mpss.fees.model import Schedule
from mpss.fees.store import add_schedule
from mpss.kernel.clock import SandboxClock
from mpss.kernel.errors import ErrorCode
from mpss.runtime import Runtime
from mpss.staff.permissions import Permission
from mpss.transactions.topups.voucher_activation import activate_batch
from mpss.vouchers.issue import generate_batch
from tests.simulation.audit import compare, settle
from tests.simulation.processes import Cluster, Lost, Platform
from tests.simulation.steps import KEYED, Step
from tests.simulation.town import STOCK, Town
from tests.support.house import PASSWORD, employee, house
from tests.support.instants import NOON
from tests.support.world import Goods, open_wallets, put_on_sale

PEOPLE, CLIENTS, CARDS, CARD_FEN = 6, 10, 40, 3_000
DESK_STEPS = ("loaded", "decided", "written", "committed")


async def run(seed: int, cluster: Cluster, url: str, folder: Path) -> Counter[str]:
    """Play one seed on a fresh database at `url`; how often each kind of step had which answer.

    Raises:
        AssertionError: something does not hold.
    """
    chance = random.Random(seed)
    clock = SandboxClock(folder / "clock")
    clock.set(NOON)
    database = Database(url, pool_size=4)
    await database.open()
    try:
        async with house(database, folder, clock) as runtime:
            town, world = await _make(runtime, chance, clock)
        await _play(town, cluster, seed, url, folder, world)
        await settle(town)
        await compare(town, database)
        await asyncio.gather(*(platform.stop() for platform in town.platforms))
    finally:
        for platform in town.platforms:
            platform.end()
        await database.close()
    complaints = [text for platform in town.platforms for text in platform.complaints]
    assert not complaints, "\n".join(complaints)
    town.counts["processes killed"] = sum(platform.deaths - 1 for platform in town.platforms)
    town.counts["databases killed"] = cluster.kills
    return town.counts


async def _make(runtime: Runtime, chance: random.Random, clock: SandboxClock) -> tuple[Town, dict[str, Any]]:
    """People, merchants, goods, cards and a fee."""
    database, key_store = runtime.database, runtime.ports.key_store
    people = await open_wallets(database, PEOPLE, digest=lambda identity: new_digest(key_store, identity, PASSWORD))
    first = await put_on_sale(database, price_fen=700, stock=STOCK[0])
    second = await put_on_sale(database, price_fen=1_300, stock=STOCK[1])
    goods = [first, second, await put_on_sale(database, price_fen=250, stock=STOCK[2], merchant_id=second.merchant_id)]
    async with database.transaction() as uow:
        await add_schedule(uow, "purchase", Schedule(0, 60, 1, 100), valid_from=NOON - timedelta(days=1))
    maker = await employee(runtime, "maker", Permission.VOUCHER_GENERATE)
    seller = await employee(runtime, "seller", Permission.VOUCHER_ACTIVATE)
    batch = await generate_batch(runtime, face_fen=CARD_FEN, quantity=CARDS, valid_until=date(2030, 1, 1), staff=maker)
    await activate_batch(runtime, staff=seller, key="activate", batch_id=batch.id)
    merchants = [first.merchant_id, second.merchant_id]
    world = {
        "people": [[str(UUID(int=person.id.int)), *person[1:]] for person in people],
        "goods": [[str(one.id), str(one.merchant_id), one.price_fen, one.payable] for one in _plain(goods)],
        "merchants": [str(UUID(int=merchant.int)) for merchant in merchants],
        "cards": [card.password for card in batch.cards],
    }
    return Town(chance, clock, people, goods, merchants), world


def _plain(goods: list[Goods]) -> list[Goods]:
    return [one._replace(id=UUID(int=one.id.int), merchant_id=UUID(int=one.merchant_id.int)) for one in goods]


async def _play(town: Town, cluster: Cluster, seed: int, url: str, folder: Path, world: dict[str, Any]) -> None:
    repairs: set[asyncio.Task[None]] = set()

    async def repair(platform: Platform) -> None:
        await cluster.kill_and_restart()
        platform.go()

    def paused(platform: Platform) -> None:
        repairs.add(asyncio.create_task(repair(platform)))

    for _ in range(1 + seed % 3):
        config = {"folder": str(folder), "url": url, "batch_size": town.random.choice((4, 32, 256)), "world": world}
        town.platforms.append(Platform(config, paused))
    await asyncio.gather(*(platform.start() for platform in town.platforms))
    numbers = iter(range(1, 10**6))
    for person in range(PEOPLE):
        number = next(numbers)
        await town.ask(Step(number, "cash", f"s{number}", person=person, amount_fen=60_000))
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(_client(town, numbers.__next__, over))
        await _trouble(town, cluster, repairs)
        over.set()
    await asyncio.gather(*repairs)


async def _trouble(town: Town, cluster: Cluster, repairs: set[asyncio.Task[None]]) -> None:
    """Every kind of fault once or more, in an order of the seed's own."""
    faults = ["kill", "kill", "die", "die", "database", "pause", "day", "day"]
    town.random.shuffle(faults)
    for fault in faults:
        await asyncio.sleep(town.random.uniform(0.2, 0.9))
        platform = town.random.choice(town.platforms)
        match fault:
            case "kill":
                platform.kill()
            case "die":
                platform.arm(town.random.choice(DESK_STEPS), "die", town.random.randint(1, 6))
            case "pause":
                platform.arm(town.random.choice(DESK_STEPS), "pause", town.random.randint(1, 6))
            case "database":
                await asyncio.gather(*repairs)
                await cluster.kill_and_restart()
            case _:
                town.clock.set(town.clock.now() + timedelta(hours=town.random.choice((20, 26, 50))))
                await town.insist(Step(0, "close", ""))
    await asyncio.sleep(0.5)


async def _client(town: Town, next_number: Callable[[], int], over: asyncio.Event) -> None:
    """One who does one thing after the other until the trouble is over."""
    chance = random.Random(town.random.random())
    while not over.is_set():
        step = _draw(town, chance, next_number())
        try:
            if chance.random() < 0.08:  # twice at once, on two processes perhaps
                await asyncio.gather(town.ask(step), town.ask(step))
            found = await town.ask(step)
        except Lost:
            continue  # nobody knows what became of it; it is asked for again at the end
        if found is not None and step.kind in KEYED and found.recorded:
            if chance.random() < 0.1:
                await _again(town, step)
            elif chance.random() < 0.05 and step.kind in ("buy", "cash"):
                await _misuse(town, step)
        await asyncio.sleep(chance.uniform(0, 0.06))


def _draw(town: Town, chance: random.Random, number: int) -> Step:
    plain = Step(
        number, "buy", f"s{number}", person=chance.randrange(PEOPLE), merchant=chance.randrange(len(town.merchants))
    )
    drawn = chance.random()
    if drawn < 0.45:
        return _sale(town, chance, replace(plain, right=chance.random() > 0.04))
    if drawn < 0.55:
        return _sale(town, chance, replace(plain, kind="ask"))
    waiting = town.acknowledged("ask", state="CONFIRMING")
    if drawn < 0.67 and waiting:
        step, found = chance.choice(waiting[-8:])
        return replace(plain, kind="reply", original=found.id, yes=chance.random() < 0.75)
    sales = town.acknowledged("buy") + waiting
    if drawn < 0.78 and sales:
        step, found = chance.choice(sales[-20:])
        merchant = step.merchant if step.goods is None else town.merchants.index(town.goods[step.goods].merchant_id)
        if step.order_no is not None and chance.random() < 0.5:
            return replace(plain, kind="reverse", merchant=merchant, order_no=step.order_no)
        return replace(plain, kind="reverse", merchant=merchant, original=found.id)
    if drawn < 0.81:  # a reversal of a sale that has not come, or not come through
        return replace(plain, kind="reverse", order_no=f"order {chance.randint(number, number + 30)}")
    if drawn < 0.88:
        return replace(plain, kind="cash", amount_fen=chance.randint(1, 9_000))
    topups = town.acknowledged("cash")
    if drawn < 0.91 and topups:
        return replace(plain, kind="undo", original=chance.choice(topups[-10:])[1].id)
    if drawn < 0.98:
        return replace(plain, kind="redeem", card=chance.randrange(CARDS))
    return replace(plain, kind="lapse")


def _sale(town: Town, chance: random.Random, step: Step) -> Step:
    """Goods or a free amount; some carry the merchant's own number."""
    if chance.random() < 0.35:
        step = replace(step, amount_fen=chance.randint(1, 4_000))
    else:
        step = replace(step, goods=chance.randrange(len(town.goods)), quantity=chance.randint(1, 3))
    return replace(step, order_no=f"order {step.number}") if chance.random() < 0.4 else step


async def _again(town: Town, step: Step) -> None:
    """The same key and body: `remember` compares what it says."""
    try:
        await town.ask(step)
    except Lost:
        return


async def _misuse(town: Town, step: Step) -> None:
    """The same key with another body is refused."""
    other = replace(step, amount_fen=step.amount_fen + 1, goods=None, quantity=0, right=True)
    try:
        found = await town.random.choice(town.platforms).carry_out(other)
    except Lost:
        return
    assert found is not None
    assert (found.refusal, found.recorded) == (ErrorCode.KEY_REUSED, False), f"{other}: {found}"

"""One storm: people pay, reverse and top up while both sides are killed, frozen and made to lie; then the sky clears.

What must hold then: nothing is pending; every key asked again gives the answer it gave; every invariant of `verify`;
wallets, payables, fees and stock are what the answers add up to; and the charging system's ledger and each bank's lines
are ours, one by one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from mpss.cli.center import environment_of
from mpss.config import Settings
from mpss.simulators.merchant_shop import Fault
from mpss.transactions.verify import verify
from tests.simulation.doubt.audit import compare
from tests.simulation.doubt.counter import CUSTOMERS, send_topups, unsettled
from tests.simulation.doubt.operations import draw
from tests.simulation.doubt.outside import DELIVERY_FAULTS, LONGEST_SECONDS, bank_fault, ocs_fault
from tests.simulation.doubt.setting import setting
from tests.simulation.doubt.storm import Storm
from tests.simulation.processes import Cluster, Lost, Platform
from tests.simulation.run import DESK_STEPS

CLIENTS = 24
ANSWERS_BETWEEN = 25
"""At most, between one trouble and the next."""
FAULTS_FOR_EACH = 0.25
"""Faults that are set for each operation begun; each fault meets some requests, where they come."""
_CALM_SECONDS = 90
"""How long the sky may be clear, beside a tenth of a second an operation, until nothing is open."""


async def play(seed: int, operations: int, cluster: Cluster, url: str, folder: Path) -> Counter[str]:
    """Play one storm of at least so many operations on a fresh database; what was counted.

    Raises:
        AssertionError: something does not hold.
    """
    async with setting(seed, cluster, url, folder) as (storm, settings):
        try:
            began = time.monotonic()
            await _start(storm, settings)
            storm.counts["seconds to start"] = round(time.monotonic() - began)
            began = time.monotonic()
            await _blow(storm, operations)
            storm.counts["seconds of storm"] = round(time.monotonic() - began)
            began = time.monotonic()
            await _clear(storm, operations)
            storm.counts["seconds of calm"] = round(time.monotonic() - began)
            await compare(storm)
            await asyncio.gather(*(platform.stop() for platform in storm.platforms))
        finally:
            for platform in storm.platforms:
                platform.end()
        complaints = [text for platform in storm.platforms for text in platform.complaints]
        assert not complaints, "\n".join(complaints)
        return _figures(storm)


async def _start(storm: Storm, settings: Settings) -> None:
    """One process of the platform or two."""
    environment = {name: value for name, value in environment_of(settings).items() if name.startswith("MPSS_")}
    config = {"environment": environment, "world": storm.world.to_json()}

    def paused(platform: Platform) -> None:
        raise AssertionError("nobody asked for a pause")

    for _ in range(storm.random.choice((1, 2, 2))):
        storm.platforms.append(Platform(config, paused, module="tests.simulation.doubt.worker"))
    await asyncio.gather(*(platform.start() for platform in storm.platforms))


async def _blow(storm: Storm, operations: int) -> None:
    numbers = iter(range(1, 10**6))
    over = asyncio.Event()
    whole = asyncio.Event()  # every kind of trouble has been
    async with asyncio.TaskGroup() as group:
        around = [group.create_task(_weather(storm)), group.create_task(_time(storm))]
        around += [group.create_task(send_topups(storm, bank)) for bank in storm.banks for _ in range(CUSTOMERS)]
        troubles = group.create_task(_trouble(storm, operations, whole, over))
        clients = [
            group.create_task(_client(storm, numbers.__next__, lambda number: number > operations and whole.is_set()))
            for _ in range(CLIENTS)
        ]
        await asyncio.gather(*clients)
        over.set()
        await troubles
        for task in around:
            task.cancel()
    storm.counts["operations"] = len(storm.deeds)


async def _client(storm: Storm, next_number: Callable[[], int], enough: Callable[[int], bool]) -> None:
    """One who does one thing after the other."""
    chance = random.Random(storm.random.random())
    while not enough(number := next_number()):
        deed = draw(chance, storm.world, number, storm.known())
        try:
            if chance.random() < 0.05:  # twice at once, on two processes perhaps
                await asyncio.gather(storm.ask(deed), storm.ask(deed))
            await storm.ask(deed)
            if chance.random() < 0.1:
                await storm.ask(deed)
        except Lost:
            continue  # nobody knows what became of it; it is asked for again at the end
        await asyncio.sleep(chance.uniform(0, 0.15))


async def _time(storm: Storm) -> None:
    """The clock runs five times as fast, and now and then jumps: mostly short of the give-up time, or past it."""
    while True:
        await asyncio.sleep(0.1)
        storm.advance(0.5)
        if storm.random.random() < 0.03:
            storm.advance(storm.random.choice((5, 20, 130)))


async def _weather(storm: Storm) -> None:
    """Faults of every kind, everywhere, as many as there is traffic to meet them."""
    chance = storm.random
    while True:
        await asyncio.sleep(chance.uniform(0.01, 0.05))
        if storm.faults_set > FAULTS_FOR_EACH * len(storm.deeds):
            continue
        storm.faults_set += 1
        name = chance.choice(list(storm.simulators))
        await storm.simulators[name].fault(ocs_fault(chance) if name == "ocs" else bank_fault(chance))
        if chance.random() < 0.2:
            fault = Fault.REFUSE if chance.random() < 0.4 else chance.choice(DELIVERY_FAULTS)
            chance.choice(storm.shops).fail(fault, count=chance.randint(1, 3), seconds=chance.uniform(0.1, 1.5))
            storm.counts[f"shop: {fault}"] += 1


async def _trouble(storm: Storm, operations: int, whole: asyncio.Event, over: asyncio.Event) -> None:
    """Each trouble once in an order of the seed's own, then any of them until it is over; so many answers between."""
    chance = storm.random
    kinds = ["worker", "die", "database", "night", "freeze", "look", *storm.simulators]
    first = list(kinds)
    chance.shuffle(first)
    between = min(operations / len(first), ANSWERS_BETWEEN)
    when = 0.0
    while True:
        while len(storm.finals) < when and not over.is_set():  # noqa: ASYNC110 - answers come from many
            await asyncio.sleep(0.02)
        if over.is_set():
            return
        if not first:
            whole.set()
        kind = first.pop() if first else chance.choice(["worker", "die", *kinds])
        when = len(storm.finals) + chance.uniform(0.5, 1.5) * between
        storm.counts[f"trouble: {kind}"] += 1
        match kind:
            case "worker":
                (await _one_up(storm)).kill()
            case "die":
                (await _one_up(storm)).arm(chance.choice(DESK_STEPS), "die", chance.randint(1, 8))
            case "database":
                await storm.cluster.kill_and_restart()
            case "night":
                storm.clock.set(storm.clock.now() + timedelta(hours=chance.choice((13, 26))))
            case "freeze":
                await chance.choice(list(storm.simulators.values())).freeze(chance.uniform(0.3, 1.5))
            case "look":
                await _verify(storm)
            case _:
                await storm.simulators[kind].kill_and_restart(away_seconds=chance.choice((0, 0, 1)))


async def _one_up(storm: Storm) -> Platform:
    platform = storm.random.choice(storm.platforms)
    await platform.up()
    return platform


async def _verify(storm: Storm) -> None:
    """Every invariant holds in the middle of it too."""
    async with storm.database.read() as uow:
        broken = [check for check in await verify(uow) if not check.holds]
    assert not broken, broken


async def _clear(storm: Storm, operations: int) -> None:
    """No faults any more: what was lost is asked for again, and the jobs run until nothing is open."""
    for shop in storm.shops:
        shop.work()
    for simulator in storm.simulators.values():
        await simulator.clear()
    await asyncio.gather(*(platform.up() for platform in storm.platforms))
    await asyncio.sleep(LONGEST_SECONDS)
    end = time.monotonic() + _CALM_SECONDS + operations / 10
    await _settle(storm, end)
    before = await _all_again(storm)
    await _settle(storm, end)
    await _all_again(storm, expected=before)


async def _settle(storm: Storm, end: float) -> None:
    """The jobs run until nothing is open."""
    while pending := [*await storm.pending(), *await unsettled(storm)]:
        assert time.monotonic() < end, "\n".join(pending)
        storm.advance(20)
        await asyncio.sleep(0.3)


async def _all_again(storm: Storm, *, expected: int | None = None) -> int:
    """Everybody asks once more; how many keys there are. What was recorded is found, and done no second time."""
    most = asyncio.Semaphore(CLIENTS)

    async def again(number: int) -> None:
        async with most:
            recorded = number in storm.finals
            found = await storm.insist(storm.deeds[number])
            assert found.repeated or not recorded, f"{storm.deeds[number]} was done again: {found}"

    await asyncio.gather(*(again(number) for number in storm.deeds))
    assert expected in (None, len(storm.finals))
    return len(storm.finals)


def _figures(storm: Storm) -> Counter[str]:
    counts = storm.counts
    counts["our processes killed"] = sum(platform.deaths - 1 for platform in storm.platforms)
    counts["databases killed"] = storm.cluster.kills
    for name, simulator in storm.simulators.items():
        counts[f"{name} killed"] = simulator.kills
        counts["faults met"] += sum(simulator.met.values())
        counts.update({f"{name}: {kind}": met for kind, met in simulator.met.items() if met > 0})
    return counts

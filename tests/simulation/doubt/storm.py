"""One storm as it is known from outside: who asks, what was answered, what was killed."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import LiteralString

from mpss.db.database import Database
from mpss.kernel.clock import SandboxClock
from mpss.simulators.merchant_shop import MerchantShop
from tests.simulation.doubt.model import PENDING, Deed, World
from tests.simulation.doubt.outside import Simulator
from tests.simulation.processes import Cluster, Lost, Platform
from tests.simulation.steps import Found
from tests.simulation.town import ALLOWED

_PENDING: LiteralString = """
    SELECT t.id, t.kind, t.state, f.counterpart, f.operation, f.session, f.state AS request, f.attempts, f.due_at,
           f.reason
      FROM transaction AS t
      LEFT JOIN funding_request AS f ON f.transaction_id = t.id AND f.state IN ('SENT', 'IN_DOUBT')
     WHERE t.state = ANY(%(pending)s) OR f.id IS NOT NULL
"""
_REVERSED = ("REVERSING", "REVERSED")


@dataclass(slots=True)
class Storm:
    """The world of one seed. `finals` are the last answers that were recorded, by deed, oldest deed first."""

    random: random.Random
    clock: SandboxClock
    database: Database
    cluster: Cluster
    world: World
    simulators: dict[str, Simulator]
    shops: list[MerchantShop]
    platforms: list[Platform] = field(default_factory=list)
    deeds: dict[int, Deed] = field(default_factory=dict)
    finals: dict[int, Found] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    faults_set: int = 0
    _moments: itertools.count[int] = field(default_factory=itertools.count)
    _answered: dict[int, int] = field(default_factory=dict)

    @property
    def banks(self) -> list[Simulator]:
        return [simulator for name, simulator in self.simulators.items() if name != "ocs"]

    def advance(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def known(self) -> list[tuple[Deed, Found]]:
        return [(self.deeds[number], found) for number, found in self.finals.items()]

    async def ask(self, deed: Deed) -> Found:
        """Ask any process; again, mostly, when nothing was acknowledged.

        Raises:
            Lost: nothing was acknowledged, and the client gave up.
        """
        self.deeds[deed.number] = deed
        while True:
            platform = self.random.choice(self.platforms)
            await platform.up()
            began = next(self._moments)
            try:
                found = await platform.carry_out(deed)
            except Lost as lost:
                reason = str(lost).split(":")[0]
                self.counts[f"lost: {reason}"] += 1
                if reason not in ALLOWED:
                    raise AssertionError(f"{deed}: {lost}") from lost
                await asyncio.sleep(self.random.uniform(0.05, 0.4))
                if self.random.random() < 0.3:
                    raise
                continue
            assert found is not None
            if found.recorded:
                self._remember(deed, found, began)
            return found

    async def insist(self, deed: Deed) -> Found:
        """Ask until it is acknowledged and recorded; in a clear sky."""
        async with asyncio.timeout(120):
            while True:
                try:
                    found = await self.ask(deed)
                except Lost:
                    continue
                if found.recorded:
                    return found
                self.advance(5)
                await asyncio.sleep(0.2)

    def _remember(self, deed: Deed, found: Found, began: int) -> None:
        """What was final stays so; a sale may be reversed. Of two asked at once, the later answer may be older."""
        before = self.finals.get(deed.number)
        if before is not None:
            same = (before.id, before.kind, before.amount_fen, before.fee_fen)
            assert same == (found.id, found.kind, found.amount_fen, found.fee_fen), f"{deed}: {before}, then {found}"
            if began < self._answered[deed.number] and _may_become(found.state, before.state):
                return
            stays = (before.state, before.refusal) == (found.state, found.refusal)
            assert stays or _may_become(before.state, found.state), f"{deed} was answered {before}, then {found}"
        self.finals[deed.number] = found
        self._answered[deed.number] = next(self._moments)

    async def pending(self) -> list[str]:
        """The transactions and requests that are not final, one line for each."""
        async with self.database.read() as uow:
            rows = await uow.dicts(_PENDING, {"pending": list(PENDING)})
        return [" ".join(str(value) for value in row.values()) for row in rows]


def _may_become(before: str, after: str) -> bool:
    """Whether a later answer may say this after an earlier one said that."""
    undone = before in ("SUCCEEDED", *_REVERSED) and after in _REVERSED
    return undone or (before in PENDING and before != "REVERSING")

"""The world of one simulated seed: who is in it, how they ask, and what was acknowledged."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from mpss.kernel.clock import SandboxClock
from tests.simulation.processes import Lost, Platform
from tests.simulation.steps import KEYED, Found, Step
from tests.support.world import Goods, Person

STOCK = (60, 400, None)
"""Of each product, at first; None is unlimited."""
ALLOWED = {
    "the process died", "not up", "DeskUnavailable", "OperationalError", "PoolTimeout", "AdminShutdown",
    "CannotConnectNow", "InterfaceError", "ConnectionTimeout", "CrashShutdown",
}  # fmt: skip
"""How a step may end without an acknowledgement: its process or PostgreSQL was away."""


@dataclass(slots=True)
class Town:
    """The world of one seed, and what is known of it: `finals` are the acknowledged answers, by step."""

    random: random.Random
    clock: SandboxClock
    people: list[Person]
    goods: list[Goods]
    merchants: list[UUID]
    platforms: list[Platform] = field(default_factory=list)
    steps: dict[int, Step] = field(default_factory=dict)
    finals: dict[int, Found] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)

    def acknowledged(self, *kinds: str, state: str = "SUCCEEDED") -> list[tuple[Step, Found]]:
        """Recorded answers of these kinds of step in this state, oldest first."""
        return [
            (self.steps[number], found)
            for number, found in sorted(self.finals.items())
            if self.steps[number].kind in kinds and found.state == state
        ]

    async def ask(self, step: Step) -> Found | None:
        """Carry the step out on any process; ask again, mostly, when nothing was acknowledged.

        Raises:
            Lost: nothing was acknowledged, and the client gave up.
        """
        self.steps[step.number] = step
        while True:
            self.clock.set(self.clock.now() + timedelta(milliseconds=100))
            try:
                found = await self.random.choice(self.platforms).carry_out(step)
            except Lost as lost:
                reason = str(lost)
                self.losses[reason.split(":")[0]] += 1
                if reason.split(":")[0] not in ALLOWED:
                    raise AssertionError(f"{step}: {reason}") from lost
                await asyncio.sleep(self.random.uniform(0.05, 0.4))
                if self.random.random() < 0.3:
                    raise
                continue
            self.counts[f"{step.kind} {'' if found is None else found.refusal or found.state}"] += 1
            if found is not None and step.kind in KEYED and found.recorded:
                self.remember(step, found)
            return found

    def remember(self, step: Step, found: Found) -> None:
        first = self.finals.setdefault(step.number, found)
        assert found.said == first.said, f"{step} was answered {first} and then {found}"

    async def insist(self, step: Step) -> Found | None:
        """Ask until it is acknowledged."""
        while True:
            try:
                return await self.ask(step)
            except Lost:
                continue

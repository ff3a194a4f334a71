"""What the banks' own customers do in a storm: they send money to wallets, and the banks ask us (ADR-0019).

A bank insists on a reversal of whatever we did not answer, also after its own death.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import Any

import httpx

from tests.simulation.doubt.outside import Simulator
from tests.simulation.doubt.storm import Storm

CUSTOMERS = 2
"""Who send at once, at each bank."""


async def send_topups(storm: Storm, bank: Simulator) -> None:
    """One customer who sends one amount after the other, until cancelled."""
    chance = random.Random(storm.random.random())
    cards: dict[str, str] = {}
    while True:
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        with contextlib.suppress(httpx.TransportError):  # the bank is away just now
            cards = cards or {card["phone"]: card["number"] for card in (await bank.control("GET", "/cards"))["cards"]}
            # The last of the payers is poor, and a bank sends nothing that a card has not.
            payer = chance.choice(storm.world.payers[:-1])
            await bank.control("POST", "/topups", {"card": cards[payer.phone], "amount_fen": chance.randint(1, 900)})


async def unsettled(storm: Storm) -> list[str]:
    """The top-ups that a bank still waits to hear about, one line for each."""
    return [
        f"{bank.name} {topup['reference']} {topup['state']} {topup['response']}"
        for bank in storm.banks
        for topup in await _topups(bank)
        if topup["state"] not in ("done", "returned")
    ]


async def sent(storm: Storm) -> Counter[str]:
    """What each phone's wallet got from banks in all, in fen, by the banks' own books."""
    found: Counter[str] = Counter()
    for bank in storm.banks:
        for topup in await _topups(bank):
            storm.counts[f"sent by banks: {topup['state']} {topup['response']}"] += 1
            if topup["state"] == "done":
                found[topup["phone"]] += topup["amount_fen"]
    return found


async def _topups(bank: Simulator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await bank.control("GET", "/topups"))["topups"]
    return found

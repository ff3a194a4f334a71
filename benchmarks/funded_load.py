"""One process that pays with other people's money, in a closed loop; prints one JSON object. Started by
`benchmarks.funded`.

    bill     purchases of a free amount from the phone bill: reserved and committed at the OCS, two calls each
    card     purchases of a free amount from a bound bank card, debited in real time: one call each
    topup    top-ups from a bound bank card, debited in real time: one call each
    waiting  wallet payments, alone and while many card top-ups wait for a bank that is slow, in turns

The flows are those that the HTTP API calls, password and all; what is left out is HTTP. `made` counts the payments of
the warm-up too.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import resource
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvloop

from benchmarks.connections import ConnectionWatch
from benchmarks.world import PASSWORD, account_id, card_id, merchant_id, phone
from mpss.adapters.bank_iso8583 import Iso8583Banks
from mpss.bootstrap import make_runtime, running
from mpss.config import Policy, Settings
from mpss.desk.model import Answer, Funding, TransactionState
from mpss.kernel.garbage import calm_collector
from mpss.observability import configure_logging
from mpss.runtime import Runtime
from mpss.transactions.pay import pay
from mpss.transactions.purchases.sale import Sale
from mpss.transactions.topups.card import top_up_from_card

AMOUNT_FEN = 25
_LARGE_FEN = 10**12
_SLOW_SECONDS = 120
_FIRST_SENDING_PER_SECOND = 400
POLICY = Policy(
    phone_bill_monthly_limit_fen=_LARGE_FEN, balance_limit_fen=_LARGE_FEN, topup_single_limit_fen=_LARGE_FEN,
    bank_timeout_seconds=_SLOW_SECONDS,
)  # fmt: skip
_SOURCE = "http:203.0.113.7"


@dataclass(slots=True)
class Load:
    """Payers without end; each answer that is no success counts as `refused`."""

    runtime: Runtime
    accounts: int
    cards: int
    sellers: int
    random: random.Random
    # Keys are kept for good: those of an earlier run are used up.
    run_name: str = field(default_factory=lambda: f"{time.time_ns():x}")
    serial: itertools.count[int] = field(default_factory=itertools.count)
    made: int = 0
    refused: int = 0

    async def wallet(self) -> None:
        await self._pay(Funding.WALLET)

    async def bill(self) -> None:
        await self._pay(Funding.PHONE_BILL)

    async def card(self) -> None:
        await self._pay(Funding.BANK_CARD)

    async def topup(self) -> None:
        payer = 1 + self.random.randrange(self.cards)
        answer = await top_up_from_card(
            self.runtime, account_id=account_id(payer), phone=phone(payer), key=self._key(), card_id=card_id(payer),
            amount_fen=AMOUNT_FEN, password=PASSWORD, source=_SOURCE, channel="http",
        )  # fmt: skip
        self._count(answer)

    async def _pay(self, funding: Funding) -> None:
        from_card = funding is Funding.BANK_CARD
        payer = 1 + self.random.randrange(self.cards if from_card else self.accounts)
        seller = merchant_id(1 + self.random.randrange(self.sellers))
        answer = await pay(
            self.runtime, caller=f"account:{account_id(payer)}", key=self._key(), channel="http",
            sale=Sale(account_id(payer), seller, None, 0, AMOUNT_FEN, None), phone=phone(payer), password=PASSWORD,
            source=_SOURCE, funding=funding, card_id=card_id(payer) if from_card else None,
        )  # fmt: skip
        self._count(answer)

    def _key(self) -> str:
        return f"{self.run_name}-{next(self.serial)}"

    def _count(self, answer: Answer) -> None:
        if answer.transaction.state is TransactionState.SUCCEEDED:
            self.made += 1
        else:
            self.refused += 1


async def closed_loop(
    once: Callable[[], Awaitable[None]], *, callers: int, seconds: float, warm_up: float = 0.0
) -> dict[str, Any]:
    """Rate, p50 and p99 of what is done in `seconds` after the warm-up; each caller begins again when it is done."""
    latencies: list[float] = []
    measure_from = time.perf_counter() + warm_up
    stop_at = measure_from + seconds

    async def caller() -> None:
        while (started := time.perf_counter()) < stop_at:
            await once()
            ended = time.perf_counter()
            if measure_from <= ended <= stop_at:
                latencies.append(ended - started)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    latencies.sort()
    middle, late = (latencies[len(latencies) * share // 100] * 1000 if latencies else 0.0 for share in (50, 99))
    return {"rate": len(latencies) / seconds, "p50_ms": middle, "p99_ms": late}


class TooSlow(RuntimeError):
    """The machine is too slow, or too busy, for what is to be measured."""


async def waiting(
    load: Load, *, calls: int, callers: int, seconds: float, rounds: int, control_url: str, url: str
) -> dict[str, Any]:
    """Wallet payments alone, then while `calls` top-ups wait for the bank, in turns.

    The bank answers each request so late that all of them wait for the whole of `seconds` at once. How long it takes to
    send them is found out first; a round in which an answer came before the last was sent is not counted.

    Raises:
        TooSlow: they cannot be sent within a bank's time.
    """
    banks = load.runtime.ports.banks
    assert isinstance(banks, Iso8583Banks)
    (session,) = (banks.session(profile.code) for profile in banks.banks())
    found: list[dict[str, Any]] = []
    sending = calls / _FIRST_SENDING_PER_SECOND
    with ConnectionWatch(url) as watch:
        while len(found) < rounds:
            late = sending * 1.5 + seconds
            if late > _SLOW_SECONDS * 0.8:
                raise TooSlow(f"{calls} calls take more than {sending:.0f} s to send")
            alone = await closed_loop(load.wallet, callers=callers, seconds=seconds)
            await _make_slow(control_url, late)
            started = time.perf_counter()
            calling = [asyncio.create_task(load.topup()) for _ in range(calls)]
            while session.waiting < calls and not any(call.done() for call in calling):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            all_wait = session.waiting == calls
            sending = time.perf_counter() - started if all_wait else sending * 1.5
            if all_wait:
                watch.begin()
                beside = await closed_loop(load.wallet, callers=callers, seconds=seconds)
                connections = watch.end()
                found.append({"alone": alone, "beside": beside, "waiting_least": session.waiting, **connections})
            await asyncio.gather(*calling)
    await _make_slow(control_url, 0.0)
    return {"calls": calls, "sending_seconds": sending, "rounds": found}


async def _make_slow(control_url: str, seconds: float) -> None:
    async with httpx.AsyncClient(base_url=control_url, trust_env=False) as control:
        (await control.delete("/faults")).raise_for_status()
        if seconds:
            (await control.post("/faults", json={"kind": "delay", "seconds": seconds})).raise_for_status()


async def run(kind: str, settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    runtime = make_runtime(settings)
    async with running(runtime):
        load = Load(runtime, options.accounts, options.cards, options.sellers, random.Random(1))
        await _connected(runtime)
        calm_collector()
        before = resource.getrusage(resource.RUSAGE_SELF)
        if kind == "waiting":
            told = await waiting(
                load, calls=options.calls, callers=options.callers, seconds=options.seconds, rounds=options.rounds,
                control_url=options.bank_control, url=settings.database_url,
            )  # fmt: skip
        else:
            once = {"bill": load.bill, "card": load.card, "topup": load.topup}[kind]
            warm_up = min(2.0, options.seconds / 4)
            told = await closed_loop(once, callers=options.callers, seconds=options.seconds, warm_up=warm_up)
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**told, "made": load.made, "refused": load.refused, "cpu_seconds": cpu_seconds}


async def _connected(runtime: Runtime) -> None:
    """A first request each waits for the connection; what is measured begins after it."""
    charging, banks = runtime.ports.charging, runtime.ports.banks
    assert charging is not None
    assert banks is not None
    await charging.balance_enough(phone=phone(1), amount_fen=1, timeout_seconds=10)
    for profile in banks.banks():
        await banks.balance(profile.code, "0", timeout_seconds=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("bill", "card", "topup", "waiting"))
    parser.add_argument("url")
    parser.add_argument("--data", type=Path, required=True, help="folder of the key file")
    parser.add_argument("--peers", required=True, help="the OCS's doors")
    parser.add_argument("--banks", required=True, help="the bank, as MPSS_BANKS names it")
    parser.add_argument("--bank-control", default="", help="where the bank is made slow")
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--cards", type=int, default=1000, help="so many of the accounts have a card")
    parser.add_argument("--sellers", type=int, default=100)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--calls", type=int, default=2000, help="how many wait at once")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    configure_logging("ERROR")
    settings = Settings(
        database_url=options.url, data_dir=options.data, charging_peers=options.peers, banks=options.banks,
        policy=POLICY,
    )  # fmt: skip
    print(json.dumps(uvloop.run(run(options.kind, settings, options))))


if __name__ == "__main__":
    main()

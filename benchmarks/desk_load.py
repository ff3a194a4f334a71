"""One process with one desk and callers in a closed loop; prints one JSON object. Started by `benchmarks.desk`.

Each caller pays again as soon as it has its answer: the full decision with payment password, state, limits, stock,
fee and outbox. `--hot` sends every payment to one merchant's one product. Latencies are printed as counts of tenths
of a millisecond, so that those of two processes can be merged; `made` counts the payments of the warm-up too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import time
from collections import Counter
from datetime import UTC, datetime

import uvloop

from benchmarks.world import PASSWORD_KEY_VERSION, account_id, digest, merchant_id, product_id
from mpss.config import Policy
from mpss.db.database import Database
from mpss.desk.desk import Desk
from mpss.desk.model import digest_of
from mpss.kernel.garbage import calm_collector
from mpss.kernel.ids import TransactionId
from mpss.observability import configure_logging
from mpss.transactions.model import Asked, Proof
from mpss.transactions.purchases.purchase import PurchaseCommand
from mpss.transactions.purchases.sale import Sale

POLICY = Policy()


def command(payer: int, seller: int, serial: str) -> PurchaseCommand:
    now = datetime.now(UTC)
    account = account_id(payer)
    sale = Sale(account, merchant_id(seller), product_id(seller), 1, 25, None)
    body = digest_of("purchase", *map(str, sale))
    asked = Asked(TransactionId.new(now), f"account:{account}", serial, body, now, "http")
    proof = Proof({PASSWORD_KEY_VERSION: digest(payer)}, False, b"", "benchmark")
    return PurchaseCommand(asked, sale, POLICY, proof)


async def run(
    url: str, *, callers: int, accounts: int, sellers: int, seconds: float, payments: int, hot: bool, seed: int
) -> None:
    database = Database(url, pool_size=2)
    desk = Desk(database)
    await desk.start()
    random_ = random.Random(seed)
    run_name = f"{time.time_ns():x}-{seed}"  # keys are kept for good: those of an earlier run are used up
    latencies: list[float] = []
    asked = made = refused = 0
    stop_at = 0.0
    measure_from = 0.0

    async def caller(number: int) -> None:
        nonlocal asked, made, refused
        serial = 0
        while time.perf_counter() < stop_at and (asked < payments or not payments):
            asked += 1
            serial += 1
            payer = 1 + int(random_.random() * accounts)  # A fifth of what `randint` costs.
            seller = 1 if hot else 1 + int(random_.random() * sellers)
            started = time.perf_counter()
            answer = await desk.submit(command(payer, seller, f"{run_name}-{number}-{serial}"))
            ended = time.perf_counter()
            if answer.transaction.refusal is not None:
                refused += 1
                continue
            made += 1
            if started >= measure_from:
                latencies.append(ended - started)

    calm_collector()
    warm_up = 0.0 if payments else min(2.0, seconds / 4)
    measure_from = time.perf_counter() + warm_up
    stop_at = measure_from + seconds
    before = resource.getrusage(resource.RUSAGE_SELF)
    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(caller(number))
    after = resource.getrusage(resource.RUSAGE_SELF)
    latencies.sort()
    middle, late = (latencies[len(latencies) * share // 100] * 1000 if latencies else 0.0 for share in (50, 99))
    print(
        json.dumps(
            {
                "made": made,
                "refused": refused,
                "rate": len(latencies) / min(seconds, time.perf_counter() - measure_from),
                "p50_ms": middle,
                "p99_ms": late,
                "latencies": sorted(Counter(round(latency * 10_000) for latency in latencies).items()),
                "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            }
        )
    )
    await desk.stop()
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--callers", type=int, default=256)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--sellers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--payments", type=int, default=0, help="stop after so many (0: any number)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hot", action="store_true")
    configure_logging("WARNING")
    options = vars(parser.parse_args())
    uvloop.run(run(options.pop("url"), **options))


if __name__ == "__main__":
    main()

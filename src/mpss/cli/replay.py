"""`mpss replay`: a month of a real mobile-money service, driven through the public HTTP API hour by hour.

The center runs in sandbox mode on a clock that the replay moves. CASH_IN becomes a cash top-up at a counter, PAYMENT a
purchase of a free amount, TRANSFER a transfer to another client, CASH_OUT a withdrawal to a bound card at the bank that
credits in real time, DEBIT one at the bank that takes daily files; all are asked for over HTTP by many callers at once,
and what the API answered is compared, hour by hour, with what the journal says. A withdrawal by the file is entered
when the bank has paid, and compared with the hour it was asked for in.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mpss.adapters.key_store_file import FileKeyStore
from mpss.bootstrap import (
    key_file_of,
    make_runtime,
    migrate_and_seed,
    payment_folder_of,
    running,
    transport_key_of,
)
from mpss.cli.center import environment_of, kept_secret, settled
from mpss.cli.processes import Child, wait_ready
from mpss.cli.replay_books import read_books
from mpss.cli.replay_cards import BANKS, Cards, code_in
from mpss.cli.replay_center import next_month, sandboxed
from mpss.cli.replay_report import Line, report
from mpss.config import Settings
from mpss.db.database import Database, opened
from mpss.kernel.clock import SHANGHAI, SandboxClock, business_date
from mpss.ledger.day_close import close_day
from mpss.ledger.verify import Check
from mpss.outbox.queries import waiting
from mpss.simulators.center_api import ApiProblem, CenterApi
from mpss.simulators.companies import credit_code
from mpss.simulators.month import CASH_IN, TRANSFER, Draw, Hour, Month, read_month
from mpss.simulators.town import Town, town
from mpss.staff.members import create_member
from mpss.staff.permissions import Permission
from mpss.transactions.verify import verify
from mpss.transactions.withdrawals.queries import open_withdrawals

MONTH_BEGINS = datetime(2016, 10, 1, tzinfo=SHANGHAI)
"""The month of the data is a tenth; its hours are replayed in the October its paper was published in."""
SHOPS = ("market", "school", "water", "power", "kiosk")
PASSWORD = "492713"  # noqa: S105 - of the replay's own people
_CALLERS = 48
_PAY_OUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay: the month, how much of its counts and amounts, from which seed."""

    month: Month
    counts: float
    amounts: float
    seed: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: who, how much, at which shop (a payment) or to whom (a transfer). `key` makes asking again safe."""

    action: str
    client: int
    amount_fen: int
    other: int
    key: str


@dataclass(slots=True)
class Replayed:
    """What came of it."""

    lines: list[Line]
    checks: list[Check]

    @property
    def good(self) -> bool:
        return all(line.agrees for line in self.lines) and all(check.holds for check in self.checks)


def replay(console: Console, folder: Path, *, counts: float, amounts: float, seed: int, data: Path | None) -> bool:
    """Replay, print and write the report into the data folder; whether API and books agree and every invariant holds.

    Raises:
        MonthUnreadable: the folder is not of its form.
    """
    plan = Plan(read_month(folder), counts, amounts, seed)
    with settled(data) as settings:
        result = asyncio.run(_replay(console, settings, plan))
        title = f"A month at {plan.counts:g} of its counts and {plan.amounts:g} of its amounts"
        report(console, settings.data_dir / "replay", title, result.lines, result.checks)
    return result.good


async def _replay(console: Console, settings: Settings, plan: Plan) -> Replayed:
    clock_file = settings.data_dir / "replay.clock"
    clock = SandboxClock(clock_file)
    # A second replay into one folder goes on after the first: books do not go back.
    begins = MONTH_BEGINS if clock.now() > datetime.now(UTC) - timedelta(days=1) else next_month(clock.now())
    clock.set(begins)
    secret = kept_secret(settings.data_dir / "smsc.secret")
    settings = replace(settings, sandbox_clock=clock_file)
    await migrate_and_seed(settings)
    key_store = FileKeyStore.open_or_make(key_file_of(settings))
    async with town(
        settings.data_dir / "town",
        shop_names=SHOPS,
        smsc_password=secret,
        number=settings.sms_number,
        bank_keys={code: transport_key_of(key_store, code) for code in BANKS.values()},
        payment_files=payment_folder_of(settings),
    ) as place:
        settings = sandboxed(settings, place, secret)
        log = settings.data_dir / "replay.log"
        with Child("the center", ["-m", "mpss", "serve"], environment=environment_of(settings), log=log) as center:
            await asyncio.to_thread(wait_ready, f"{settings.public_url}/readyz", children=[center])
            player = Player(console, settings, plan, clock, place, center, begins)
            try:
                lines = await player.play()
            finally:
                await player.close()
            await read_books(settings, lines, begins)
            return Replayed(lines, await _verify(settings))


class Player:
    """Everybody in the month: the clerk, the shops, the clients."""

    def __init__(
        self,
        console: Console,
        settings: Settings,
        plan: Plan,
        clock: SandboxClock,
        place: Town,
        center: Child,
        begins: datetime,
    ) -> None:
        self._console = console
        self._settings = settings
        self._plan = plan
        self._clock = clock
        self._place = place
        self._center = center
        self._begins = begins
        self._draw = Draw(plan.month, counts=plan.counts, amounts=plan.amounts, seed=plan.seed)
        self._run = f"{random.SystemRandom().getrandbits(40):010x}"
        self._database = Database(settings.database_url, pool_size=2)
        self._clerk = CenterApi(settings.public_url)
        self._phones: list[str] = []
        self._clients: list[CenterApi] = []
        self._merchants: list[str] = []
        self._cards = Cards(place)

    async def close(self) -> None:
        await self._clerk.close()
        await self._database.close()

    async def play(self) -> list[Line]:
        """Open everybody's account, then the month, hour by hour."""
        await self._database.open()
        await self._staff_and_shops()
        lines = []
        with Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=self._console,
        ) as progress:  # fmt: skip
            opened = progress.add_task("opening wallets", total=self._draw.clients)
            await self._open_wallets(lambda: progress.advance(opened))
            hours = self._hours()
            played = progress.add_task("the month", total=sum(count for _, count in hours))
            opening = Line(0, CASH_IN)
            await self._carry_out(self._openings(), opening, lambda: None)
            lines.append(opening)
            by_step: dict[int, list[tuple[Hour, int]]] = defaultdict(list)
            for hour, count in hours:
                by_step[hour.step].append((hour, count))
            for step, together in by_step.items():
                await self._move_to(self._begins + timedelta(hours=step))
                for hour, count in together:
                    line = Line(step, hour.action)
                    await self._carry_out(self._operations(hour, count), line, lambda: progress.advance(played))
                    lines.append(line)
        await self._drain()
        await self._pay_out()
        return lines

    def _hours(self) -> list[tuple[Hour, int]]:
        """The hours with something to do, top-ups before payments, and how much."""
        counted = [(hour, self._draw.count(hour)) for hour in self._plan.month.hours]
        return [(hour, count) for hour, count in counted if count]

    async def _staff_and_shops(self) -> None:
        async with running(make_runtime(self._settings)) as runtime:
            clerk = await create_member(
                runtime,
                name=f"Clerk {self._run}",
                permissions=[Permission.CASH_TOPUP, Permission.MERCHANT_REGISTER],
                hall="H01",
                clerk=self._run,
            )
        self._clerk.token = clerk.api_key
        for shop in self._place.shops.values():
            if (known := shop.book.credentials()) is None:
                given = await self._clerk.post(
                    "/v1/staff/merchants",
                    {
                        "name": shop.name,
                        "province": "GD",
                        "public_key": base64.b64encode(shop.public_key).decode(),
                        "notify_url": shop.url,
                        "credit_code": credit_code(shop.name),
                    },
                )
                known = given["merchant"]["merchant_id"], given["api_key"], given["webhook_secret"]
                shop.join(merchant_id=known[0], api_key=known[1], webhook_secret=known[2])
            self._merchants.append(known[0])

    async def _open_wallets(self, advance: Callable[[], None]) -> None:
        numbers = [self._place.new_phone("GD") for _ in range(self._draw.clients)]
        self._phones = numbers
        self._clients = [self._clerk.as_caller() for _ in numbers]
        turn = asyncio.Semaphore(_CALLERS)

        async def open_one(place: int) -> None:
            async with turn, self._place.handset(numbers[place]) as handset:
                api = self._clients[place]
                await api.post("/v1/codes", {"phone": numbers[place], "purpose": "open"})
                message = await handset.wait_for("验证码", timeout_seconds=120)
                body = {
                    "phone": numbers[place],
                    "code": code_in(message.text),
                    "terms_version": self._settings.policy.terms_version,
                    "payment_password": PASSWORD,
                }
                opened = await api.post("/v1/accounts", body)
                api.token = opened["session"]["token"]
                limit = {"daily_limit_fen": self._settings.policy.max_daily_limit_fen, "currency": "CNY"}
                await api.put("/v1/account/daily-limit", {**limit, "payment_password": PASSWORD})
                advance()

        async with asyncio.TaskGroup() as group:
            for place in range(len(numbers)):
                group.create_task(open_one(place))

    def _openings(self) -> list[Operation]:
        """What everybody has at the beginning, as cash."""
        amounts = [self._draw.opening_fen() for _ in self._clients]
        return [
            Operation(CASH_IN, client, amount, 0, f"{self._run}-opening-{client}")
            for client, amount in enumerate(amounts)
            if amount
        ]

    def _operations(self, hour: Hour, count: int) -> list[Operation]:
        amounts = self._draw.amounts_fen(hour, count)
        actors = self._draw.actors(hour.action, count)
        return [
            Operation(
                hour.action, client, amount, self._other(hour, client), f"{self._run}-{hour.step}-{hour.action}-{n}"
            )
            for n, (client, amount) in enumerate(zip(actors, amounts, strict=True))
        ]

    def _other(self, hour: Hour, client: int) -> int:
        return self._draw.other(client) if hour.action == TRANSFER else self._draw.shop(len(SHOPS))

    async def _carry_out(self, operations: Iterable[Operation], line: Line, advance: Callable[[], None]) -> None:
        """Many callers at once; each takes the next operation."""
        following = iter(operations)

        async def caller() -> None:
            for operation in following:
                line.asked += 1
                try:
                    await self._ask(operation)
                    line.accepted += 1
                    line.moved_fen += operation.amount_fen
                except ApiProblem as problem:
                    if not problem.code or problem.status >= 500:
                        raise
                    line.refused[problem.code] += 1
                advance()

        async with asyncio.TaskGroup() as group:
            for _ in range(_CALLERS):
                group.create_task(caller())

    async def _ask(self, operation: Operation) -> None:
        amount = {"amount_fen": operation.amount_fen, "currency": "CNY"}
        if operation.action == CASH_IN:
            body = {"phone": self._phones[operation.client], **amount}
            await self._clerk.post("/v1/topups/cash", body, key=operation.key)
        elif operation.action == TRANSFER:
            body = {"payee_phone": self._phones[operation.other], "payment_password": PASSWORD, **amount}
            await self._clients[operation.client].post("/v1/transfers", body, key=operation.key)
        elif operation.action in BANKS:
            api, phone = self._clients[operation.client], self._phones[operation.client]
            card_id = await self._cards.card_of(operation.action, operation.client, phone, api)
            body = {"card_id": card_id, "payment_password": PASSWORD, **amount}
            await api.post("/v1/account/withdrawals", body, key=operation.key)
        else:
            body = {"merchant_id": self._merchants[operation.other], "payment_password": PASSWORD, **amount}
            await self._clients[operation.client].post("/v1/purchases", body, key=operation.key)

    async def _pay_out(self) -> None:
        """Let the day of the next cut come, and wait until banks have answered for every withdrawal."""
        await self._move_to(self._clock.now() + timedelta(days=1))
        async with asyncio.timeout(_PAY_OUT_SECONDS):
            while True:
                self._center.check()
                async with self._database.read() as uow:
                    if not await open_withdrawals(uow):
                        break
                await asyncio.sleep(0.2)
        await self._drain()

    async def _move_to(self, now: datetime) -> None:
        """Let what is due leave, set the clock, and close the business days that are over by then."""
        self._center.check()
        today: date = business_date(now, cut=self._settings.day_cut)
        if today != business_date(self._clock.now(), cut=self._settings.day_cut):
            await self._drain()
        self._clock.set(now)
        await close_day(self._database, today=today, now=now)

    async def _drain(self) -> None:
        """Wait until every message has left."""
        while True:
            self._center.check()
            async with self._database.read() as uow:
                left = await waiting(uow)
            if not any(left.values()):
                return
            await asyncio.sleep(0.2)


async def _verify(settings: Settings) -> list[Check]:
    async with opened(settings.database_url) as database, database.read() as uow:
        return await verify(uow)

"""`mpss replay`: a month of a real mobile-money service, driven through the public HTTP API hour by hour.

The center runs in sandbox mode on a clock that the replay moves. CASH_IN becomes a cash top-up at a counter, PAYMENT a
purchase of a free amount, TRANSFER a transfer to another client; all are asked for over HTTP by many callers at once,
and what the API answered is compared, hour by hour, with what the journal says.
"""

from __future__ import annotations

import asyncio
import base64
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mpss.bootstrap import make_runtime, migrate_and_seed, running
from mpss.cli.center import environment_of, kept_secret, settled
from mpss.cli.processes import Child, free_port, wait_ready
from mpss.cli.replay_books import read_books
from mpss.cli.replay_report import Line, table, totals, write_chart, write_csv
from mpss.config import Policy, Settings
from mpss.db.database import Database
from mpss.kernel.clock import SHANGHAI, SandboxClock, business_date
from mpss.ledger.day_close import close_day
from mpss.ledger.verify import Check
from mpss.outbox.queries import waiting
from mpss.simulators.center_api import ApiProblem, CenterApi
from mpss.simulators.month import CASH_IN, TRANSFER, Draw, Hour, Month, read_month
from mpss.simulators.town import TOWN_NETWORK, Town, town
from mpss.staff.members import create_member
from mpss.staff.permissions import Permission
from mpss.transactions.verify import verify

MONTH_BEGINS = datetime(2016, 10, 1, tzinfo=SHANGHAI)
"""The month of the data is a tenth; its hours are replayed in the October its paper was published in."""
SHOPS = ("market", "school", "water", "power", "kiosk")
PASSWORD = "492713"  # noqa: S105 - of the replay's own people
_CALLERS = 48


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
        _report(console, settings.data_dir / "replay", plan, result)
    return result.good


async def _replay(console: Console, settings: Settings, plan: Plan) -> Replayed:
    clock_file = settings.data_dir / "replay.clock"
    clock = SandboxClock(clock_file)
    # A second replay into one folder goes on after the first: books do not go back.
    begins = MONTH_BEGINS if clock.now() > datetime.now(UTC) - timedelta(days=1) else _next_month(clock.now())
    clock.set(begins)
    secret = kept_secret(settings.data_dir / "smsc.secret")
    settings = replace(settings, sandbox_clock=clock_file)
    await migrate_and_seed(settings)
    async with town(
        settings.data_dir / "town", shop_names=SHOPS, smsc_password=secret, number=settings.sms_number
    ) as place:
        settings = _sandboxed(settings, place, secret)
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


def _next_month(after: datetime) -> datetime:
    local = after.astimezone(SHANGHAI)
    year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)
    return datetime(year, month, 1, tzinfo=SHANGHAI)


def _sandboxed(settings: Settings, place: Town, secret: str) -> Settings:
    """A center that one busy caller may use: no rate limits, sessions that last the month, the data's own limits."""
    policy = Policy(
        session_ttl_seconds=60 * 86_400,
        codes_per_source_per_hour=10_000_000,
        single_limit_fen=settings.policy.single_limit_fen,
        topup_single_limit_fen=settings.policy.topup_single_limit_fen,
        balance_limit_fen=settings.policy.balance_limit_fen,
        transfer_single_limit_fen=settings.policy.transfer_single_limit_fen,
        transfer_daily_limit_fen=settings.policy.transfer_daily_limit_fen,
        free_transfer_single_limit_fen=settings.policy.transfer_single_limit_fen,
        free_transfer_daily_limit_fen=settings.policy.transfer_daily_limit_fen,
    )
    port = free_port()
    return replace(
        settings,
        port=port,
        public_url=f"http://{settings.host}:{port}",
        smsc_port=place.smsc.port,
        smsc_password=secret,
        merchant_networks=TOWN_NETWORK,
        rate_per_second=0,
        source_rate_per_second=0,
        log_level="WARNING",
        policy=policy,
    )


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
                    "code": _code_in(message.text),
                    "terms_version": self._settings.policy.terms_version,
                    "payment_password": PASSWORD,
                }
                opened = await api.post("/v1/accounts", body)
                api.token = opened["session"]["token"]
                await api.put(
                    "/v1/account/daily-limit",
                    {"daily_limit_fen": self._settings.policy.max_daily_limit_fen, "currency": "CNY"},
                )
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
        else:
            body = {"merchant_id": self._merchants[operation.other], "payment_password": PASSWORD, **amount}
            await self._clients[operation.client].post("/v1/purchases", body, key=operation.key)

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
    database = Database(settings.database_url, pool_size=1)
    await database.open()
    try:
        async with database.read() as uow:
            return await verify(uow)
    finally:
        await database.close()


def _report(console: Console, folder: Path, plan: Plan, result: Replayed) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    month = [line for line in result.lines if line.step]
    title = f"A month at {plan.counts:g} of its counts and {plan.amounts:g} of its amounts"
    write_csv(result.lines, folder / "hours.csv")
    write_chart(month, folder / "month.svg", title=title)
    opening = [line for line in result.lines if not line.step]
    console.print(table(month, title="Hour by hour"))
    console.print(table(totals(opening), title="Opening balances"))
    console.print(table(totals(month), title=title))
    differing = [line for line in result.lines if not line.agrees]
    if differing:
        console.print(table(differing, title="Hours where the API and the books differ"))
    else:
        console.print(
            f"In each of {len(result.lines)} hours and types the books equal what the API answered, to the fen."
        )
    broken = [check for check in result.checks if not check.holds]
    for check in broken:
        console.print(f"[bold red]Broken: {check.name}: {check.breaches}[/]")
    if not broken:
        console.print(f"All {len(result.checks)} invariants hold.")
    console.print(f"Hour by hour: {folder / 'hours.csv'}\nChart: {folder / 'month.svg'}")


def _code_in(text: str) -> str:
    found = re.search(r"(?<!\d)\d{6}(?!\d)", text)
    assert found is not None, text
    return found.group()

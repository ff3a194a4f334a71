"""SIGKILL of any process, PostgreSQL too, while callers pay over HTTP (CT 10.3).

Whatever happens: (1) what was acknowledged is there; (2) a retried key gives the first answer; (3) nothing moved twice;
(4) `mpss verify` exits 0; (5) each change has one notice; (6) every phone got each notice at least once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio

from mpss.db.embedded import EmbeddedPostgres
from mpss.simulators.center_api import ApiProblem
from mpss.simulators.people import Person
from tests.support.center import Center, center
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.postgres import DatabaseUrls, bin_dir, data_folder
from tests.support.programs import descendants, kill, run

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("kills"), clause("CT 10.3")]

MONEY_FEN = 100_000
RETRY_SECONDS = 0.2
PACE_SECONDS = 0.1


@dataclass(slots=True)
class Payer:
    """Somebody who pays one fen after the other, each under a key that is asked again until it is answered."""

    person: Person
    pay: Callable[[str], Awaitable[dict[str, Any]]]
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def go_on(self, enough: asyncio.Event) -> None:
        while not enough.is_set():
            key = f"k{len(self.answers)}"
            self.answers[key] = await self.insist(key)
            await asyncio.sleep(PACE_SECONDS)

    async def insist(self, key: str) -> dict[str, Any]:
        """The answer to a call under this key, asked for until it comes."""
        async with asyncio.timeout(120):
            while True:
                try:
                    return await self.pay(key)
                except httpx.HTTPError:
                    await asyncio.sleep(RETRY_SECONDS)
                except ApiProblem as problem:
                    if problem.status != 503:
                        raise
                    await asyncio.sleep(RETRY_SECONDS)


@pytest.fixture(scope="module")
def server() -> Any:
    """A PostgreSQL that may be killed: its commits are durable."""
    with data_folder() as folder, EmbeddedPostgres(folder, bin_dir=bin_dir()) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(server: EmbeddedPostgres) -> AsyncIterator[Center]:
    with data_folder() as folder:
        async with center(DatabaseUrls(server.owner_url, server.run_url), folder) as made:
            yield made


def process_of(town: Center, role: str, *, worker: bool = False) -> int:
    """The process id of a role's process, or of the worker it started."""
    pids = [pid for pid, arguments in descendants(town.running.process.pid).items() if f"--role {role}" in arguments]
    return pids[1] if worker else pids[0]


async def http_worker(town: Center, server: EmbeddedPostgres) -> None:
    kill(process_of(town, "http", worker=True))


async def http_process(town: Center, server: EmbeddedPostgres) -> None:
    kill(process_of(town, "http"))


async def jobs_process(town: Center, server: EmbeddedPostgres) -> None:
    kill(process_of(town, "jobs"))


async def supervisor(town: Center, server: EmbeddedPostgres) -> None:
    """It alone; what it started ends by itself. Then the center is started again."""
    kill(town.running.process.pid)
    await town.running.start()


async def postgres(town: Center, server: EmbeddedPostgres) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(1)
    await asyncio.to_thread(server.start)


async def everything(town: Center, server: EmbeddedPostgres) -> None:
    """The machine goes out and comes back."""
    for pid in (town.running.process.pid, *descendants(town.running.process.pid)):
        kill(pid)
    await postgres(town, server)
    await town.running.start()


@asynccontextmanager
async def paying(payers: list[Payer]) -> AsyncIterator[None]:
    """They pay meanwhile, five times each before the block and five times after it."""
    enough = asyncio.Event()

    async def five_more() -> None:
        marks = [len(payer.answers) + 5 for payer in payers]

        async def went_on() -> bool:
            return all(len(payer.answers) >= mark for payer, mark in zip(payers, marks, strict=True))

        await eventually(went_on, seconds=120)

    async with asyncio.TaskGroup() as group:
        for payer in payers:
            group.create_task(payer.go_on(enough))
        try:
            await five_more()
            yield
            await five_more()
        finally:
            enough.set()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def payers(town: Center) -> list[Payer]:
    """One who buys goods, and three who pay free amounts."""
    card = await town.counter.put_on_sale(town.kiosk, "卡", category="cards", price_fen=100, quantity=10_000)
    people = [await town.subscriber(f"P{number}", fen=MONEY_FEN) for number in range(4)]

    def free_amount(person: Person) -> Payer:
        return Payer(person, lambda key: person.pay(town.lottery, 100, key=key))

    return [Payer(people[0], lambda key: people[0].buy(card, key=key)), *map(free_amount, people[1:])]


async def assert_kept(payers: list[Payer]) -> None:
    """What was acknowledged is there, once, and is answered again under its key."""
    for payer in payers:
        paid = [line["transaction_id"] for line in await statement(payer.person) if line["kind"] == "purchase"]
        assert paid == [answer["transaction_id"] for answer in reversed(payer.answers.values())]
        for key, answer in payer.answers.items():
            assert await payer.insist(key) == answer
        assert (await payer.person.account())["balance_fen"] == MONEY_FEN - 100 * len(payer.answers)


@pytest.mark.parametrize(
    "victim", [http_worker, http_process, jobs_process, supervisor, postgres], ids=lambda victim: victim.__name__
)
async def test_a_kill_loses_nothing_that_was_acknowledged_and_repeats_nothing(
    town: Center, server: EmbeddedPostgres, payers: list[Payer], victim: Callable[..., Awaitable[None]]
) -> None:
    cards, _ = await town.counter.sell_vouchers(5_000, quantity=1)
    sender = await town.subscriber("S")
    async with paying(payers):
        await sender.handset.send(f"CZ {cards[0]}")
        await victim(town, server)
    await assert_kept(payers)
    # The message was on its way when the process died; the SMSC insisted.
    await sender.sms("充值卡充值", patience_seconds=60)
    assert (await sender.account())["balance_fen"] == 5_000
    await town.assert_sound()


async def test_every_phone_got_each_notice_though_the_machine_went_out(
    town: Center, server: EmbeddedPostgres, payers: list[Payer]
) -> None:
    async with paying(payers):
        await everything(town, server)
    await assert_kept(payers)
    await town.all_sent(seconds=90)
    for payer in payers:
        notices = {notice["serial"]: notice["event"] for notice in await town.notices(payer.person)}
        assert (await town.copies(payer.person)).keys() == notices.keys()
        assert list(notices.values()).count("paid") == len(payer.answers)
    buyer = payers[0]
    texts = [message.text for message in await buyer.person.inbox()]
    for answer in buyer.answers.values():
        order = town.kiosk.book.order(answer["transaction_id"])
        assert order is not None
        assert any(order.answer["content"] in text for text in texts)
    verified = await asyncio.to_thread(lambda: run("verify", MPSS_DATABASE_URL=server.run_url))
    assert verified.returncode == 0, verified.stdout


async def statement(person: Person) -> list[dict[str, Any]]:
    """Every line, newest first."""
    lines: list[dict[str, Any]] = []
    cursor: dict[str, str | int] = {}
    while True:
        page = await person.api.get("/v1/account/transactions", limit=100, **cursor)
        lines += page["items"]
        if page["next_cursor"] is None:
            return lines
        cursor = {"cursor": page["next_cursor"]}

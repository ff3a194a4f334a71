"""A center as its users meet it: `mpss serve` as processes of its own, in a town, on a database of its own."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

from mpss.bootstrap import make_runtime, running
from mpss.cli.town_center import TownCenter, town_center
from mpss.config import Policy, Settings
from mpss.db.database import Database
from mpss.simulators.center_api import ApiProblem, CenterApi
from mpss.simulators.merchant_shop import MerchantShop
from mpss.simulators.people import Counter, Person
from mpss.staff.members import create_member
from mpss.staff.permissions import Permission
from mpss.transactions.verify import verify
from tests.support.eventually import eventually
from tests.support.postgres import DatabaseUrls, PostgresForTests, data_folder

KIOSK, LOTTERY = "街角小铺", "好运彩票"

_NOTICES: LiteralString = """
    SELECT serial, state, attempts, payload::jsonb ->> 'event' AS event FROM outbox
     WHERE kind = 'notice' AND recipient = %(phone)s ORDER BY serial
"""


@dataclass(slots=True)
class Center:
    """`database` looks at the books beside the center; `people` are closed with it."""

    running: TownCenter
    api: CenterApi
    counter: Counter
    database: Database
    people: list[Person] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return self.running.settings

    @property
    def kiosk(self) -> MerchantShop:
        return self.running.town.shops[KIOSK]

    @property
    def lottery(self) -> MerchantShop:
        return self.running.town.shops[LOTTERY]

    def person(self, name: str = "Li", *, province: str = "GD") -> Person:
        """Somebody with a new phone and nothing else."""
        handset = self.running.town.handset(self.running.town.new_phone(province))
        made = Person(name, handset, self.api.as_caller())
        self.people.append(made)
        return made

    async def subscriber(self, name: str = "Li", *, fen: int = 0, province: str = "GD") -> Person:
        """Somebody with a wallet, opened on the web, and this much money."""
        person = self.person(name, province=province)
        await person.open_by_web()
        if fen:
            await self.counter.top_up(person.phone, fen)
        return person

    async def staff(self, name: str, *permissions: Permission) -> CenterApi:
        """A member of staff, as a caller."""
        async with running(make_runtime(self.settings)) as runtime:
            made = await create_member(runtime, name=name, permissions=permissions)
        return self.api.as_caller(token=made.api_key)

    async def dicts(self, query: LiteralString, **params: Any) -> list[dict[str, Any]]:
        async with self.database.read() as uow:
            return await uow.dicts(query, params)

    async def notices(self, person: Person) -> list[dict[str, Any]]:
        """Serial, event, state and attempts of each notice to the person, in order."""
        return await self.dicts(_NOTICES, phone=person.phone)

    async def events(self, person: Person, *, after: int = 0) -> list[str]:
        """The events the person is told of in notices with a higher serial."""
        return [notice["event"] for notice in await self.notices(person) if notice["serial"] > after]

    async def all_sent(self, *, seconds: float = 30.0) -> None:
        """Wait until nothing waits to leave the house."""

        async def sent() -> bool:
            return not await self.dicts("SELECT id FROM outbox WHERE state = 'pending' LIMIT 1")

        await eventually(sent, seconds=seconds)

    async def copies(self, person: Person) -> Counts[int]:
        """How often each serial came to the person's phone."""
        return Counts(message.serial for message in await person.inbox() if message.serial is not None)

    async def assert_told_once(self, person: Person) -> None:
        """Every notice to the person is at the phone, each once, and nothing else is."""
        await self.all_sent()
        expected = {notice["serial"]: 1 for notice in await self.notices(person)}
        assert await self.copies(person) == expected
        assert len(await person.inbox()) == len(expected)

    async def assert_sound(self) -> None:
        """Every invariant of the books holds."""
        async with self.database.read() as uow:
            assert [check for check in await verify(uow) if not check.holds] == []


@asynccontextmanager
async def center(
    urls: DatabaseUrls, folder: Path, *, policy: Policy | None = None, **settings: Any
) -> AsyncIterator[Center]:
    """A center with two registered shops, on an empty database; everybody may ask as often as they like."""
    placed = Settings(
        data_dir=folder,
        database_url=urls.run_url,
        owner_database_url=urls.owner_url,
        rate_per_second=0,
        source_rate_per_second=0,
        policy=policy or Policy(codes_per_phone_per_hour=100, codes_per_source_per_hour=10_000),
        **settings,
    )
    async with (
        town_center(placed, shop_names=(KIOSK, LOTTERY)) as running_center,
        CenterApi(running_center.url) as api,
    ):
        database = Database(urls.run_url, pool_size=2)
        await database.open()
        made = Center(running_center, api, Counter(api, running_center.staff), database)
        try:
            for shop in running_center.town.shops.values():
                await made.counter.register(shop)
            yield made
        finally:
            for person in made.people:
                await person.close()
            await database.close()


async def refusal(call: Awaitable[object]) -> str:
    """The code that a call is refused with; it must be."""
    try:
        answer = await call
    except ApiProblem as refused:
        return refused.code
    raise AssertionError(f"it was not refused: {answer}")


@asynccontextmanager
async def own_center(postgres: PostgresForTests) -> AsyncIterator[Center]:
    """A center on a database of its own, which is dropped after it."""
    name, urls = postgres.create_empty_database()
    with data_folder() as folder:
        async with center(urls, folder) as started:
            yield started
    postgres.drop_database(name)

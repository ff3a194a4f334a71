"""Statements over HTTP: every filter and order agrees with a plain look at all lines, files hold no formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest

from mpss.desk.model import TransactionKind, TransactionState
from mpss.kernel.clock import business_date
from mpss.kernel.language import LANGUAGES
from mpss.ledger.day_close import close_day
from mpss.staff.permissions import Permission
from mpss.transactions.statements.words import COLUMNS, KINDS, STATES
from tests.support.clauses import clause
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

PURCHASES = (100, 700, 300, 300, 200)
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
async def payer(shop: Counter) -> Caller:
    """The market's payer after one top-up and five purchases, one a day; the last two days ago."""
    for day, amount_fen in enumerate(PURCHASES):
        shop.market.clock.advance(timedelta(days=1))
        now = shop.market.clock.now()
        await close_day(shop.runtime.database, today=business_date(now), now=now)
        payer = await shop.subscriber()
        bought = await payer.post("/v1/purchases", shop.purchase(amount_fen=amount_fen), key=f"day-{day}")
        assert bought.status_code == 201, bought.text
    shop.market.clock.advance(timedelta(days=2))
    return await shop.subscriber()


async def pages(payer: Caller, **query: Any) -> list[dict[str, Any]]:
    """Every line, by pages of two."""
    lines: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await payer.get("/v1/account/transactions", limit=2, **query, **cursor)
        assert answer.status_code == 200, answer.text
        lines += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return lines
        cursor = {"cursor": answer.json()["next_cursor"]}


def cells(workbook: bytes) -> Iterator[list[str]]:
    """The rows of the first sheet, texts and numbers alike; a formula is an error."""
    with ZipFile(io.BytesIO(workbook)) as package:
        sheet = ElementTree.fromstring(package.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - our own file
    assert not list(sheet.iter(f"{SHEET}f"))
    for row in sheet.iter(f"{SHEET}row"):
        yield ["".join(cell.itertext()) for cell in row]


@clause("CM 5.4", "CM 8.2.2")
class TestAStatement:
    async def test_is_filtered_and_sorted_as_a_plain_look_would(self, payer: Caller) -> None:
        every = await pages(payer)
        assert [line["change_fen"] for line in every] == [-200, -300, -300, -700, -100, 100_000]
        days = sorted({line["booked_on"] for line in every})
        for query, wanted in (
            ({"sort": "oldest"}, every[::-1]),
            ({"sort": "largest"}, sorted(every, key=lambda line: (-abs(line["change_fen"]), every.index(line)))),
            ({"sort": "smallest"}, sorted(every, key=lambda line: (abs(line["change_fen"]), -every.index(line)))),
            ({"kind": "cash_topup"}, every[-1:]),
            ({"state": "DECLINED"}, []),
            ({"min_fen": 200, "max_fen": 300, "sort": "oldest"}, [every[2], every[1], every[0]]),
            ({"from": days[1], "to": days[3]}, every[2:5]),
            ({"from": days[5]}, every[:1]),
            ({"to": days[0], "sort": "largest"}, every[5:]),
        ):
            assert await pages(payer, **query) == wanted, query

    async def test_of_a_period_adds_up(self, payer: Caller) -> None:
        every = await pages(payer)
        asked = {"from": every[4]["booked_on"], "to": every[2]["booked_on"]}
        figures = (await payer.get("/v1/account/statement", **asked)).json()
        assert figures == {
            "from_date": asked["from"], "to_date": asked["to"], "lines": 3,
            "opening_fen": 100_000, "in_fen": 0, "out_fen": 1100, "closing_fen": 98_900,
            "currency": "CNY",
        }  # fmt: skip
        now = (await payer.get("/v1/account/statement")).json()
        assert now["closing_fen"] == (await payer.get("/v1/account")).json()["balance_fen"]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"from": "2026-02-30"}, "from"),
            ({"to": "1767225600"}, "to"),
            ({"from": "2026-03-02", "to": "2026-03-01"}, "to"),
            ({"min_fen": 2, "max_fen": 1}, "max_fen"),
            ({"min_fen": -1}, "min_fen"),
            ({"kind": "gift"}, "kind"),
            ({"sort": "random"}, "sort"),
            ({"cursor": "x"}, "cursor"),
        ],
    )
    async def test_asked_for_wrongly_is_refused_by_field(
        self, shop: Counter, query: dict[str, Any], field: str
    ) -> None:
        answer = await (await shop.subscriber()).get("/v1/account/transactions", **query)
        (error,) = problem(answer, 400, "malformed_request")["errors"]
        assert error["field"] == field

    @pytest.mark.parametrize(("language", "name"), [*((each, "=cmd|calc!A1") for each in LANGUAGES), ("en", "＝1+1")])
    async def test_is_the_same_in_csv_and_xlsx(self, shop: Counter, payer: Caller, language: str, name: str) -> None:
        async with shop.runtime.database.transaction() as uow:
            await uow.execute("UPDATE merchant SET name = %(name)s", {"name": name})
        asked = {"sort": "oldest"}
        exports = [
            await payer.send(
                "GET", "/v1/account/statement/export", query={**asked, "format": form},
                headers={"accept-language": language},
            )
            for form in ("csv", "xlsx")
        ]  # fmt: skip
        table, workbook = exports
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        assert table.headers["content-disposition"].startswith('attachment; filename="statement-2026-')
        rows = list(csv.reader(io.StringIO(table.content.decode())))
        assert tuple(rows[0]) == COLUMNS[language]
        assert [row[7] for row in rows[1:]] == ["1000.00", "-1.00", "-7.00", "-3.00", "-3.00", "-2.00"]
        assert {row[5] for row in rows[1:]} == {"", f"'{name}"}
        assert [row[3] for row in rows[1:3]] == [
            KINDS[TransactionKind(kind)][language] for kind in ("cash_topup", "purchase")
        ]
        sheet = list(cells(workbook.content))
        assert tuple(sheet[0]) == COLUMNS[language]
        for plain, shown in zip(rows[1:], sheet[1:], strict=True):
            amounts = {7, 8, 11}
            assert [float(plain[place]) for place in amounts] == [float(shown[place]) for place in amounts]
            rest = [place for place in range(len(plain)) if place not in amounts]
            assert [plain[place].removeprefix("'") for place in rest] == [shown[place] for place in rest]

    async def test_too_long_for_a_file_is_refused(self, payer: Caller) -> None:
        answer = await payer.get("/v1/account/statement/export", **{"from": "2020-01-01"})
        assert problem(answer, 400, "malformed_request")["errors"][0]["field"] == "from"

    async def test_of_a_customer_is_read_by_staff_and_on_record(self, shop: Counter, payer: Caller) -> None:
        clerk = await shop.staff(Permission.ACCOUNT_VIEW)
        read = await clerk.post("/v1/staff/statements", {"phone": PHONE, "limit": 3})
        assert [line["change_fen"] for line in read.json()["items"]] == [-200, -300, -300]
        exported = await clerk.post("/v1/staff/statements/export", {"phone": PHONE, "format": "csv"})
        assert len(exported.text.splitlines()) == 7
        async with shop.runtime.database.read() as uow:
            noted = await uow.dicts(
                "SELECT action, subject FROM audit_record WHERE action LIKE 'statement.%' ORDER BY 1"
            )
        account_id = (await payer.get("/v1/account")).json()["account_id"]
        assert noted == [
            {"action": "statement.export", "subject": account_id},
            {"action": "statement.view", "subject": account_id},
        ]
        problem(await clerk.post("/v1/staff/statements", {"phone": "18912340099"}), 404, "unknown_account")


def test_words_are_there_for_every_kind_and_state() -> None:
    for table in (KINDS, STATES):
        assert all(set(words) == set(LANGUAGES) for words in table.values())
    assert set(KINDS) == set(TransactionKind)
    assert set(STATES) == set(TransactionState)

"""A subscriber's statement: pages, the figures of a period, a file to keep. Spec: CT 5.2; CM 5.4, 8.2.2."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, BusinessDate, PageLimit, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_ranked, encode_ranked
from mpss.channels.http.views import NextCursor, TransactionView, reply, transaction_fields
from mpss.desk.model import TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId
from mpss.kernel.money import MAX_FEN
from mpss.transactions.statements.export import (
    chunks,
    export_statement,
    place_of,
    statement_page,
    statement_summary,
)
from mpss.transactions.statements.model import Format, Line, Search, Sort

SUBJECT = Subject("Account")
MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

_Fen = Annotated[int, Field(ge=0, le=MAX_FEN)]
ChangeFen = Annotated[_Fen | None, Field(description="of what the movement changed, in or out", examples=[2500])]


class Period(Body):
    since: BusinessDate | None = Field(
        default=None, alias="from", description="first business date, Asia/Shanghai", examples=["2026-03-01"]
    )
    until: BusinessDate | None = Field(
        default=None, alias="to", description="last business date, included", examples=["2026-03-31"]
    )


class Filters(Period):
    kind: TransactionKind | None = Field(default=None, examples=["purchase"])
    state: TransactionState | None = Field(default=None, examples=["SUCCEEDED"])
    min_fen: ChangeFen = None
    max_fen: ChangeFen = None
    sort: Sort = Field(default=Sort.NEWEST, examples=["newest"])

    def search(self) -> Search:
        return Search(self.since, self.until, self.kind, self.state, self.min_fen, self.max_fen, self.sort)


class PageQuery(Filters):
    limit: PageLimit = 50
    cursor: Cursor = None


class ExportQuery(Filters):
    format: Format = Field(default=Format.CSV, examples=["csv"])


class StatementLineView(TransactionView):
    """A transaction, with what it did to the balance."""

    change_fen: int = Field(description="above zero where the balance grew", examples=[-2500])
    booked_on: date = Field(description="the business date on which it did", examples=["2026-03-01"])
    counterpart: str | None = Field(
        description="the other side's masked number, of a transfer or a group", examples=["+86189****0002"]
    )
    merchant: str | None = Field(description="the merchant's name", examples=["Kiosk"])


class StatementView(View):
    items: list[StatementLineView]
    next_cursor: NextCursor


class SummaryView(View):
    """A period in figures: opening, and what came in, less what went out, is closing."""

    from_date: date = Field(examples=["2026-03-01"])
    to_date: date = Field(examples=["2026-03-31"])
    lines: int = Field(examples=[4])
    opening_fen: int = Field(examples=[0])
    in_fen: int = Field(examples=[100_000])
    out_fen: int = Field(examples=[600])
    closing_fen: int = Field(examples=[99_400])
    currency: str = Field(examples=["CNY"])


def statement_view(lines: list[Line], limit: int) -> StatementView:
    """A page of what was found, of which one more than `limit` was asked for."""
    lines, following = cut(lines, limit, lambda line: encode_ranked(place_of(line)))
    items = [
        StatementLineView(
            **transaction_fields(line.transaction),
            change_fen=line.change_fen,
            booked_on=line.booked_on,
            counterpart=line.counterpart,
            merchant=line.merchant,
        )
        for line in lines
    ]
    return StatementView(items=items, next_cursor=following)


async def exported(
    told: Exchange, request: Request, *, account_id: AccountId, search: Search, form: Format
) -> Response:
    """The file, in the language the caller asks for, else the account's."""
    language = told.language if "accept-language" in request.headers else None
    file, name = await export_statement(
        told.runtime, account_id=account_id, search=search, form=form, language=language
    )
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return StreamingResponse(chunks(file), 200, headers, MEDIA_TYPES[form])


@SUBJECT.operation(
    "GET",
    "/v1/account/transactions",
    summary="Read one's statement",
    access=Access.SUBSCRIBER,
    says={200: Said("A page of the wallet's movements", StatementView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CT 5.2", "CM 5.4", "CM 8.2.2"),
)
async def read_statement(request: Request, asked: Annotated[PageQuery, Query()]) -> Response:
    """What moved money in or out of the wallet, as far back as it goes. Declined transactions are not in it.

    What a member bought with the company's money is in both statements; in the member's it changes nothing.

    Take the same filters and order with each page's cursor.
    """
    told = exchange(request)
    lines = await statement_page(
        told.runtime,
        account_id=told.account_id,
        search=asked.search(),
        after=decode_ranked(asked.cursor),
        limit=asked.limit + 1,
    )
    return reply(statement_view(lines, asked.limit))


@SUBJECT.operation(
    "GET",
    "/v1/account/statement",
    summary="Read a period's figures",
    access=Access.SUBSCRIBER,
    says={200: Said("Opening and closing balance, what came in and what went out", SummaryView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 5.4",),
)
async def read_statement_summary(request: Request, asked: Annotated[Period, Query()]) -> Response:
    """Of the business dates from `from` to `to`; without them, of the last thirty days."""
    told = exchange(request)
    since, until, found = await statement_summary(
        told.runtime, account_id=told.account_id, since=asked.since, until=asked.until
    )
    figures: dict[str, Any] = found._asdict()
    return reply(SummaryView(from_date=since, to_date=until, **figures, currency="CNY"))


@SUBJECT.operation(
    "GET",
    "/v1/account/statement/export",
    summary="Export one's statement",
    access=Access.SUBSCRIBER,
    says={200: Said("The file: CSV or, for `format=xlsx`, a workbook", media_type="text/csv")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 5.4", "CM 8.2.2"),
)
async def export_own_statement(request: Request, asked: Annotated[ExportQuery, Query()]) -> Response:
    """All lines of a period of at most `MPSS_STATEMENT_DAYS`; without dates, of the last thirty days.

    The heads are in the language of `Accept-Language`, without one in the account's.
    """
    told = exchange(request)
    return await exported(told, request, account_id=told.account_id, search=asked.search(), form=asked.format)

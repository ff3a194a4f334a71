"""Staff: a customer's statement, seen and exported; each look is on record. Spec: CM 5.4, 8.2.2; CT 9.1.3."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.queries import overview_by_phone
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import MAX_PAGE, Phone
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, decode_ranked
from mpss.channels.http.routes.statements import Filters, StatementView, exported, statement_view
from mpss.channels.http.views import reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId
from mpss.kernel.money import MAX_FEN
from mpss.staff.permissions import Permission
from mpss.transactions.statements.export import note_viewed, statement_page
from mpss.transactions.statements.model import Format

SUBJECT = Subject("Staff")

_StrictFen = Annotated[int, Field(strict=True, ge=0, le=MAX_FEN)]


class CustomerStatementBody(Filters):
    phone: Phone = Field(description="the customer's number")
    min_fen: _StrictFen | None = Field(default=None, examples=[100])
    max_fen: _StrictFen | None = Field(default=None, examples=[100_000])


class StatementPageBody(CustomerStatementBody):
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_PAGE)] = Field(default=50, examples=[50])
    cursor: Cursor = Field(default=None, examples=[None])


class StatementExportBody(CustomerStatementBody):
    format: Format = Field(default=Format.CSV, examples=["csv"])


@SUBJECT.operation(
    "POST",
    "/v1/staff/statements",
    summary="Read a customer's statement",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_VIEW,
    says={200: Said("A page of the wallet's movements", StatementView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 5.4", "CT 9.1.3"),
)
async def read_customers_statement(request: Request, body: StatementPageBody) -> Response:
    """For customer care. The number is in the body, so that no log of addresses holds it; the look is audited."""
    told = exchange(request)
    account_id = await _viewed(told, body, "statement.view")
    lines = await statement_page(
        told.runtime,
        account_id=account_id,
        search=body.search(),
        after=decode_ranked(body.cursor),
        limit=body.limit + 1,
    )
    return reply(statement_view(lines, body.limit))


@SUBJECT.operation(
    "POST",
    "/v1/staff/statements/export",
    summary="Export a customer's statement",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_VIEW,
    says={200: Said("The file: CSV or, for `format` xlsx, a workbook", media_type="text/csv")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 5.4", "CT 9.1.3"),
)
async def export_customers_statement(request: Request, body: StatementExportBody) -> Response:
    """As the customer would get it; the export is audited."""
    told = exchange(request)
    account_id = await _viewed(told, body, "statement.export")
    return await exported(told, request, account_id=account_id, search=body.search(), form=body.format)


async def _viewed(told: Exchange, body: CustomerStatementBody, action: str) -> AccountId:
    """The customer's account, the look at it written down."""
    body.search().check()
    account = await overview_by_phone(told.runtime, phone=body.phone)
    await note_viewed(
        told.runtime,
        actor=str(told.staff.id),
        account_id=account.id,
        action=action,
        search=body.search(),
        hall=told.staff.hall,
    )
    return account.id

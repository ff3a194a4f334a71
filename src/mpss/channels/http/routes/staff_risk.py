"""Staff: the grey and the black list; black by two people. Spec: CM 9.6, 9.7, 9.8, 9.9."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, PageLimit, RiskEntryIdField, View, paragraphs, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.routes.staff_vouchers import STAFF_EXAMPLE
from mpss.channels.http.tables import MOST_EXPORTED, table
from mpss.channels.http.views import At, NextCursor, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import RiskEntryId
from mpss.risk.lists import decide_entry, enter, release
from mpss.risk.model import Colour, Entry, EntryState, Scope
from mpss.risk.queries import Search, entries
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")

_EndsWith = Annotated[str, *text(64)] | None
_EXPORTED = (
    "entry_id", "colour", "scope", "value", "state", "reason", "evidence", "entered_by", "entered_at", "listed_at",
    "until", "released_by", "released_at", "release_reason",
)  # fmt: skip


class EntryBody(Body):
    colour: Colour = Field(examples=["black"])
    scope: Scope = Field(examples=["number"])
    value: Annotated[str, *text(64)] = Field(
        description="a phone number, a document's number, acc_…, mer_…, a card's or bank card's number, a terminal as "
        "hall or hall/clerk, an internet address (of IPv6 its network of 64 bits counts); of a person and a bank card "
        "a digest is kept",
        examples=["18912340001"],
    )
    reason: Annotated[str, *text(200)] = Field(examples=["confirmed fraud"])
    evidence: Annotated[str, *paragraphs(2000)] = Field(default="", examples=["police report 2026-0317"])
    until: AwareDatetime | None = Field(default=None, description="when it is released by itself; none: never")


class ReasonBody(Body):
    reason: Annotated[str, *text(200)] = Field(examples=["the account was given back to its owner"])


class EntryView(View):
    entry_id: str = Field(examples=["rke_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])
    colour: Colour = Field(examples=["black"])
    scope: Scope = Field(examples=["number"])
    value: str = Field(description="of a person and a bank card the last four characters", examples=["+8618912340001"])
    state: EntryState = Field(examples=["proposed"])
    reason: str = Field(examples=["confirmed fraud"])
    evidence: str = Field(examples=["police report 2026-0317"])
    entered_by: str = Field(examples=[STAFF_EXAMPLE])
    entered_at: At
    listed_at: At | None
    until: At | None
    released_by: str | None = Field(examples=[None])
    released_at: At | None
    release_reason: str = Field(examples=[""])


class EntriesView(View):
    items: list[EntryView]
    next_cursor: NextCursor


def _view(entry: Entry) -> EntryView:
    facts = entry._asdict()
    facts["value"] = facts.pop("shown")
    return EntryView(
        entry_id=RiskEntryId.outside(facts.pop("id")),
        **{name: value for name, value in facts.items() if name not in ("subject_id", "approval_id")},
    )


@SUBJECT.operation(
    "POST",
    "/v1/staff/risk/entries",
    summary="Put on the grey or the black list",
    access=Access.STAFF,
    permission=Permission.RISK_MANAGE,
    says={201: Said("On the grey list, or proposed for the black one", EntryView)},
    errors=(ErrorCode.ILLEGAL_STATE,),
    clauses=("CM 9.6", "CM 9.8"),
)
async def enter_risk_entry(request: Request, body: EntryBody) -> Response:
    """Black is in force when somebody else has approved it: then no payment, no top-up and no opening goes through."""
    told = exchange(request)
    made = await enter(
        told.runtime,
        by=told.staff,
        colour=body.colour,
        scope=body.scope,
        value=body.value,
        reason=body.reason,
        evidence=body.evidence,
        until=body.until,
    )
    told.context.listed.forget()
    return reply(_view(made), 201)


@SUBJECT.operation(
    "GET",
    "/v1/staff/risk/entries",
    summary="Search the lists",
    access=Access.STAFF,
    permission=Permission.RISK_VIEW,
    says={200: Said("A page, newest first unless asked otherwise", EntriesView)},
    clauses=("CM 9.6", "CM 9.8"),
)
async def list_risk_entries(
    request: Request,
    colour: Annotated[Colour | None, Query()] = None,
    scope: Annotated[Scope | None, Query()] = None,
    state: Annotated[EntryState | None, Query()] = None,
    ends_with: Annotated[_EndsWith, Query(description="the last characters of the value as it is shown")] = None,
    order: Annotated[Literal["newest", "oldest"], Query()] = "newest",
    limit: Annotated[PageLimit, Query()] = 50,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Released and refused entries too: nothing is removed."""
    after, search = decode_id(cursor), Search(colour, scope, state, ends_with)
    async with exchange(request).runtime.database.read() as uow:
        found = await entries(uow, search, after=after, limit=limit + 1, oldest_first=order == "oldest")
    found, following = cut(found, limit, lambda entry: encode_id(entry.id))
    return reply(EntriesView(items=[_view(entry) for entry in found], next_cursor=following))


@SUBJECT.operation(
    "GET",
    "/v1/staff/risk/entries/export",
    summary="Export the lists",
    access=Access.STAFF,
    permission=Permission.RISK_VIEW,
    says={200: Said("The first 10,000 of the order, one line each", media_type="text/csv")},
    clauses=("CM 9.6", "CM 9.8"),
)
async def export_risk_entries(
    request: Request,
    colour: Annotated[Colour | None, Query()] = None,
    scope: Annotated[Scope | None, Query()] = None,
    state: Annotated[EntryState | None, Query()] = None,
    ends_with: Annotated[_EndsWith, Query(description="the last characters of the value as it is shown")] = None,
    order: Annotated[Literal["newest", "oldest"], Query()] = "newest",
) -> Response:
    """The lists as a table (CSV, UTF-8)."""
    async with exchange(request).runtime.database.read() as uow:
        search = Search(colour, scope, state, ends_with)
        found = await entries(uow, search, after=None, limit=MOST_EXPORTED, oldest_first=order == "oldest")
    return table("risk-entries", _EXPORTED, map(_view, found))


@SUBJECT.operation(
    "POST",
    "/v1/staff/risk/entries/{entry_id}/release",
    summary="Release an entry",
    access=Access.STAFF,
    permission=Permission.RISK_MANAGE,
    says={200: Said("Off the grey list, or waiting for a second person to take it off the black one", EntryView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 9.7", "CM 9.9"),
)
async def release_risk_entry(
    request: Request, body: ReasonBody, entry_id: Annotated[RiskEntryIdField, Path()]
) -> Response:
    """A black entry stays in force until its release is approved."""
    told = exchange(request)
    left = await release(told.runtime, by=told.staff, entry_id=entry_id, reason=body.reason)
    told.context.listed.forget()
    return reply(_view(left))


@SUBJECT.operation(
    "POST",
    "/v1/staff/risk/entries/{entry_id}/approve",
    summary="Approve an entry or its release",
    access=Access.STAFF,
    permission=Permission.RISK_APPROVE,
    says={200: Said("On the black list, or off it", EntryView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=("CM 9.8", "CM 9.9"),
)
async def approve_risk_entry(request: Request, entry_id: Annotated[RiskEntryIdField, Path()]) -> Response:
    """By somebody else than who asked for it."""
    told = exchange(request)
    decided = await decide_entry(told.runtime, by=told.staff, entry_id=entry_id, approve=True)
    told.context.listed.forget()
    return reply(_view(decided))


@SUBJECT.operation(
    "POST",
    "/v1/staff/risk/entries/{entry_id}/refuse",
    summary="Refuse an entry or its release",
    access=Access.STAFF,
    permission=Permission.RISK_APPROVE,
    says={200: Said("Not put on the black list, or kept on it", EntryView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=("CM 9.8", "CM 9.9"),
)
async def refuse_risk_entry(request: Request, entry_id: Annotated[RiskEntryIdField, Path()]) -> Response:
    """By somebody else than who asked for it."""
    told = exchange(request)
    return reply(_view(await decide_entry(told.runtime, by=told.staff, entry_id=entry_id, approve=False)))

"""Staff: the members of corporate accounts and their quotas. Spec: CM 5.2.1.2."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.corporate import add_member, members_of, remove_member, set_quota
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import AmountFen, Body, Currency, PageLimit, Phone
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, decode_id
from mpss.channels.http.routes.groups import GroupMembersView, members_view
from mpss.channels.http.views import reply
from mpss.kernel.errors import ErrorCode
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")


class GroupBody(Body):
    master_phone: Phone = Field(description="the company's number")


class MembersBody(GroupBody):
    limit: PageLimit = 50
    cursor: Cursor = None


class MemberBody(GroupBody):
    member_phone: Phone


class QuotaBody(MemberBody):
    quota_month_fen: AmountFen = Field(description="what the member may use in a month")
    quota_single_fen: AmountFen = Field(description="what they may use at once")
    currency: Currency


@SUBJECT.operation(
    "POST",
    "/v1/staff/groups/members",
    summary="Add a member to a group",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_OPEN,
    says={204: Said("A member now")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ACCOUNT_NOT_ACTIVE, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 5.2.1.2",),
)
async def add_to_group(request: Request, body: QuotaBody) -> Response:
    """An open wallet, of one group at most; its holder is told."""
    told = exchange(request)
    await add_member(
        told.runtime,
        by=told.staff,
        master_phone=body.master_phone,
        member_phone=body.member_phone,
        quota_month_fen=body.quota_month_fen,
        quota_single_fen=body.quota_single_fen,
    )
    return Response(status_code=204)


@SUBJECT.operation(
    "PUT",
    "/v1/staff/groups/members",
    summary="Change a member's quotas",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_OPEN,
    says={204: Said("Changed")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE, ErrorCode.NOT_FOUND),
    clauses=("CM 5.2.1.2",),
)
async def change_quota(request: Request, body: QuotaBody) -> Response:
    """They hold at once; the member is told."""
    told = exchange(request)
    await set_quota(
        told.runtime,
        by=told.staff,
        master_phone=body.master_phone,
        member_phone=body.member_phone,
        quota_month_fen=body.quota_month_fen,
        quota_single_fen=body.quota_single_fen,
    )
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/staff/groups/members/remove",
    summary="Remove a member from a group",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_OPEN,
    says={204: Said("No member any more")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE, ErrorCode.NOT_FOUND),
    clauses=("CM 5.2.1.2",),
)
async def remove_from_group(request: Request, body: MemberBody) -> Response:
    """The wallet stays its holder's; the holder is told."""
    told = exchange(request)
    await remove_member(told.runtime, by=told.staff, master_phone=body.master_phone, member_phone=body.member_phone)
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/staff/groups/members/list",
    summary="List the members of a group",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_OPEN,
    says={200: Said("A page, in the order they came", GroupMembersView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 5.2.1.2",),
)
async def list_group(request: Request, body: MembersBody) -> Response:
    """With what each used this month. Numbers are masked; the company's is in the body, so that no log of addresses
    holds it."""
    told, after = exchange(request), decode_id(body.cursor)
    found = await members_of(
        told.runtime, by=told.staff, master_phone=body.master_phone, after=after, limit=body.limit + 1
    )
    return reply(members_view(told, found, body.limit))

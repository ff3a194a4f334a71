"""A corporate account's members, as the company sees them and as a member sees itself. Spec: CM 5.2.1.2."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.corporate import membership_of, own_members
from mpss.accounts.customer_model import MemberRow
from mpss.accounts.group_model import Membership
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, PageLimit, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.views import At, NextCursor, reply
from mpss.kernel.clock import business_date
from mpss.kernel.errors import ErrorCode
from mpss.kernel.masking import mask_phone

SUBJECT = Subject("Account")


class GroupPageQuery(Body):
    limit: PageLimit = 50
    cursor: Cursor = None


class GroupMemberView(View):
    """A member; amounts in fen of CNY. `used_month_fen` is what the month's purchases came to, fees among it."""

    phone: str = Field(examples=["+86189****0002"])
    quota_month_fen: int = Field(examples=[100_000])
    quota_single_fen: int = Field(examples=[20_000])
    used_month_fen: int = Field(examples=[2500])
    left_month_fen: int = Field(examples=[97_500])
    currency: str = Field(examples=["CNY"])
    added_at: At


class MembershipView(GroupMemberView):
    company: str = Field(description="whose money it is", examples=["南城信息技术有限公司"])


class GroupMembersView(View):
    items: list[GroupMemberView]
    next_cursor: NextCursor


def members_view(told: Exchange, found: list[MemberRow], limit: int) -> GroupMembersView:
    """A page of members, of whom one more than `limit` was asked for."""
    found, following = cut(found, limit, lambda member: encode_id(member.id))
    items = [GroupMemberView(**_fields(told, member)) for member in found]
    return GroupMembersView(items=items, next_cursor=following)


def _fields(told: Exchange, member: MemberRow | Membership) -> dict[str, Any]:
    today = business_date(told.runtime.clock.now(), cut=told.runtime.settings.day_cut)
    used_fen = member.used_in(today)
    return {
        "phone": mask_phone(member.phone),
        "quota_month_fen": member.quota_month_fen,
        "quota_single_fen": member.quota_single_fen,
        "used_month_fen": used_fen,
        "left_month_fen": max(member.quota_month_fen - used_fen, 0),
        "currency": "CNY",
        "added_at": member.added_at,
    }


@SUBJECT.operation(
    "GET",
    "/v1/account/group",
    summary="Read one's own membership of a group",
    access=Access.SUBSCRIBER,
    says={200: Said("The company, the quotas and what was used", MembershipView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.NOT_GROUP_MEMBER),
    clauses=("CM 5.2.1.2",),
)
async def read_membership(request: Request) -> Response:
    """A member pays with the company's money by `"funding": "group"` in `POST /v1/purchases`."""
    told = exchange(request)
    found, company = await membership_of(told.runtime, account_id=told.account_id)
    return reply(MembershipView(**_fields(told, found), company=company))


@SUBJECT.operation(
    "GET",
    "/v1/account/group/members",
    summary="List the members of one's own group",
    access=Access.SUBSCRIBER,
    says={200: Said("A page, in the order they came", GroupMembersView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 5.2.1.2",),
)
async def list_own_members(request: Request, asked: Annotated[GroupPageQuery, Query()]) -> Response:
    """For the holder of a corporate account: quotas, and what each member used this month. Numbers are masked."""
    told, after = exchange(request), decode_id(asked.cursor)
    found = await own_members(told.runtime, account_id=told.account_id, after=after, limit=asked.limit + 1)
    return reply(members_view(told, found, asked.limit))

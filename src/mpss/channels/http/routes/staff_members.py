"""Staff: members are added, given new keys, stopped. Spec: CT 9.1.1."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, StaffIdField, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.staff_vouchers import STAFF_EXAMPLE
from mpss.channels.http.views import reply
from mpss.kernel.errors import ErrorCode
from mpss.staff.members import create_member, list_members, renew_key, stop_member
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")

KEY_EXAMPLE = "sk_Jd8s2kL0p4q7r1t5v9x3z6B8D2F4H6K8M0P2R4T6V8Y"
Place = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,16}$", max_length=16)]


class MemberBody(Body):
    name: Annotated[str, *text(64)] = Field(examples=["王芳"])
    permissions: list[Permission] = Field(max_length=len(Permission), examples=[["cash_topup"]])
    hall: Place | None = Field(default=None, description="of a clerk: where the cash is", examples=["H01"])
    clerk: Place | None = Field(default=None, description="the clerk's number there", examples=["C02"])


class MemberView(View):
    staff_id: str = Field(examples=[STAFF_EXAMPLE])
    name: str = Field(examples=["王芳"])
    permissions: list[Permission] = Field(examples=[["cash_topup"]])
    hall: str | None = Field(examples=["H01"])
    clerk: str | None = Field(examples=["C02"])
    active: bool = Field(examples=[True])


class CreatedMemberView(View):
    member: MemberView
    api_key: str = Field(description="shown this once", examples=[KEY_EXAMPLE])


class StaffKeyView(View):
    api_key: str = Field(description="shown this once", examples=[KEY_EXAMPLE])


class MembersView(View):
    items: list[MemberView]


def _member_view(member: StaffMember) -> MemberView:
    return MemberView(
        staff_id=str(member.id),
        name=member.name,
        permissions=sorted(member.permissions),
        hall=member.hall,
        clerk=member.clerk,
        active=member.active,
    )


@SUBJECT.operation(
    "POST",
    "/v1/staff/members",
    summary="Add a member of staff",
    access=Access.STAFF,
    permission=Permission.STAFF_MANAGE,
    says={201: Said("The member and the API key", CreatedMemberView)},
    clauses=("CT 9.1.1", "CM 8.3"),
)
async def add_member(request: Request, body: MemberBody) -> Response:
    """Nobody gives a permission they do not have."""
    told = exchange(request)
    created = await create_member(
        told.runtime, name=body.name, permissions=body.permissions, hall=body.hall, clerk=body.clerk, by=told.staff
    )
    return reply(CreatedMemberView(member=_member_view(created.member), api_key=created.api_key), 201)


@SUBJECT.operation(
    "GET",
    "/v1/staff/members",
    summary="List the members of staff",
    access=Access.STAFF,
    permission=Permission.STAFF_MANAGE,
    says={200: Said("Every member, those stopped too", MembersView)},
    clauses=("CT 9.1.1",),
)
async def list_all_members(request: Request) -> Response:
    """In the order they came."""
    found = await list_members(exchange(request).runtime)
    return reply(MembersView(items=[_member_view(member) for member in found]))


@SUBJECT.operation(
    "POST",
    "/v1/staff/members/{staff_id}/key",
    summary="Renew a member's API key",
    access=Access.STAFF,
    permission=Permission.STAFF_MANAGE,
    says={201: Said("The new key; the old one has ended", StaffKeyView)},
    errors=(ErrorCode.NOT_FOUND,),
    clauses=("CT 9.1.1",),
)
async def renew_member_key(request: Request, staff_id: Annotated[StaffIdField, Path()]) -> Response:
    """For a key that was lost or seen."""
    told = exchange(request)
    return reply(StaffKeyView(api_key=await renew_key(told.runtime, member_id=staff_id, by=told.staff)), 201)


@SUBJECT.operation(
    "POST",
    "/v1/staff/members/{staff_id}/stop",
    summary="Stop a member of staff",
    access=Access.STAFF,
    permission=Permission.STAFF_MANAGE,
    says={204: Said("The member's access has ended for good")},
    errors=(ErrorCode.NOT_FOUND,),
    clauses=("CT 9.1.1",),
)
async def stop_a_member(request: Request, staff_id: Annotated[StaffIdField, Path()]) -> Response:
    """Their key is refused from now on."""
    told = exchange(request)
    await stop_member(told.runtime, member_id=staff_id, by=told.staff)
    return Response(status_code=204)

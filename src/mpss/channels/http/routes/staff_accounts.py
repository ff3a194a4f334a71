"""Staff: a clerk of a service hall opens accounts and upgrades them. Spec: CM 5.2.1, 5.2.2, 6.1.2, 6.1.3."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.corporate import open_corporate
from mpss.accounts.customer_model import CustomerKind, DocumentKind, Verification
from mpss.accounts.model import AccountClass
from mpss.accounts.open_at_counter import CounterAccount, open_at_counter
from mpss.accounts.state import Operation, refusals_of
from mpss.accounts.upgrade import identity_at_counter, upgrade_at_counter
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Phone, View, paragraphs
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.refusals import OPENING
from mpss.channels.http.routes.identity import (
    IdentityBody,
    IdentityView,
    ImageBody,
    SubmitBody,
    identity_view,
    images_of,
)
from mpss.channels.http.routes.sign_in import Language
from mpss.channels.http.routes.staff_cards import CustomerBody
from mpss.channels.http.views import ACCOUNT_EXAMPLE, reply
from mpss.kernel.errors import ErrorCode
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")


class CounterOpenBody(IdentityBody):
    phone: Phone = Field(description="the customer's number")
    real_name: bool = Field(
        description="true: verified now, with images; false: name and number as told", examples=[True]
    )
    images: list[ImageBody] = Field(default=[], max_length=3)
    verifications: list[Verification] = Field(
        default=[], max_length=len(Verification), description="channels that confirmed the name", examples=[["police"]]
    )
    language: Language = Field(default="zh-CN", description="of our SMS", examples=["zh-CN"])


class CounterUpgradeBody(SubmitBody):
    phone: Phone = Field(description="the customer's number")
    former_number: Annotated[str, *paragraphs(40)] | None = Field(
        default=None, description="of the document on record, where this one replaces it under another number",
        examples=[None],
    )  # fmt: skip
    verifications: list[Verification] = Field(
        default=[], max_length=len(Verification), description="channels that confirmed the name", examples=[["police"]]
    )


class CorporateOpenBody(SubmitBody):
    phone: Phone = Field(description="the company's own number")
    language: Language = Field(default="zh-CN", description="of our SMS", examples=["zh-CN"])


class CounterAccountView(View):
    """A new account; its holder's phone was sent a link to the first payment password."""

    account_id: str = Field(examples=[ACCOUNT_EXAMPLE])
    phone: str = Field(examples=["+8618912340001"])
    home_province: str = Field(examples=["GD"])
    account_class: AccountClass = Field(examples=["class_2"])


def _view(opened: CounterAccount) -> CounterAccountView:
    return CounterAccountView(
        account_id=str(opened.account_id),
        phone=opened.phone,
        home_province=opened.home_province,
        account_class=opened.account_class,
    )


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts",
    summary="Open a customer's account",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_OPEN,
    says={201: Said("Open, and pending until its holder sets a password", CounterAccountView)},
    errors=(*OPENING, ErrorCode.IDENTITY_MISMATCH),
    clauses=("CM 5.2.1.1", "CM 6.1.2", "CM 6.1.3"),
)
async def open_for_customer(request: Request, body: CounterOpenBody) -> Response:
    """Weak real-name (弱实名) by name and number as told, or real-name (实名) by the document and its images."""
    told = exchange(request)
    opened = await open_at_counter(
        told.runtime,
        by=told.staff,
        phone=body.phone,
        claim=body.claim(CustomerKind.INDIVIDUAL),
        images=images_of(body.images),
        verifications=body.verifications,
        real_name=body.real_name,
        language=body.language,
    )
    return reply(_view(opened), 201)


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/corporate",
    summary="Open a company's account",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_OPEN,
    says={201: Said("Open, and pending until a password is set", CounterAccountView)},
    errors=(*OPENING, ErrorCode.IDENTITY_MISMATCH),
    clauses=("CM 5.2.1.2",),
)
async def open_for_company(request: Request, body: CorporateOpenBody) -> Response:
    """The master account of a group (集团账户), with the licence's image; `name` is the company's."""
    told = exchange(request)
    opened = await open_corporate(
        told.runtime,
        by=told.staff,
        phone=body.phone,
        claim=body.claim(CustomerKind.CORPORATE),
        images=images_of(body.images),
        language=body.language,
    )
    return reply(_view(opened), 201)


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/upgrade",
    summary="Make a customer's account real-name",
    access=Access.STAFF,
    permission=Permission.IDENTITY_MANAGE,
    says={200: Said("Real-name, shown masked", IdentityView)},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.UPGRADE),
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.BLACKLISTED,
        ErrorCode.IDENTITY_MISMATCH,
    ),
    clauses=("CM 5.2.2",),
)
async def upgrade_for_customer(request: Request, body: CounterUpgradeBody) -> Response:
    """The clerk has seen customer and document. Asked again, it adds channels or renews the document, a company's
    licence too; a document that has another number by now, as a renewed passport, is shown with the one on record."""
    told = exchange(request)
    company = body.document_kind is DocumentKind.BUSINESS_LICENCE
    claim = body.claim(CustomerKind.CORPORATE if company else CustomerKind.INDIVIDUAL)
    found = await upgrade_at_counter(
        told.runtime,
        by=told.staff,
        phone=body.phone,
        claim=claim._replace(former_number=body.former_number),
        images=images_of(body.images),
        verifications=body.verifications,
    )
    return reply(identity_view(found))


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/identity",
    summary="Look at a customer's name and document",
    access=Access.STAFF,
    permission=Permission.IDENTITY_MANAGE,
    says={200: Said("Masked", IdentityView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 8.2.1",),
)
async def look_at_customer(request: Request, body: CustomerBody) -> Response:
    """Who looked is on record. The number is in the body, so that no log of addresses holds it."""
    told = exchange(request)
    return reply(identity_view(await identity_at_counter(told.runtime, by=told.staff, phone=body.phone)))

"""A subscriber's own name and document: what is known, masked, and submitting them. Spec: CM 5.2.2, 7.2.1, 8.2.1."""

from __future__ import annotations

import base64
import binascii
from datetime import date, datetime
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.customer_model import (
    CustomerKind,
    DocumentKind,
    ImageKind,
    NameLevel,
    Sex,
    SubmissionRow,
    SubmissionState,
    Verification,
)
from mpss.accounts.customers import ShownCustomer
from mpss.accounts.identity import MAX_IMAGE_BYTES, IdentityClaim, Image, parse_image
from mpss.accounts.model import AccountClass
from mpss.accounts.state import Operation, refusals_of
from mpss.accounts.upgrade import AccountIdentity, identity_of, submit_identity
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, View, paragraphs
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.views import AT_EXAMPLE, At, reply
from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.kernel.ids import SubmissionId

SUBJECT = Subject("Account")

SUBMISSION_EXAMPLE = "sub_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"
_MOST_IMAGES = 3
_LONGEST_BASE64 = -(-MAX_IMAGE_BYTES // 3) * 4


class ImageBody(Body):
    kind: ImageKind = Field(description="front, back or licence", examples=["front"])
    content: str = Field(
        min_length=4, max_length=_LONGEST_BASE64, description="a JPEG or PNG, base64", examples=["/9j/4AAQSkZJRg=="]
    )


class IdentityBody(Body):
    """A name and the document it is on."""

    name: Annotated[str, *paragraphs(100)] = Field(description="as the document has it", examples=["李小明"])
    document_kind: DocumentKind = Field(examples=["resident_id"])
    document_number: Annotated[str, *paragraphs(40)] = Field(examples=["360426199101010071"])
    valid_until: Annotated[str, *paragraphs(10)] | None = Field(
        default=None, description="the document's last day; none: without end", examples=["2035-06-30"]
    )
    sex: Sex | None = Field(default=None, description="told by a resident's number anyway", examples=["male"])
    nationality: Annotated[str, *paragraphs(3)] = Field(default="CHN", examples=["CHN"])
    occupation: Annotated[str, *paragraphs(40)] = Field(default="", examples=["教师"])
    address: Annotated[str, *paragraphs(200)] = Field(default="", examples=["广州市天河区1号"])
    contact: Annotated[str, *paragraphs(40)] = Field(default="", examples=["18912340009"])

    def claim(self, kind: CustomerKind) -> IdentityClaim:
        return IdentityClaim(
            kind, self.name, self.document_kind, self.document_number, self.valid_until, self.sex, self.nationality,
            self.occupation, self.address, self.contact,
        )  # fmt: skip


class SubmitBody(IdentityBody):
    images: list[ImageBody] = Field(max_length=_MOST_IMAGES, description="both sides, or the page of a passport")


class CustomerView(View):
    """Who the holder is; masked unless it is said to be in clear."""

    customer_id: str = Field(examples=["cus_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])
    kind: CustomerKind = Field(examples=["individual"])
    name: str = Field(examples=["李**"])
    document_kind: DocumentKind = Field(examples=["resident_id"])
    document_number: str = Field(examples=["**************0071"])
    valid_until: date | None = Field(description="null: without end", examples=["2035-06-30"])
    sex: Sex | None = Field(examples=["male"])
    nationality: str = Field(examples=["CHN"])
    occupation: str = Field(examples=["教师"])
    address: str = Field(examples=["******"])
    contact: str = Field(examples=["*******0009"])
    level: NameLevel = Field(description="weak: as it was told; real: verified", examples=["real"])
    face_to_face: bool = Field(examples=[True])
    verifications: list[Verification] = Field(description="channels that confirmed the name", examples=[["police"]])
    verified_at: datetime | None = Field(examples=[AT_EXAMPLE])


class SubmissionView(View):
    """What was submitted last, and what became of it."""

    submission_id: str = Field(examples=[SUBMISSION_EXAMPLE])
    state: SubmissionState = Field(examples=["submitted"])
    submitted_at: At
    decided_at: datetime | None = Field(examples=[None])
    reason: str = Field(description="why it was refused", examples=[""])


class IdentityView(View):
    """The class of an account, its holder and the last submission; null where there is none."""

    account_class: AccountClass = Field(examples=["class_2"])
    customer: CustomerView | None
    submission: SubmissionView | None


def images_of(bodies: list[ImageBody]) -> list[Image]:
    """
    Raises:
        MalformedField: `images`, not base64, not a picture or too large.
    """
    images = []
    for body in bodies:
        try:
            content = base64.b64decode(body.content, validate=True)
        except (binascii.Error, ValueError):
            raise MalformedField(field="images", problem="must be base64") from None
        images.append(parse_image(body.kind, content))
    return images


def customer_view(shown: ShownCustomer) -> CustomerView:
    return CustomerView(
        customer_id=str(shown.id),
        kind=shown.kind,
        name=shown.name,
        document_kind=shown.document_kind,
        document_number=shown.document_number,
        valid_until=shown.valid_until,
        sex=shown.sex,
        nationality=shown.nationality,
        occupation=shown.occupation,
        address=shown.address,
        contact=shown.contact,
        level=shown.level,
        face_to_face=shown.face_to_face,
        verifications=list(shown.verifications),
        verified_at=shown.verified_at,
    )


def submission_view(row: SubmissionRow) -> SubmissionView:
    return SubmissionView(
        submission_id=SubmissionId.outside(row.id),
        state=row.state,
        submitted_at=row.submitted_at,
        decided_at=row.decided_at,
        reason=row.reason,
    )


def identity_view(found: AccountIdentity) -> IdentityView:
    return IdentityView(
        account_class=found.account_class,
        customer=None if found.customer is None else customer_view(found.customer),
        submission=None if found.submission is None else submission_view(found.submission),
    )


@SUBJECT.operation(
    "GET",
    "/v1/account/identity",
    summary="Look at one's name and document",
    access=Access.SUBSCRIBER,
    says={200: Said("Masked", IdentityView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 8.2.1",),
)
async def read_identity(request: Request) -> Response:
    """The account's class, whose it is, and what became of what was submitted last."""
    told = exchange(request)
    return reply(identity_view(await identity_of(told.runtime, account_id=told.account_id)))


@SUBJECT.operation(
    "POST",
    "/v1/account/identity",
    summary="Submit one's name and document",
    access=Access.SUBSCRIBER,
    says={201: Said("It waits for its review", SubmissionView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, *refusals_of(Operation.UPGRADE), ErrorCode.ILLEGAL_STATE, ErrorCode.BLACKLISTED),
    clauses=("CM 5.2.2",),
)
async def submit_own_identity(request: Request, body: SubmitBody) -> Response:
    """To make the account real-name (实名). The result comes by SMS; one that was refused may be submitted again."""
    told = exchange(request)
    row = await submit_identity(
        told.runtime,
        account_id=told.account_id,
        claim=body.claim(CustomerKind.INDIVIDUAL),
        images=images_of(body.images),
    )
    return reply(submission_view(row), 201)

"""Staff: names and documents that subscribers submitted are looked at, approved and refused. Spec: CM 5.2.2, 8.2.1."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.customer_model import ImageKind, SubmissionState, Verification
from mpss.accounts.identity_review import Reviewed, approve, list_for_review, look_at, look_at_image, refuse
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, PageLimit, Phone, SubmissionIdField, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.routes.identity import CustomerView, SubmissionView, customer_view, submission_view
from mpss.channels.http.views import NextCursor, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.masking import mask_phone
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")


class ReviewedView(SubmissionView):
    """What was submitted, by whom, and which images came with it."""

    phone: str = Field(examples=["+86189****0001"])
    customer: CustomerView
    images: list[ImageKind] = Field(description="of one submission alone", examples=[["front", "back"]])


class ReviewedListView(View):
    items: list[ReviewedView]
    next_cursor: NextCursor


class ImageView(View):
    media_type: str = Field(examples=["image/jpeg"])
    content: str = Field(description="base64", examples=["/9j/4AAQSkZJRg=="])


class ApproveBody(Body):
    verifications: list[Verification] = Field(
        min_length=1,
        max_length=len(Verification),
        description="channels that confirmed the name",
        examples=[["police"]],
    )


class RefuseBody(Body):
    reason: Annotated[str, *text(40)] = Field(description="the submitter is told", examples=["照片不清晰"])


def _view(found: Reviewed) -> ReviewedView:
    return ReviewedView(
        **submission_view(found.submission).model_dump(),
        phone=mask_phone(found.phone),
        customer=customer_view(found.customer),
        images=list(found.images),
    )


@SUBJECT.operation(
    "GET",
    "/v1/staff/identities",
    summary="List submitted names and documents",
    access=Access.STAFF,
    permission=Permission.IDENTITY_REVIEW,
    says={200: Said("A page, newest first, masked", ReviewedListView)},
    clauses=("CM 5.2.2",),
)
async def list_identities(
    request: Request,
    state: Annotated[SubmissionState | None, Query()] = None,
    phone: Annotated[Phone | None, Query()] = None,
    limit: Annotated[PageLimit, Query()] = 50,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Those that wait by `state=submitted`."""
    told, before = exchange(request), decode_id(cursor)
    found = await list_for_review(
        told.runtime, staff=told.staff, state=state, phone=phone, before=before, limit=limit + 1
    )
    found, following = cut(found, limit, lambda each: encode_id(each.submission.id))
    return reply(ReviewedListView(items=[_view(each) for each in found], next_cursor=following))


@SUBJECT.operation(
    "GET",
    "/v1/staff/identities/{submission_id}",
    summary="Look at a submission",
    access=Access.STAFF,
    permission=Permission.IDENTITY_REVIEW,
    says={200: Said("In clear", ReviewedView)},
    errors=(ErrorCode.NOT_FOUND,),
    clauses=("CM 5.2.2", "CM 8.2.1"),
)
async def look_at_submission(request: Request, submission_id: Annotated[SubmissionIdField, Path()]) -> Response:
    """Name, number, address and contact in clear, to be compared with the images. Who looked is on record."""
    told = exchange(request)
    return reply(_view(await look_at(told.runtime, staff=told.staff, submission_id=submission_id)))


@SUBJECT.operation(
    "GET",
    "/v1/staff/identities/{submission_id}/images/{image_kind}",
    summary="Look at an image of a document",
    access=Access.STAFF,
    permission=Permission.IDENTITY_REVIEW,
    says={200: Said("The image", ImageView)},
    errors=(ErrorCode.NOT_FOUND,),
    clauses=("CM 5.2.2", "CM 8.2.1"),
)
async def look_at_submitted_image(
    request: Request,
    submission_id: Annotated[SubmissionIdField, Path()],
    image_kind: Annotated[ImageKind, Path()],
) -> Response:
    """As it was submitted. Who looked is on record."""
    told = exchange(request)
    image = await look_at_image(told.runtime, staff=told.staff, submission_id=submission_id, kind=image_kind)
    view = ImageView(media_type=image.media_type, content=base64.b64encode(image.content).decode())
    return reply(view, headers={"cache-control": "no-store"})


@SUBJECT.operation(
    "POST",
    "/v1/staff/identities/{submission_id}/approve",
    summary="Approve a submission",
    access=Access.STAFF,
    permission=Permission.IDENTITY_REVIEW,
    says={200: Said("The account is real-name", ReviewedView)},
    errors=(
        ErrorCode.NOT_FOUND,
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.UPGRADE),
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.IDENTITY_MISMATCH,
    ),
    clauses=("CM 5.2.2",),
)
async def approve_submission(
    request: Request, body: ApproveBody, submission_id: Annotated[SubmissionIdField, Path()]
) -> Response:
    """One channel makes class I, three class II, five class III; the submitter is told."""
    told = exchange(request)
    found = await approve(told.runtime, staff=told.staff, submission_id=submission_id, verifications=body.verifications)
    return reply(_view(found))


@SUBJECT.operation(
    "POST",
    "/v1/staff/identities/{submission_id}/refuse",
    summary="Refuse a submission",
    access=Access.STAFF,
    permission=Permission.IDENTITY_REVIEW,
    says={200: Said("Refused, and the submitter told why", ReviewedView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 5.2.2",),
)
async def refuse_submission(
    request: Request, body: RefuseBody, submission_id: Annotated[SubmissionIdField, Path()]
) -> Response:
    """They may submit again."""
    told = exchange(request)
    found = await refuse(told.runtime, staff=told.staff, submission_id=submission_id, reason=body.reason)
    return reply(_view(found))

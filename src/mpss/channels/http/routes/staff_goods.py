"""Staff: goods are reviewed, published, refused, taken down. Spec: CT 5.5, 6.2."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.catalog.queries import get_product, review_queue
from mpss.catalog.review import MAX_NOTE, publish, refuse, take_down
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, PageLimit, ProductIdField, paragraphs
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, decode_id
from mpss.channels.http.routes.merchant_goods import (
    ProductsView,
    ProductView,
    picture_reply,
    product_view,
    products_view,
)
from mpss.channels.http.views import reply
from mpss.kernel.errors import ErrorCode, Refused
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")

ROOT = "/v1/staff/products"

_ERRORS = (ErrorCode.UNKNOWN_PRODUCT, ErrorCode.ILLEGAL_STATE)
Note = Annotated[str, *paragraphs(MAX_NOTE)]


class PublishBody(Body):
    revision: int = Field(
        strict=True, ge=1, le=2**31 - 1, description="the product's, as it was looked at", examples=[1]
    )
    note: Note = Field(default="", description="for the merchant", examples=[""])


class NoteBody(Body):
    note: Note = Field(description="tells the merchant why", examples=["图片不清晰"])


@SUBJECT.operation(
    "GET",
    ROOT,
    summary="List what waits for review",
    access=Access.STAFF,
    permission=Permission.PRODUCT_REVIEW,
    says={200: Said("A page, oldest first", ProductsView)},
    clauses=("CT 6.2",),
)
async def list_submitted(
    request: Request, limit: Annotated[PageLimit, Query()] = 50, cursor: Annotated[Cursor, Query()] = None
) -> Response:
    """Products that merchants have submitted."""
    told, after = exchange(request), decode_id(cursor)
    async with told.runtime.database.read() as uow:
        found = await review_queue(uow, after=after, limit=limit + 1)
    return reply(products_view(found, limit, root=ROOT))


@SUBJECT.operation(
    "GET",
    ROOT + "/{product_id}",
    summary="Look at a product under review",
    access=Access.STAFF,
    permission=Permission.PRODUCT_REVIEW,
    says={200: Said("The product as it stands, with the revision to name when it is published", ProductView)},
    errors=(ErrorCode.UNKNOWN_PRODUCT,),
    clauses=("CT 6.2",),
)
async def read_any_product(request: Request, product_id: Annotated[ProductIdField, Path()]) -> Response:
    """In any state."""
    told = exchange(request)
    async with told.runtime.database.read() as uow:
        product = await get_product(uow, product_id)
    if product is None:
        raise Refused(ErrorCode.UNKNOWN_PRODUCT)
    return reply(product_view(product, root=ROOT))


@SUBJECT.operation(
    "GET",
    ROOT + "/{product_id}/picture",
    summary="Look at the picture of a product under review",
    access=Access.STAFF,
    permission=Permission.PRODUCT_REVIEW,
    says={200: Said("The picture, PNG or JPEG", media_type="image/*")},
    errors=(ErrorCode.NOT_FOUND,),
    clauses=("CT 6.2",),
)
async def read_any_picture(request: Request, product_id: Annotated[ProductIdField, Path()]) -> Response:
    """In any state."""
    return await picture_reply(exchange(request), product_id)


@SUBJECT.operation(
    "POST",
    ROOT + "/{product_id}/publish",
    summary="Publish a product",
    access=Access.STAFF,
    permission=Permission.PRODUCT_REVIEW,
    says={200: Said("The product, on sale", ProductView)},
    errors=(*_ERRORS, ErrorCode.PRODUCT_CHANGED),
    clauses=("CT 5.5", "CT 6.2"),
)
async def publish_product(
    request: Request, product_id: Annotated[ProductIdField, Path()], body: PublishBody
) -> Response:  # fmt: skip
    """Puts a submitted product into the shop window, as the reviewer saw it.

    A product that its merchant edited and submitted again since is `product_changed`: look at it again.
    """
    told = exchange(request)
    product = await publish(told.runtime, product_id=product_id, revision=body.revision, by=told.staff, note=body.note)
    return reply(product_view(product, root=ROOT))


@SUBJECT.operation(
    "POST",
    ROOT + "/{product_id}/refuse",
    summary="Refuse a product",
    access=Access.STAFF,
    permission=Permission.PRODUCT_REVIEW,
    says={200: Said("The product, refused", ProductView)},
    errors=_ERRORS,
    clauses=("CT 6.2",),
)
async def refuse_product(
    request: Request, product_id: Annotated[ProductIdField, Path()], body: NoteBody
) -> Response:  # fmt: skip
    """Tells the merchant why; it may edit and submit again."""
    told = exchange(request)
    product = await refuse(told.runtime, product_id=product_id, by=told.staff, note=body.note)
    return reply(product_view(product, root=ROOT))


@SUBJECT.operation(
    "POST",
    ROOT + "/{product_id}/take-down",
    summary="Take a product down",
    access=Access.STAFF,
    permission=Permission.PRODUCT_REVIEW,
    says={200: Said("The product, withdrawn for good", ProductView)},
    errors=_ERRORS,
    clauses=("CT 5.5", "CT 6.2"),
)
async def take_product_down(
    request: Request, product_id: Annotated[ProductIdField, Path()], body: NoteBody
) -> Response:  # fmt: skip
    """Withdraws a product against its merchant's will."""
    told = exchange(request)
    product = await take_down(told.runtime, product_id=product_id, by=told.staff, note=body.note)
    return reply(product_view(product, root=ROOT))

"""Staff: goods are reviewed, published, refused, taken down. Spec: CT 5.5, 6.2."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.catalog.queries import review_queue
from mpss.catalog.review import MAX_NOTE, publish, refuse, take_down
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, PageLimit, ProductIdField, paragraphs
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, decode_id
from mpss.channels.http.routes.merchant_goods import ProductsView, ProductView, product_view, products_view
from mpss.channels.http.views import reply
from mpss.kernel.errors import ErrorCode
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")

_ERRORS = (ErrorCode.UNKNOWN_PRODUCT, ErrorCode.ILLEGAL_STATE)
Note = Annotated[str, *paragraphs(MAX_NOTE)]


class PublishBody(Body):
    note: Note = Field(default="", description="for the merchant", examples=[""])


class NoteBody(Body):
    note: Note = Field(description="tells the merchant why", examples=["图片不清晰"])


@SUBJECT.operation(
    "GET",
    "/v1/staff/products",
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
    return reply(products_view(found, limit))


@SUBJECT.operation(
    "POST",
    "/v1/staff/products/{product_id}/publish",
    summary="Publish a product",
    access=Access.STAFF,
    permission=Permission.PRODUCT_REVIEW,
    says={200: Said("The product, on sale", ProductView)},
    errors=_ERRORS,
    clauses=("CT 5.5", "CT 6.2"),
)
async def publish_product(
    request: Request, product_id: Annotated[ProductIdField, Path()], body: PublishBody
) -> Response:  # fmt: skip
    """Puts a submitted product into the shop window."""
    told = exchange(request)
    product = await publish(told.runtime, product_id=product_id, by=told.staff, note=body.note)
    return reply(product_view(product))


@SUBJECT.operation(
    "POST",
    "/v1/staff/products/{product_id}/refuse",
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
    return reply(product_view(product))


@SUBJECT.operation(
    "POST",
    "/v1/staff/products/{product_id}/take-down",
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
    return reply(product_view(product))

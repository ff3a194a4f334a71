"""A CP/SP's goods: upload, edit, submit, restock, withdraw. Spec: CT 5.5, 6.2."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.catalog.model import Product, ProductState, Scope
from mpss.catalog.queries import get_product, picture, products_of
from mpss.catalog.upload import (
    MAX_CATEGORY,
    MAX_DESCRIPTION,
    MAX_NAME,
    MAX_QUANTITY,
    ProductFields,
    edit_product,
    restock_product,
    submit_product,
    upload_product,
    withdraw_product,
)
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import AmountFen, Body, Currency, PageLimit, ProductIdField, View, paragraphs, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.views import AT_EXAMPLE, MERCHANT_EXAMPLE, PRODUCT_EXAMPLE, NextCursor, reply
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import MerchantId, ProductId

SUBJECT = Subject("Merchant")

ROOT = "/v1/merchant/products"
_PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

PICTURE_EXAMPLE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

Name = Annotated[str, *text(MAX_NAME)]
Category = Annotated[str, *text(MAX_CATEGORY)]
Description = Annotated[str, *paragraphs(MAX_DESCRIPTION)]
Quantity = Annotated[int, Field(strict=True, ge=0, le=MAX_QUANTITY)]
Picture = Annotated[str, Field(max_length=720_000, description="PNG or JPEG of at most 512 KiB, in base 64")]


class ProductBody(Body):
    name: Name = Field(examples=["手机充值券"])
    description: Description = Field(examples=["凭券码可在全国门店使用。"])
    category: Category = Field(examples=["票务"])
    price_fen: AmountFen
    currency: Currency
    scope: Scope = Field(
        description="local: the merchant's province; visited: those who are there from others", examples=["national"]
    )
    quantity: Quantity | None = Field(default=None, description="available; null: unlimited", examples=[100])
    picture: Picture | None = Field(default=None, examples=[PICTURE_EXAMPLE])


class ProductChangeBody(Body):
    """What is left out stays as it is; `picture` null removes it, `quantity` null makes it unlimited."""

    name: Name = Field(default="", examples=["手机充值券"])
    description: Description = Field(default="")
    category: Category = Field(default="")
    price_fen: AmountFen = Field(default=1, examples=[2600])
    currency: Currency = Field(default="CNY", description="goes with price_fen")
    scope: Scope = Field(default=Scope.NATIONAL)
    quantity: Quantity | None = Field(default=None)
    picture: Picture | None = Field(default=None)


class RestockBody(Body):
    change: int = Field(
        strict=True, ge=-MAX_QUANTITY, le=MAX_QUANTITY, description="pieces added; below zero: taken off", examples=[50]
    )


class GoodsView(View):
    """A product on sale."""

    product_id: str = Field(examples=[PRODUCT_EXAMPLE])
    merchant_id: str = Field(examples=[MERCHANT_EXAMPLE])
    merchant_name: str = Field(examples=["街角小铺"])
    province: str = Field(description="the merchant's", examples=["GD"])
    name: str = Field(examples=["手机充值券"])
    description: str = Field(examples=["凭券码可在全国门店使用。"])
    category: str = Field(examples=["票务"])
    price_fen: int = Field(examples=[2500])
    currency: str = Field(examples=["CNY"])
    scope: Scope = Field(examples=["national"])
    available: int | None = Field(description="null: unlimited", examples=[100])
    picture: str | None = Field(
        description="where it can be read", examples=[f"/v1/products/{PRODUCT_EXAMPLE}/picture"]
    )
    sms_code: int = Field(description="what subscribers type to buy it by SMS", examples=[8012])
    published_at: datetime | None = Field(examples=[AT_EXAMPLE])


class ProductView(GoodsView):
    """A product as its merchant and the reviewers see it."""

    state: ProductState = Field(examples=["submitted"])
    revision: int = Field(description="grows with each edit; a reviewer names the one looked at", examples=[1])
    review_note: str = Field(description="the reviewer's to the merchant", examples=[""])
    created_at: datetime = Field(examples=[AT_EXAMPLE])


class ProductsView(View):
    items: list[ProductView]
    next_cursor: NextCursor


def goods_fields(product: Product, *, root: str) -> dict[str, Any]:
    """The fields of a `GoodsView`; the picture can be read below `root`, by whom the operations there are for."""
    product_id = str(ProductId.from_uuid(product.id))
    return {
        "product_id": product_id,
        "merchant_id": str(MerchantId.from_uuid(product.merchant_id)),
        "merchant_name": product.merchant_name,
        "province": product.province,
        "name": product.name,
        "description": product.description,
        "category": product.category,
        "price_fen": product.price_fen,
        "currency": "CNY",
        "scope": Scope(product.scope),
        "available": product.available,
        "picture": None if product.picture_type is None else f"{root}/{product_id}/picture",
        "sms_code": product.sms_code,
        "published_at": product.published_at,
    }


def product_view(product: Product, *, root: str) -> ProductView:
    """The product as its merchant and the reviewers see it; `root` as in `goods_fields`."""
    return ProductView(
        **goods_fields(product, root=root),
        state=ProductState(product.state),
        revision=product.revision,
        review_note=product.review_note,
        created_at=product.created_at,
    )


def products_view(products: list[Product], limit: int, *, root: str) -> ProductsView:
    """A page in id order."""
    products, following = cut(products, limit, lambda product: encode_id(product.id))
    return ProductsView(items=[product_view(product, root=root) for product in products], next_cursor=following)


async def picture_reply(told: Exchange, product_id: ProductId, *, cache: str = "no-store") -> Response:
    """The product's picture, whatever its state: who asks may see it.

    Raises:
        Refused: NOT_FOUND.
    """
    async with told.runtime.database.read() as uow:
        found = await picture(uow, product_id)
    if found is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="the product has no picture")
    content, media_type = found
    headers = {"cache-control": cache, "content-security-policy": _PICTURE_POLICY}
    return Response(content, 200, headers, media_type)


async def _own_product(told: Exchange, product_id: ProductId) -> Product:
    async with told.runtime.database.read() as uow:
        product = await get_product(uow, product_id)
    if product is None or product.merchant_id != told.merchant.id:
        raise Refused(ErrorCode.UNKNOWN_PRODUCT)
    return product


def _view(product: Product) -> ProductView:
    return product_view(product, root=ROOT)


def _picture(encoded: str | None) -> bytes | None:
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedField(field="picture", problem="must be base 64") from None


@SUBJECT.operation(
    "GET",
    ROOT,
    summary="List one's goods",
    access=Access.MERCHANT,
    says={200: Said("A page, in the order they were uploaded", ProductsView)},
    clauses=("CT 6.2",),
)
async def list_merchant_products(
    request: Request, limit: Annotated[PageLimit, Query()] = 50, cursor: Annotated[Cursor, Query()] = None
) -> Response:
    """The merchant's goods in every state."""
    told, after = exchange(request), decode_id(cursor)
    async with told.runtime.database.read() as uow:
        found = await products_of(uow, told.merchant.id, after=after, limit=limit + 1)
    return reply(products_view(found, limit, root=ROOT))


@SUBJECT.operation(
    "POST",
    ROOT,
    summary="Upload a product",
    access=Access.MERCHANT,
    says={201: Said("The product, a draft", ProductView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT, ErrorCode.MERCHANT_NOT_ACTIVE),
    clauses=("CT 5.5", "CT 6.2"),
)
async def upload(request: Request, body: ProductBody) -> Response:
    """A draft: submit it for review, and a reviewer publishes it."""
    told = exchange(request)
    fields = ProductFields(
        body.name, body.description, body.category, body.price_fen, body.scope, body.quantity, _picture(body.picture)
    )
    product = await upload_product(told.runtime, merchant_id=told.merchant.id, fields=fields)
    return reply(_view(product), 201)


@SUBJECT.operation(
    "GET",
    ROOT + "/{product_id}",
    summary="Read one of one's goods",
    access=Access.MERCHANT,
    says={200: Said("The product as it stands", ProductView)},
    errors=(ErrorCode.UNKNOWN_PRODUCT,),
    clauses=("CT 6.2",),
)
async def read_merchant_product(request: Request, product_id: Annotated[ProductIdField, Path()]) -> Response:
    """In any state, with the reviewer's note."""
    return reply(_view(await _own_product(exchange(request), product_id)))


@SUBJECT.operation(
    "GET",
    ROOT + "/{product_id}/picture",
    summary="Look at the picture of one of one's goods",
    access=Access.MERCHANT,
    says={200: Said("The picture, PNG or JPEG", media_type="image/*")},
    errors=(ErrorCode.UNKNOWN_PRODUCT, ErrorCode.NOT_FOUND),
    clauses=("CT 6.2",),
)
async def read_merchant_picture(request: Request, product_id: Annotated[ProductIdField, Path()]) -> Response:
    """In any state."""
    told = exchange(request)
    await _own_product(told, product_id)
    return await picture_reply(told, product_id)


@SUBJECT.operation(
    "PATCH",
    ROOT + "/{product_id}",
    summary="Edit a product",
    access=Access.MERCHANT,
    says={200: Said("The product, a draft", ProductView)},
    errors=(ErrorCode.UNKNOWN_PRODUCT, ErrorCode.MERCHANT_NOT_ACTIVE, ErrorCode.ILLEGAL_STATE),
    clauses=("CT 6.2",),
)
async def edit(
    request: Request, product_id: Annotated[ProductIdField, Path()], body: ProductChangeBody
) -> Response:  # fmt: skip
    """Changes a product that is not published; a submitted or refused one is a draft again by this."""
    told = exchange(request)
    product = await _own_product(told, product_id)
    fields = ProductFields(
        product.name, product.description, product.category, product.price_fen, Scope(product.scope), product.available
    )
    given = body.model_dump(include=body.model_fields_set - {"currency", "picture"})
    edited = await edit_product(
        told.runtime,
        merchant_id=told.merchant.id,
        product_id=product_id,
        fields=replace(fields, **given, picture=_picture(body.picture)),
        keep_picture="picture" not in body.model_fields_set,
    )
    return reply(_view(edited))


@SUBJECT.operation(
    "POST",
    ROOT + "/{product_id}/submit",
    summary="Submit a product for review",
    access=Access.MERCHANT,
    says={200: Said("The product, submitted", ProductView)},
    errors=(
        ErrorCode.UNKNOWN_PRODUCT,
        ErrorCode.UNKNOWN_MERCHANT,
        ErrorCode.MERCHANT_NOT_ACTIVE,
        ErrorCode.ILLEGAL_STATE,
    ),
    clauses=("CT 6.2",),
)
async def submit(request: Request, product_id: Annotated[ProductIdField, Path()]) -> Response:
    """Hands a draft in; a reviewer publishes or refuses it."""
    told = exchange(request)
    return reply(_view(await submit_product(told.runtime, merchant_id=told.merchant.id, product_id=product_id)))


@SUBJECT.operation(
    "POST",
    ROOT + "/{product_id}/restock",
    summary="Change the quantity available",
    access=Access.MERCHANT,
    says={200: Said("The product with its new quantity", ProductView)},
    errors=(
        ErrorCode.UNKNOWN_PRODUCT,
        ErrorCode.UNKNOWN_MERCHANT,
        ErrorCode.MERCHANT_NOT_ACTIVE,
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.OUT_OF_STOCK,
    ),
    clauses=("CT 5.5", "CT 6.2"),
)
async def restock(
    request: Request, product_id: Annotated[ProductIdField, Path()], body: RestockBody
) -> Response:  # fmt: skip
    """Adds pieces to what is for sale, or takes some off."""
    told = exchange(request)
    product = await restock_product(
        told.runtime, merchant_id=told.merchant.id, product_id=product_id, change=body.change
    )  # fmt: skip
    return reply(_view(product))


@SUBJECT.operation(
    "POST",
    ROOT + "/{product_id}/withdraw",
    summary="Withdraw a product",
    access=Access.MERCHANT,
    says={200: Said("The product, withdrawn for good", ProductView)},
    errors=(ErrorCode.UNKNOWN_PRODUCT, ErrorCode.ILLEGAL_STATE),
    clauses=("CT 5.5", "CT 6.2"),
)
async def withdraw(request: Request, product_id: Annotated[ProductIdField, Path()]) -> Response:
    """Takes a product out for good; what was sold is delivered all the same."""
    told = exchange(request)
    return reply(_view(await withdraw_product(told.runtime, merchant_id=told.merchant.id, product_id=product_id)))

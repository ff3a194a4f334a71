"""What is sold here: by category, by search, the hot list; each product with its picture. Spec: CT 4.2, 5.5."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.catalog.browse import browse, hot_list
from mpss.catalog.model import Product, ProductState
from mpss.catalog.queries import categories, get_product
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import PageLimit, ProductIdField, Province, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, Place, cut, decode_place, encode_place
from mpss.channels.http.routes.merchant_goods import GoodsView, goods_fields, picture_reply
from mpss.channels.http.views import NextCursor, reply
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import ProductId

SUBJECT = Subject("Goods")

_PICTURE_SECONDS = 300

HomeProvince = Annotated[
    Province | None, Query(description="the subscriber's home province; this center's where it is left out")
]
VisitedProvince = Annotated[Province | None, Query(description="where the subscriber is, if not at home")]


class GoodsListView(View):
    items: list[GoodsView]
    next_cursor: NextCursor


class CategoryView(View):
    name: str = Field(examples=["票务"])
    products: int = Field(description="how many the subscriber may see", examples=[12])


class CategoriesView(View):
    items: list[CategoryView]


def _view(product: Product) -> GoodsView:
    return GoodsView(**goods_fields(product, root="/v1/products"))


def _home(told: Exchange, home_province: str | None) -> str:
    return home_province or told.runtime.settings.province


@SUBJECT.operation(
    "GET",
    "/v1/products",
    summary="Browse the goods",
    access=Access.OPEN,
    says={200: Said("A page, latest first; of the hot list, what sold most first", GoodsListView)},
    clauses=("CT 4.2", "CT 5.5"),
)
async def list_products(
    request: Request,
    home_province: HomeProvince = None,
    visited_province: VisitedProvince = None,
    category: Annotated[Annotated[str, *text(30)] | None, Query(description="only this category")] = None,
    q: Annotated[Annotated[str, *text(60)] | None, Query(description="a part of the name")] = None,
    hot: Annotated[
        bool, Query(description="the hot list (热点推荐): one page, without category, q and cursor")
    ] = False,
    limit: Annotated[PageLimit, Query()] = 50,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """What a subscriber of a province may buy: local, national and visited-area goods."""
    told, before = exchange(request), decode_place(cursor)
    home = _home(told, home_province)
    if hot:
        for name, value in (("category", category), ("q", q), ("cursor", cursor)):
            if value is not None:
                raise MalformedField(field=name, problem="does not go with hot")
        found = await hot_list(told.runtime, home_province=home, visited_province=visited_province, limit=limit)
        return reply(GoodsListView(items=[_view(product) for product in found], next_cursor=None))
    found = await browse(
        told.runtime,
        home_province=home,
        visited_province=visited_province,
        category=category,
        name=q,
        before=before,
        limit=limit + 1,
    )
    found, following = cut(found, limit, _place)
    return reply(GoodsListView(items=[_view(product) for product in found], next_cursor=following))


def _place(product: Product) -> str:
    assert product.published_at is not None
    return encode_place(Place(product.published_at, product.id))


@SUBJECT.operation(
    "GET",
    "/v1/categories",
    summary="List the categories",
    access=Access.OPEN,
    says={200: Said("The categories with something in them", CategoriesView)},
    clauses=("CT 5.5",),
)
async def list_categories(
    request: Request, home_province: HomeProvince = None, visited_province: VisitedProvince = None
) -> Response:
    """By name, each with how much of it the subscriber may see."""
    told = exchange(request)
    async with told.runtime.database.read() as uow:
        found = await categories(
            uow, home_province=_home(told, home_province), visited_province=visited_province
        )  # fmt: skip
    return reply(CategoriesView(items=[CategoryView(name=name, products=count) for name, count in found.items()]))


async def _published(told: Exchange, product_id: ProductId) -> Product:
    async with told.runtime.database.read() as uow:
        product = await get_product(uow, product_id)
    if product is None or product.state != ProductState.PUBLISHED:
        raise Refused(ErrorCode.UNKNOWN_PRODUCT)
    return product


@SUBJECT.operation(
    "GET",
    "/v1/products/{product_id}",
    summary="Look at a product",
    access=Access.OPEN,
    says={200: Said("The product", GoodsView)},
    errors=(ErrorCode.UNKNOWN_PRODUCT,),
    clauses=("CT 5.5",),
)
async def read_product(request: Request, product_id: Annotated[ProductIdField, Path()]) -> Response:
    """Name, introduction, provider, price, quantity available, picture. Published ones only."""
    return reply(_view(await _published(exchange(request), product_id)))


@SUBJECT.operation(
    "GET",
    "/v1/products/{product_id}/picture",
    summary="Look at a product's picture",
    access=Access.OPEN,
    says={200: Said("The picture, PNG or JPEG", media_type="image/*")},
    errors=(ErrorCode.UNKNOWN_PRODUCT, ErrorCode.NOT_FOUND),
    clauses=("CT 5.5",),
)
async def read_picture(request: Request, product_id: Annotated[ProductIdField, Path()]) -> Response:
    """Of published products only."""
    told = exchange(request)
    await _published(told, product_id)
    return await picture_reply(told, product_id, cache=f"public, max-age={_PICTURE_SECONDS}")

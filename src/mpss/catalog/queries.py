"""Reads of goods for channels: one product, the shop window by category, search, hot list, a merchant's own, the review
queue. What a subscriber may see is decided here by the rule of `model.in_scope`, in SQL.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from mpss.catalog.model import Product
from mpss.db.database import UnitOfWork

_PRODUCT: LiteralString = """
    SELECT p.id, p.merchant_id, m.name AS merchant_name, m.province, p.name, p.description, p.category, p.price_fen,
           p.scope, p.state, p.picture_type, p.revision, p.review_note, p.created_at, p.published_at, p.sms_code,
           CASE WHEN p.has_stock THEN (SELECT coalesce(sum(s.available), 0)::bigint FROM product_stock AS s
                                        WHERE s.product_id = p.id) END AS available
      FROM product AS p JOIN merchant AS m ON m.id = p.merchant_id
"""
_ON_SALE: LiteralString = """
     WHERE p.state = 'published' AND m.state = 'active'
       AND (p.scope = 'national'
            OR (p.scope = 'local' AND m.province = %(home)s)
            OR (p.scope = 'visited' AND m.province <> %(home)s AND m.province = %(visited)s))
"""
_ONE: LiteralString = _PRODUCT + " WHERE p.id = %(id)s"
_BY_SMS_CODE: LiteralString = _PRODUCT + " WHERE p.sms_code = %(sms_code)s"
_BROWSE: LiteralString = (
    _PRODUCT
    + _ON_SALE
    + """
       AND (%(category)s::text IS NULL OR p.category = %(category)s)
       AND (%(name)s::text IS NULL OR strpos(lower(p.name), lower(%(name)s)) > 0)
       AND (%(at)s::timestamptz IS NULL OR (p.published_at, p.id) < (%(at)s, %(id)s::uuid))
     ORDER BY p.published_at DESC, p.id DESC LIMIT %(limit)s
"""
)
_HOT: LiteralString = (
    _PRODUCT
    + " JOIN product_heat AS h ON h.product_id = p.id "
    + _ON_SALE
    + " ORDER BY h.sold DESC, p.id LIMIT %(limit)s"
)
_CATEGORIES: LiteralString = (
    "SELECT p.category, count(*) AS count FROM product AS p JOIN merchant AS m ON m.id = p.merchant_id "
    + _ON_SALE
    + " GROUP BY p.category ORDER BY p.category"
)
_OF_MERCHANT: LiteralString = (
    _PRODUCT
    + """
     WHERE p.merchant_id = %(merchant_id)s AND (%(after)s::uuid IS NULL OR p.id > %(after)s)
     ORDER BY p.id LIMIT %(limit)s
"""
)
_SUBMITTED: LiteralString = (
    _PRODUCT
    + " WHERE p.state = 'submitted' AND (%(after)s::uuid IS NULL OR p.id > %(after)s) ORDER BY p.id LIMIT %(limit)s"
)
_PICTURE: LiteralString = "SELECT picture, picture_type FROM product WHERE id = %(id)s AND picture IS NOT NULL"


async def get_product(uow: UnitOfWork, product_id: UUID) -> Product | None:
    return await uow.row(Product, _ONE, {"id": product_id})


async def product_of_sms_code(uow: UnitOfWork, sms_code: int) -> Product | None:
    """The product a subscriber names in an SMS, in any state."""
    return await uow.row(Product, _BY_SMS_CODE, {"sms_code": sms_code})


async def browse(
    uow: UnitOfWork,
    *,
    home_province: str,
    visited_province: str | None,
    category: str | None = None,
    name: str | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Product]:
    """A page of what a subscriber may see, latest first, of one category or of all.

    `name` is a part of the name, in any case of letters. `before` is (published_at, id) of the last product of the
    page before. `visited_province` is where the subscriber is, None at home.
    """
    at, last_id = before or (None, None)
    asked: dict[str, Any] = {"home": home_province, "visited": visited_province, "category": category, "name": name}
    return await uow.rows(Product, _BROWSE, {**asked, "at": at, "id": last_id, "limit": limit})


async def hot_list(
    uow: UnitOfWork, *, home_province: str, visited_province: str | None, limit: int = 10
) -> list[Product]:
    """What sold most lately of what a subscriber may see, most first."""
    return await uow.rows(Product, _HOT, {"home": home_province, "visited": visited_province, "limit": limit})


async def categories(uow: UnitOfWork, *, home_province: str, visited_province: str | None) -> dict[str, int]:
    """The categories a subscriber may see something of, with how much."""
    rows = await uow.dicts(_CATEGORIES, {"home": home_province, "visited": visited_province})
    return {row["category"]: row["count"] for row in rows}


async def products_of(
    uow: UnitOfWork, merchant_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[Product]:
    """A page of a merchant's goods in every state, in the order they were uploaded."""
    return await uow.rows(Product, _OF_MERCHANT, {"merchant_id": merchant_id, "after": after, "limit": limit})


async def review_queue(uow: UnitOfWork, *, after: UUID | None = None, limit: int = 50) -> list[Product]:
    """A page of what waits for review, oldest first."""
    return await uow.rows(Product, _SUBMITTED, {"after": after, "limit": limit})


async def picture(uow: UnitOfWork, product_id: UUID) -> tuple[bytes, str] | None:
    """A product's picture and its media type, or None where it has none."""
    found = await uow.dicts(_PICTURE, {"id": product_id})
    return (found[0]["picture"], found[0]["picture_type"]) if found else None

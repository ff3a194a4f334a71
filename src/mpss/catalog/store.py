"""The products' tables. Stock is kept in portions, one slot a desk; the quantity available is their sum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from mpss.catalog.model import ProductRow, ProductState, Scope, StockRow, gather
from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet

LOCK_COMMON_PORTIONS = """
    -- First and by itself: whoever gathers waits here, and sees in the next statement what the one before it made.
    SELECT FROM product_stock WHERE product_id = ANY(%(ids)s::uuid[]) AND slot = 0 ORDER BY product_id FOR UPDATE
"""

LOCK_PORTIONS = """
    -- In (product, slot) order, so that two desks gathering at once cannot deadlock.
    SELECT product_id, slot, available FROM product_stock
     WHERE product_id = ANY(%(ids)s::uuid[]) ORDER BY product_id, slot FOR UPDATE
"""

SAVE_PORTIONS = """
    INSERT INTO product_stock (product_id, slot, available)
    SELECT * FROM unnest(%(ids)b::uuid[], %(slots)b::int2[], %(available)b::int4[])
    ON CONFLICT (product_id, slot) DO UPDATE SET available = EXCLUDED.available
"""


_SCOPES = {scope.value: scope for scope in Scope}
_STATES = {state.value: state for state in ProductState}


def _product(record: Sequence[Any]) -> tuple[UUID, ProductRow]:
    id_, merchant_id, name, price_fen, scope, state, has_stock = record
    return id_, ProductRow(id_, merchant_id, name, price_fen, _SCOPES[scope], _STATES[state], has_stock)


def _stock(record: Sequence[Any]) -> tuple[UUID, StockRow]:
    return record[0], StockRow(record[1], False)


def _stock_columns(rows: Sequence[tuple[UUID, StockRow]]) -> dict[str, list[Any]]:
    return {"ids": [key for key, _ in rows], "available": [row.available for _, row in rows]}


async def refill(uow: UnitOfWork, needs: Iterable[tuple[UUID, int]], slot: int) -> dict[UUID, StockRow]:
    """Gather stock into the portion of desk `slot`, until each product's holds the quantity needed.

    Every product asked for is in the result; `exhausted` where all portions together hold less than the need.
    """
    wanted: dict[UUID, int] = {}
    for product_id, need in needs:
        wanted[product_id] = max(need, wanted.get(product_id, 0))
    portions: dict[UUID, dict[int, int]] = {product_id: {} for product_id in wanted}
    for product_id, slot_, quantity in await _lock_portions(uow, list(wanted)):
        portions[product_id][slot_] = quantity

    changed: list[tuple[UUID, int, int]] = []
    result: dict[UUID, StockRow] = {}
    for product_id, others in portions.items():
        before = others.pop(slot, 0)
        after = gather(wanted[product_id], own=before, others=others)
        result[product_id] = StockRow(after.own, after.exhausted)
        if after.own != before:
            changed.append((product_id, slot, after.own))
            changed.extend((product_id, other, left) for other, left in after.others.items())
    if changed:
        changed.sort()
        ids, slots, available = (list(column) for column in zip(*changed, strict=True))
        await uow.execute(SAVE_PORTIONS, {"ids": ids, "slots": slots, "available": available})
    return result


async def _lock_portions(uow: UnitOfWork, product_ids: list[UUID]) -> list[tuple[UUID, int, int]]:
    """Lock every portion of the products: product, slot, quantity.

    In one statement, a portion that another desk made while we waited for the common store would be missed: a
    statement sees the new version of a row it waited for, and not a new row.
    """
    await uow.execute(LOCK_COMMON_PORTIONS, {"ids": product_ids})
    records = await uow.dicts(LOCK_PORTIONS, {"ids": product_ids})
    return [(record["product_id"], record["slot"], record["available"]) for record in records]


PRODUCTS: RowSet[UUID, ProductRow] = RowSet(
    name="product",
    order=32,
    load="""
        SELECT id, merchant_id, name, price_fen, scope, state, has_stock
          FROM product WHERE id = ANY(%(keys)b::uuid[])
    """,
    make=_product,
)

STOCK: RowSet[UUID, StockRow] = RowSet(
    name="product_stock",
    order=40,
    load="""
        SELECT product_id, available FROM product_stock
         WHERE product_id = ANY(%(keys)b::uuid[]) AND slot = %(slot)s ORDER BY product_id FOR UPDATE
    """,
    make=_stock,
    save="""
        INSERT INTO product_stock (product_id, slot, available)
        SELECT given.id, %(slot)s, given.available
          FROM unnest(%(ids)b::uuid[], %(available)b::int4[]) AS given (id, available)
        ON CONFLICT (product_id, slot) DO UPDATE SET available = EXCLUDED.available
    """,
    columns=_stock_columns,
    refill=refill,
)

INSERT_PRODUCT = """
    INSERT INTO product (id, merchant_id, name, description, category, price_fen, scope, state, has_stock, picture,
                         picture_type, created_at)
    VALUES (%(id)s, %(merchant_id)s, %(name)s, %(description)s, %(category)s, %(price_fen)s, %(scope)s, 'draft',
            %(has_stock)s, %(picture)s, %(picture_type)s, %(created_at)s)
"""

UPDATE_DRAFT = """
    UPDATE product
       SET revision = revision + 1, name = %(name)s, description = %(description)s, category = %(category)s,
           price_fen = %(price_fen)s, scope = %(scope)s, has_stock = %(has_stock)s,
           picture = CASE WHEN %(keep_picture)s THEN picture ELSE %(picture)s END,
           picture_type = CASE WHEN %(keep_picture)s THEN picture_type ELSE %(picture_type)s END
     WHERE id = %(id)s AND state = 'draft'
"""

DROP_PORTIONS = "UPDATE product_stock SET available = 0 WHERE product_id = %(id)s"

PUT_COMMON_PORTION = """
    INSERT INTO product_stock (product_id, slot, available) VALUES (%(id)s, 0, %(available)s)
    ON CONFLICT (product_id, slot) DO UPDATE SET available = EXCLUDED.available
"""

MOVE = """
    UPDATE product
       SET state = %(to)s, review_note = coalesce(%(note)s, review_note),
           published_at = CASE WHEN %(to)s = 'published' THEN %(now)s ELSE published_at END
     WHERE id = %(id)s AND state = %(from)s AND revision = coalesce(%(revision)s, revision)
"""

MERCHANT_STATE = "SELECT state FROM merchant WHERE id = %(id)s FOR SHARE"

REFRESH_HEAT = """
    -- What sold since; a product that sold nothing leaves the list.
    WITH sold AS (
        SELECT product_id, sum(quantity)::bigint AS sold FROM transaction
         WHERE id >= %(first)s AND kind = 'purchase' AND state = 'SUCCEEDED' AND product_id IS NOT NULL
         GROUP BY product_id
    ), gone AS (
        DELETE FROM product_heat WHERE product_id NOT IN (SELECT product_id FROM sold)
    )
    INSERT INTO product_heat (product_id, sold, refreshed_at) SELECT product_id, sold, %(now)s FROM sold
    ON CONFLICT (product_id) DO UPDATE SET sold = EXCLUDED.sold, refreshed_at = EXCLUDED.refreshed_at
"""


async def set_quantity(uow: UnitOfWork, product_id: UUID, quantity: int) -> None:
    """Make the quantity available `quantity`, all of it in the common store."""
    await _lock_portions(uow, [product_id])
    await uow.execute(DROP_PORTIONS, {"id": product_id})
    await uow.execute(PUT_COMMON_PORTION, {"id": product_id, "available": quantity})


async def change_quantity(uow: UnitOfWork, product_id: UUID, change: int) -> int | None:
    """Add to the quantity available, or take from it; what there is then, or None when there is less than is taken."""
    portions = {slot: quantity for _, slot, quantity in await _lock_portions(uow, [product_id])}
    total: int = sum(portions.values()) + change
    if total < 0:
        return None
    if change < 0:
        common = portions.pop(0, 0)
        after = gather(-change, own=common, others=portions)
        moved = [(product_id, slot, left) for slot, left in sorted(after.others.items())]
        await _save(uow, [(product_id, 0, after.own + change), *moved])
    else:
        await _save(uow, [(product_id, 0, portions.get(0, 0) + change)])
    return total


async def _save(uow: UnitOfWork, portions: list[tuple[UUID, int, int]]) -> None:
    ids, slots, available = (list(column) for column in zip(*portions, strict=True))
    await uow.execute(SAVE_PORTIONS, {"ids": ids, "slots": slots, "available": available})


async def insert_product(uow: UnitOfWork, row: dict[str, Any]) -> None:
    await uow.execute(INSERT_PRODUCT, row)


async def update_draft(uow: UnitOfWork, row: dict[str, Any]) -> bool:
    """Rewrite a draft; False when the product is no draft (any more)."""
    return await uow.execute(UPDATE_DRAFT, row) == 1


async def move(
    uow: UnitOfWork,
    product_id: UUID,
    *,
    source: ProductState,
    target: ProductState,
    note: str | None,
    now: datetime,
    revision: int | None = None,
) -> bool:
    """Compare and set the state; False when it was not `source` any more, or `revision` not the present one."""
    asked = {"id": product_id, "from": source, "to": target, "note": note, "now": now, "revision": revision}
    return await uow.execute(MOVE, asked) == 1


async def merchant_is_active(uow: UnitOfWork, merchant_id: UUID) -> bool | None:
    """None where there is no such merchant. Its row is held, so that it is not suspended meanwhile."""
    state = await uow.value(MERCHANT_STATE, {"id": merchant_id})
    return None if state is None else state == "active"


async def refresh_heat(uow: UnitOfWork, *, first: UUID, now: datetime) -> int:
    """Count what sold in the transactions from id `first` on; how many products did."""
    return await uow.execute(REFRESH_HEAT, {"first": first, "now": now})

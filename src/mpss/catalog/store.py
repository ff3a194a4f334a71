"""The products' tables. Stock is kept in portions, one slot a desk; the quantity available is their sum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from mpss.catalog.model import ProductRow, ProductState, Scope, StockRow, gather
from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet

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


def _product(record: Sequence[Any]) -> tuple[UUID, ProductRow]:
    id_, merchant_id, name, price_fen, scope, state, has_stock = record
    return id_, ProductRow(id_, merchant_id, name, price_fen, Scope(scope), ProductState(state), has_stock)


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
    for record in await uow.dicts(LOCK_PORTIONS, {"ids": list(wanted)}):
        portions[record["product_id"]][record["slot"]] = record["available"]

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

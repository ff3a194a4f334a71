"""A CP/SP uploads goods, edits them while they are drafts, submits them for review, restocks and withdraws them.

Invariants: (1) name, price, picture and scope change in a draft alone, and what is on sale was reviewed so; (2) the
quantity available is never below zero. Spec: CT 5.5, 6.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from mpss.catalog.machine import PRODUCT, ProductEvent
from mpss.catalog.model import Product, ProductState, Scope
from mpss.catalog.queries import get_product
from mpss.catalog.store import (
    change_quantity,
    insert_product,
    merchant_is_active,
    move,
    set_quantity,
    update_draft,
)
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import MerchantId, ProductId
from mpss.kernel.machine import IllegalMove
from mpss.kernel.money import MAX_FEN
from mpss.runtime import Runtime
from mpss.staff.audit import record

MAX_NAME = 60
MAX_CATEGORY = 30
MAX_DESCRIPTION = 2_000
MAX_QUANTITY = 1_000_000
MAX_PICTURE_BYTES = 512 * 1024
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


@dataclass(frozen=True, slots=True)
class ProductFields:
    """What a CP/SP says of a product. `quantity` None is unlimited; `picture` is PNG or JPEG, or None."""

    name: str
    description: str
    category: str
    price_fen: int
    scope: Scope
    quantity: int | None
    picture: bytes | None = None


async def upload_product(runtime: Runtime, *, merchant_id: UUID, fields: ProductFields) -> Product:
    """Upload a product as a draft.

    Raises:
        MalformedField, Refused (PAYLOAD_TOO_LARGE): a field is out of form.
        Refused: UNKNOWN_MERCHANT, MERCHANT_NOT_ACTIVE.
    """
    row = _checked(fields)
    now = runtime.clock.now()
    product_id = ProductId.new(now)
    async with runtime.database.transaction() as uow:
        await _require_active(uow, merchant_id)
        await insert_product(uow, {**row, "id": product_id, "merchant_id": merchant_id, "created_at": now})
        if fields.quantity is not None:
            await set_quantity(uow, product_id, fields.quantity)
        return await _reread(uow, product_id)


async def edit_product(
    runtime: Runtime, *, merchant_id: UUID, product_id: UUID, fields: ProductFields, keep_picture: bool = False
) -> Product:
    """Rewrite a draft; a submitted or refused product becomes a draft again by this.

    Raises:
        MalformedField, Refused (PAYLOAD_TOO_LARGE): a field is out of form.
        Refused: UNKNOWN_PRODUCT (no such product of this merchant), MERCHANT_NOT_ACTIVE.
        IllegalMove: it is published or withdrawn.
    """
    row = _checked(fields)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        await _require_active(uow, merchant_id)
        product = await _own(uow, merchant_id, product_id)
        state = ProductState(product.state)
        if state is not ProductState.DRAFT:
            draft = PRODUCT.move(state, ProductEvent.REVISE)
            _compare_and_set(await move(uow, product_id, source=state, target=draft, note="", now=now))
        _compare_and_set(await update_draft(uow, {**row, "id": product_id, "keep_picture": keep_picture}))
        await set_quantity(uow, product_id, fields.quantity or 0)
        return await _reread(uow, product_id)


async def submit_product(runtime: Runtime, *, merchant_id: UUID, product_id: UUID) -> Product:
    """Hand a draft in for review.

    Raises:
        Refused: UNKNOWN_PRODUCT, MERCHANT_NOT_ACTIVE.
        IllegalMove: it is no draft.
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        await _require_active(uow, merchant_id)
        product = await _own(uow, merchant_id, product_id)
        source = ProductState(product.state)
        target = PRODUCT.move(source, ProductEvent.SUBMIT)
        _compare_and_set(await move(uow, product_id, source=source, target=target, note=None, now=now))
        return await _reread(uow, product_id)


async def restock_product(runtime: Runtime, *, merchant_id: UUID, product_id: UUID, change: int) -> Product:
    """Add `change` pieces to the quantity available, or take some off sale where it is below zero.

    Raises:
        MalformedField: `change` is zero or out of range.
        Refused: UNKNOWN_PRODUCT; MERCHANT_NOT_ACTIVE; OUT_OF_STOCK, fewer are left than shall be taken off;
            ILLEGAL_STATE, the quantity is unlimited.
        IllegalMove: it is withdrawn.
    """
    if change == 0 or abs(change) > MAX_QUANTITY:
        raise MalformedField(field="change", problem=f"must be from 1 to {MAX_QUANTITY} pieces, added or taken off")
    async with runtime.database.transaction() as uow:
        await _require_active(uow, merchant_id)
        product = await _own(uow, merchant_id, product_id)
        if product.state == ProductState.WITHDRAWN:
            raise IllegalMove(PRODUCT.name, product.state, "restock")
        if product.available is None:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the quantity of this product is unlimited")
        left = await change_quantity(uow, product_id, change)
        if left is None:
            raise Refused(ErrorCode.OUT_OF_STOCK, detail="fewer are left", field="change")
        if left > MAX_QUANTITY:
            raise MalformedField(field="change", problem=f"would make more than {MAX_QUANTITY} pieces")
        return await _reread(uow, product_id)


async def withdraw_product(runtime: Runtime, *, merchant_id: UUID, product_id: UUID) -> Product:
    """Take a product out for good; what was sold is delivered all the same.

    Raises:
        Refused: UNKNOWN_PRODUCT.
        IllegalMove: it is withdrawn already.
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        product = await _own(uow, merchant_id, product_id)
        source = ProductState(product.state)
        target = PRODUCT.move(source, ProductEvent.WITHDRAW)
        _compare_and_set(await move(uow, product_id, source=source, target=target, note=None, now=now))
        actor = f"merchant:{MerchantId.from_uuid(merchant_id)}"
        subject = str(ProductId.from_uuid(product_id))
        await record(uow, at=now, actor=actor, action="product.withdraw", subject=subject, detail={})
        return await _reread(uow, product_id)


def picture_type(picture: bytes) -> str:
    """The media type of a picture, by its first bytes.

    Raises:
        Refused: PAYLOAD_TOO_LARGE, or UNSUPPORTED_MEDIA_TYPE for anything but PNG and JPEG.
    """
    if len(picture) > MAX_PICTURE_BYTES:
        raise Refused(ErrorCode.PAYLOAD_TOO_LARGE, detail="a picture has at most 512 KiB", field="picture")
    for magic, media_type in _MAGIC:
        if picture.startswith(magic):
            return media_type
    raise Refused(ErrorCode.UNSUPPORTED_MEDIA_TYPE, detail="a picture is PNG or JPEG", field="picture")


def _checked(fields: ProductFields) -> dict[str, object]:
    if not 1 <= fields.price_fen <= MAX_FEN:
        raise MalformedField(field="price_fen", problem=f"must be from 1 to {MAX_FEN} fen")
    if fields.quantity is not None and not 0 <= fields.quantity <= MAX_QUANTITY:
        raise MalformedField(field="quantity", problem=f"must be from 0 to {MAX_QUANTITY}, or none where unlimited")
    return {
        "name": _line("name", fields.name, MAX_NAME),
        "description": _text("description", fields.description, MAX_DESCRIPTION),
        "category": _line("category", fields.category, MAX_CATEGORY),
        "price_fen": fields.price_fen,
        "scope": fields.scope,
        "has_stock": fields.quantity is not None,
        "picture": fields.picture,
        "picture_type": None if fields.picture is None else picture_type(fields.picture),
    }


def _line(field: str, value: str, longest: int) -> str:
    trimmed = value.strip()
    if not trimmed or len(trimmed) > longest or not trimmed.isprintable():
        raise MalformedField(field=field, problem=f"must be 1 to {longest} printable characters")
    return trimmed


def _text(field: str, value: str, longest: int) -> str:
    trimmed = value.strip()
    if len(trimmed) > longest or not trimmed.replace("\n", "").replace("\r", "").isprintable():
        raise MalformedField(field=field, problem=f"must be at most {longest} printable characters, lines allowed")
    return trimmed


async def _require_active(uow: UnitOfWork, merchant_id: UUID) -> None:
    active = await merchant_is_active(uow, merchant_id)
    if active is None:
        raise Refused(ErrorCode.UNKNOWN_MERCHANT)
    if not active:
        raise Refused(ErrorCode.MERCHANT_NOT_ACTIVE)


async def _own(uow: UnitOfWork, merchant_id: UUID, product_id: UUID) -> Product:
    product = await get_product(uow, product_id)
    if product is None or product.merchant_id != merchant_id:
        raise Refused(ErrorCode.UNKNOWN_PRODUCT)
    return product


async def _reread(uow: UnitOfWork, product_id: UUID) -> Product:
    product = await get_product(uow, product_id)
    assert product is not None
    return product


def _compare_and_set(done: bool) -> None:
    if not done:
        raise Refused(ErrorCode.BUSY, detail="somebody else changed the product just now")

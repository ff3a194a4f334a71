"""Content review of what merchants submit, by a staff member; every act is in the audit record. Spec: CT 5.5, 6.2."""

from __future__ import annotations

from uuid import UUID

from mpss.catalog.machine import PRODUCT, ProductEvent
from mpss.catalog.model import Product, ProductState
from mpss.catalog.queries import get_product
from mpss.catalog.store import move
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import ProductId
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.members import PLATFORM
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

MAX_NOTE = 500


async def publish(
    runtime: Runtime, *, product_id: UUID, revision: int, note: str = "", by: StaffMember | None = None
) -> Product:
    """Put a submitted product into the shop window. `by` None is the platform's own command line.

    `revision` is the one the reviewer looked at: its merchant may edit and submit again between the look and this.

    Raises:
        Refused: FORBIDDEN, UNKNOWN_PRODUCT; PRODUCT_CHANGED, it is of another revision.
        IllegalMove: it is not submitted.
    """
    return await _review(runtime, product_id, ProductEvent.PUBLISH, by, note, revision)


async def refuse(runtime: Runtime, *, product_id: UUID, note: str, by: StaffMember | None = None) -> Product:
    """Refuse a submitted product; `note` tells the merchant why.

    Raises:
        MalformedField: there is no note.
        Refused: FORBIDDEN, UNKNOWN_PRODUCT.
        IllegalMove: it is not submitted.
    """
    if not note.strip():
        raise MalformedField(field="note", problem="must say why")
    return await _review(runtime, product_id, ProductEvent.REFUSE, by, note)


async def take_down(runtime: Runtime, *, product_id: UUID, note: str, by: StaffMember | None = None) -> Product:
    """Withdraw a product against its merchant's will; `note` says why.

    Raises:
        MalformedField: there is no note.
        Refused: FORBIDDEN, UNKNOWN_PRODUCT.
        IllegalMove: it is withdrawn already.
    """
    if not note.strip():
        raise MalformedField(field="note", problem="must say why")
    return await _review(runtime, product_id, ProductEvent.WITHDRAW, by, note)


async def _review(
    runtime: Runtime,
    product_id: UUID,
    event: ProductEvent,
    by: StaffMember | None,
    note: str,
    revision: int | None = None,
) -> Product:
    if by is not None:
        by.require(Permission.PRODUCT_REVIEW)
    actor = PLATFORM if by is None else str(by.id)
    note = note.strip()
    if len(note) > MAX_NOTE:
        raise MalformedField(field="note", problem=f"must be at most {MAX_NOTE} characters")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        product = await get_product(uow, product_id)
        if product is None:
            raise Refused(ErrorCode.UNKNOWN_PRODUCT)
        source = ProductState(product.state)
        target = PRODUCT.move(source, event)
        if revision is not None and revision != product.revision:
            why = f"its merchant edited it: look at revision {product.revision}"
            raise Refused(ErrorCode.PRODUCT_CHANGED, detail=why, field="revision")
        if not await move(uow, product_id, source=source, target=target, note=note, now=now, revision=product.revision):
            raise Refused(ErrorCode.BUSY, detail="somebody else changed the product just now")
        subject = str(ProductId.from_uuid(product_id))
        detail = {"note": note, "revision": product.revision}
        await record(uow, at=now, actor=actor, action=f"product.{event}", subject=subject, detail=detail)
        reviewed = await get_product(uow, product_id)
        assert reviewed is not None
        return reviewed

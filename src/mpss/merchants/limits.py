"""Staff say what a merchant may be paid: at once, and on a business day. Spec: CM 9.5. Decision: ADR-0026."""

from __future__ import annotations

from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import MerchantId
from mpss.ledger.day_close import FENCE
from mpss.ledger.verify import Check
from mpss.merchants.limit_store import (
    DIFFER,
    MerchantLimits,
    find_limits,
    lock_limits,
    save_limits,
    stand_still,
)
from mpss.merchants.model import MerchantState
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission


async def set_merchant_limits(
    runtime: Runtime, *, merchant_id: UUID, single_limit_fen: int | None, daily_limit_fen: int | None, by: StaffMember
) -> MerchantLimits:
    """Set both limits, or lift them with None; they hold at once.

    Payments stand still for the moment in which what was paid today is counted.

    Raises:
        Refused: FORBIDDEN, UNKNOWN_MERCHANT; ILLEGAL_STATE, it is closed.
    """
    by.require(Permission.MERCHANT_LIMITS)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        await stand_still(uow, FENCE)
        before = await lock_limits(uow, merchant_id)
        if before is None:
            raise Refused(ErrorCode.UNKNOWN_MERCHANT)
        if before[0] == MerchantState.CLOSED:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the merchant is closed")
        await save_limits(uow, merchant_id, single_fen=single_limit_fen, daily_fen=daily_limit_fen)
        detail = {"from": list(before[1:]), "to": [single_limit_fen, daily_limit_fen]}
        subject = str(MerchantId.from_uuid(merchant_id))
        await record(uow, at=now, actor=str(by.id), action="merchant.limits", subject=subject, detail=detail)
        found = await find_limits(uow, merchant_id)
    assert found is not None
    return found


async def merchant_limits(runtime: Runtime, *, merchant_id: UUID, by: StaffMember) -> MerchantLimits:
    """
    Raises:
        Refused: FORBIDDEN, UNKNOWN_MERCHANT.
    """
    by.require(Permission.MERCHANT_LIMITS)
    async with runtime.database.read() as uow:
        found = await find_limits(uow, merchant_id)
    if found is None:
        raise Refused(ErrorCode.UNKNOWN_MERCHANT)
    return found


async def verify_merchant_limits(uow: UnitOfWork) -> list[Check]:
    """What merchants were paid today is counted again. Spec: CM 9.5."""
    return [Check("the merchants' daily counters equal what they were paid", int(await uow.value(DIFFER)))]

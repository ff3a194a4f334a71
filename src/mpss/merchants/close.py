"""Closing by a merchant (商户销户): asked for by itself or by staff, decided by two people, a notice period, then gone.

    active, suspended ──approved by another──► closing ──notice over, sales final──► ending ──nothing owed──► closed
                                                  └──called off──► suspended

A closing merchant sells nothing more, and may still take sales back until its notice period is over: until then what
is payable to it covers that. Once it is ending, what is payable is counted and settled (transactions/settlement.py).

Invariants: (1) nothing but a settlement is posted to a merchant that is ending, nothing at all to one that is closed,
which the desk looks at with every batch; (2) what is payable is counted when no batch is under way that saw it
otherwise, and the desk settles no more than was counted; (3) a closed merchant is owed nothing, owes nothing, and has
no sale that is not final. Spec: CM 5.2.3.3. Decision: ADR-0035.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import ApprovalId, MerchantId, OutboxId
from mpss.kernel.text import check_line
from mpss.ledger.day_close import FENCE
from mpss.ledger.verify import Check
from mpss.merchants.closing_model import BEFORE_THE_END, Closing, Obstacle, in_the_way
from mpss.merchants.closing_store import (
    OWED,
    WITHOUT,
    begin,
    call_off,
    close_for_good,
    due_closings,
    find_closing,
    insert_closing,
    lock_owed,
    lock_state,
    save_owed,
    standing_closings,
    standing_of,
)
from mpss.merchants.limit_store import stand_still
from mpss.merchants.machine import MERCHANT, MerchantEvent
from mpss.merchants.model import Merchant, MerchantState
from mpss.merchants.queries import get_merchant
from mpss.merchants.store import move
from mpss.observability import log
from mpss.outbox.model import webhook
from mpss.outbox.store import enqueue
from mpss.runtime import Runtime
from mpss.security.tokens import new_token, token_digest
from mpss.staff.approvals import decide, propose, waiting
from mpss.staff.audit import record
from mpss.staff.members import PLATFORM
from mpss.staff.model import ApprovalRow, StaffMember
from mpss.staff.permissions import Permission

KIND = "merchant_closing"
_SELLING = frozenset({MerchantState.ACTIVE, MerchantState.SUSPENDED})


@dataclass(frozen=True, slots=True)
class MerchantClosing:
    """A merchant, its closing where one was ever asked for, and what stands in the way of its end."""

    merchant: Merchant
    closing: Closing | None
    obstacles: tuple[Obstacle, ...]


async def merchant_closing(runtime: Runtime, *, merchant_id: UUID) -> MerchantClosing:
    """How the closing of a merchant stands; of one that is closed nothing stands in the way.

    Raises:
        Refused: UNKNOWN_MERCHANT.

    Spec: CM 5.2.3.3.
    """
    async with runtime.database.read() as uow:
        return await _look(uow, merchant_id, now=runtime.clock.now())


async def ask_for_closing(runtime: Runtime, *, merchant_id: UUID, reason: str) -> None:
    """A merchant asks for its own closing; nothing changes until staff decide. Asked again: as at first.

    Raises:
        MalformedField: `reason`.
        Refused: UNKNOWN_MERCHANT; ILLEGAL_STATE, it is closing already.

    Spec: CM 5.2.3.3.
    """
    by, now = f"merchant:{MerchantId.outside(merchant_id)}", runtime.clock.now()
    check_line(reason, field="reason")
    async with runtime.database.transaction() as uow:
        await _require_selling(uow, merchant_id)
        await _ask(uow, merchant_id, reason=reason, by=by, now=now)


async def withdraw_closing(runtime: Runtime, *, merchant_id: UUID) -> None:
    """A merchant takes back what it asked for, before staff have decided.

    Raises:
        Refused: UNKNOWN_MERCHANT; ILLEGAL_STATE, it has not asked, or staff have decided.
    """
    by, now = f"merchant:{MerchantId.outside(merchant_id)}", runtime.clock.now()
    async with runtime.database.transaction() as uow:
        await _require_selling(uow, merchant_id)
        closing = await find_closing(uow, merchant_id)
        if closing is None or not closing.stands or closing.asked_by != by:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the merchant has not asked for its closing")
        await call_off(uow, merchant_id, now=now)
        await _record(uow, merchant_id, "closing_withdrawn", by=by, now=now)


async def propose_closing(runtime: Runtime, *, staff: StaffMember, merchant_id: UUID, reason: str) -> ApprovalId:
    """Propose to begin a merchant's closing, whether it asked for it or not; another member of staff decides.

    Raises:
        MalformedField: `reason`.
        Refused: FORBIDDEN, needs merchant_close; UNKNOWN_MERCHANT; ILLEGAL_STATE, it is closing already, or a proposal
            waits.

    Spec: CM 5.2.3.3.
    """
    staff.require(Permission.MERCHANT_CLOSE)
    check_line(reason, field="reason")
    now, subject = runtime.clock.now(), MerchantId.outside(merchant_id)
    async with runtime.database.transaction() as uow:
        await _require_selling(uow, merchant_id)
        if any(json.loads(row.payload)["merchant_id"] == subject for row in await waiting(uow, kind=KIND)):
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="a proposal to close it waits for a second person")
        await _ask(uow, merchant_id, reason=reason, by=str(staff.id), now=now)
        payload = {"merchant_id": subject, "reason": reason}
        return await propose(uow, kind=KIND, payload=payload, by=staff, now=now)


async def approve_closing(runtime: Runtime, *, staff: StaffMember, approval_id: UUID) -> MerchantClosing:
    """Approve somebody else's proposal: the merchant sells nothing from now on, and its notice period begins.

    Raises:
        Refused: FORBIDDEN, needs merchant_close; NOT_FOUND; SAME_PERSON; ILLEGAL_STATE, decided already, or what was
            asked for was taken back meanwhile.
        IllegalMove: the merchant is closing or closed.

    Spec: CM 5.2.3.3.
    """
    staff.require(Permission.MERCHANT_CLOSE)
    now = runtime.clock.now()
    ends_at = now + timedelta(days=runtime.policy.merchant_closing_days)
    async with runtime.database.transaction() as uow:
        payload = await decide(uow, approval_id=approval_id, kind=KIND, by=staff, approve=True, now=now)
        merchant_id = MerchantId.parse(payload["merchant_id"], field="merchant_id")
        await _move(uow, merchant_id, MerchantEvent.BEGIN)
        closing = await find_closing(uow, merchant_id)
        if closing is None or not closing.stands:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="what was asked for was taken back")
        await begin(uow, merchant_id, now=now, ends_at=ends_at)
        detail = {"reason": payload["reason"], "ends_at": ends_at.isoformat()}
        await _record(uow, merchant_id, "closing_begun", by=str(staff.id), now=now, detail=detail)
        await _tell(uow, merchant_id, "closing_begun", detail, now=now)
        return await _look(uow, merchant_id, now=now)


async def refuse_closing(runtime: Runtime, *, staff: StaffMember, approval_id: UUID) -> None:
    """Refuse somebody else's proposal; what the merchant asked for ends with it.

    Raises:
        Refused: FORBIDDEN, needs merchant_close; NOT_FOUND; ILLEGAL_STATE; SAME_PERSON.
    """
    staff.require(Permission.MERCHANT_CLOSE)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        payload = await decide(uow, approval_id=approval_id, kind=KIND, by=staff, approve=False, now=now)
        merchant_id = MerchantId.parse(payload["merchant_id"], field="merchant_id")
        await lock_state(uow, merchant_id)
        closing = await find_closing(uow, merchant_id)
        if closing is not None and closing.stands and closing.begun_at is None:
            await call_off(uow, merchant_id, now=now)
            await _record(uow, merchant_id, "closing_refused", by=str(staff.id), now=now)
            await _tell(uow, merchant_id, "closing_called_off", {"reason": "refused"}, now=now)


async def call_closing_off(runtime: Runtime, *, staff: StaffMember, merchant_id: UUID, reason: str) -> None:
    """End a closing that has begun; the merchant is suspended then, until it is resumed.

    Raises:
        MalformedField: `reason`.
        Refused: FORBIDDEN, needs merchant_close; UNKNOWN_MERCHANT.
        IllegalMove: it is not closing, or at the end of it.
    """
    staff.require(Permission.MERCHANT_CLOSE)
    check_line(reason, field="reason")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        await _move(uow, merchant_id, MerchantEvent.CALL_OFF)
        await call_off(uow, merchant_id, now=now)
        detail = {"reason": reason}
        await _record(uow, merchant_id, "closing_called_off", by=str(staff.id), now=now, detail=detail)
        await _tell(uow, merchant_id, "closing_called_off", detail, now=now)


async def waiting_closings(runtime: Runtime) -> list[ApprovalRow]:
    """Proposals that wait for a second person, oldest first."""
    async with runtime.database.read() as uow:
        return await waiting(uow, kind=KIND)


async def open_closings(runtime: Runtime) -> list[Closing]:
    """What merchants asked for and what has begun, oldest first."""
    async with runtime.database.read() as uow:
        return await standing_closings(uow)


async def finish_merchant_closings(runtime: Runtime) -> int:
    """Close the merchants whose notice period is over and in whose way nothing stands; how many. For a job."""
    async with runtime.database.read() as uow:
        due = await due_closings(uow, now=runtime.clock.now())
    return sum([await _finish(runtime, merchant_id) for merchant_id in due])


async def _finish(runtime: Runtime, merchant_id: UUID) -> bool:
    """Take the steps that are due of a closing: shut the merchant's account, count it, close it."""
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        merchant, closing = await get_merchant(uow, merchant_id), await find_closing(uow, merchant_id)
        assert merchant is not None
        standing = await standing_of(uow, merchant, payable_fen=0)
    if merchant.state == MerchantState.CLOSING:
        if not BEFORE_THE_END.isdisjoint(obstacle.block for obstacle in in_the_way(standing, closing, now=now)):
            return False
        async with runtime.database.transaction() as uow:
            # No batch is under way that saw the merchant closing; each from now on sees it ending.
            await stand_still(uow, FENCE)
            await move(uow, merchant_id, source=MerchantState.CLOSING, target=MerchantState.ENDING)
    async with runtime.database.transaction() as uow:
        if await lock_state(uow, merchant_id) != MerchantState.ENDING:
            return False
        if await lock_owed(uow, merchant_id) is None and not await _count(uow, merchant):
            return False
        if (await _look(uow, merchant_id, now=now)).obstacles:
            return False
        await _move(uow, merchant_id, MerchantEvent.CLOSE)
        await close_for_good(uow, merchant_id, key_digest=token_digest(new_token("mk")), now=now)
        await _record(uow, merchant_id, "closed", by=PLATFORM, now=now)
        await _tell(uow, merchant_id, "closed", {"closed_at": now.isoformat()}, now=now)
    log.info("merchant.closed", merchant=MerchantId.outside(merchant_id))
    return True


async def _count(uow: UnitOfWork, merchant: Merchant) -> bool:
    """Write down what is payable, unless a reversal that began before is still on its way."""
    standing = await standing_of(uow, merchant)
    if standing.open_sales:
        return False
    await save_owed(uow, merchant.id, standing.payable_fen)
    return True


async def verify_merchant_closings(uow: UnitOfWork) -> list[Check]:
    """Spec: CM 5.2.3.3."""
    return [
        Check("a closed merchant is owed nothing and owes nothing", int(await uow.value(OWED))),
        Check("merchants' states and their closings agree", int(await uow.value(WITHOUT))),
    ]


async def _look(uow: UnitOfWork, merchant_id: UUID, *, now: datetime) -> MerchantClosing:
    merchant = await get_merchant(uow, merchant_id)
    if merchant is None:
        raise Refused(ErrorCode.UNKNOWN_MERCHANT)
    closing = await find_closing(uow, merchant_id)
    if merchant.state == MerchantState.CLOSED:
        return MerchantClosing(merchant, closing, ())
    owed_fen = None if closing is None else closing.owed_fen
    obstacles = in_the_way(await standing_of(uow, merchant, payable_fen=owed_fen), closing, now=now)
    return MerchantClosing(merchant, closing, tuple(obstacles))


async def _require_selling(uow: UnitOfWork, merchant_id: UUID) -> None:
    state = await lock_state(uow, merchant_id)
    if state is None:
        raise Refused(ErrorCode.UNKNOWN_MERCHANT)
    if MerchantState(state) not in _SELLING:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail=f"the merchant is {state}")


async def _ask(uow: UnitOfWork, merchant_id: UUID, *, reason: str, by: str, now: datetime) -> None:
    """Write down that the closing is asked for, unless somebody did before and it stands."""
    closing = await find_closing(uow, merchant_id)
    if closing is None or not closing.stands:
        await insert_closing(uow, merchant_id, reason=reason, by=by, now=now)
        await _record(uow, merchant_id, "closing_asked", by=by, now=now, detail={"reason": reason})


async def _move(uow: UnitOfWork, merchant_id: UUID, event: MerchantEvent) -> None:
    state = await lock_state(uow, merchant_id)
    if state is None:
        raise Refused(ErrorCode.UNKNOWN_MERCHANT)
    source = MerchantState(state)
    await move(uow, merchant_id, source=source, target=MERCHANT.move(source, event))


async def _record(
    uow: UnitOfWork, merchant_id: UUID, what: str, *, by: str, now: datetime, detail: Mapping[str, Any] | None = None
) -> None:
    subject = MerchantId.outside(merchant_id)
    await record(uow, at=now, actor=by, action=f"merchant.{what}", subject=subject, detail=detail or {})


async def _tell(uow: UnitOfWork, merchant_id: UUID, what: str, facts: Mapping[str, str], *, now: datetime) -> None:
    told = webhook(
        OutboxId.new(now), merchant_id=merchant_id, event=f"merchant.{what}", reference=merchant_id,
        data={"merchant_id": MerchantId.outside(merchant_id), **facts}, now=now,
    )  # fmt: skip
    await enqueue(uow, [told])

"""What an approved proposal does to an account's freezes for a risk or by law: made, released, extended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any
from uuid import UUID

from mpss.accounts.change import changed_by_staff
from mpss.accounts.freeze_store import find_freeze, insert_freeze, save_freeze
from mpss.accounts.model import AccountRow, Freeze, FreezeKind
from mpss.accounts.state import Operation
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import FreezeId
from mpss.staff.model import StaffMember


class Proposed(StrEnum):
    """The kinds of proposal that a second member of staff decides."""

    FREEZE = "account_freeze"
    RELEASE = "account_release"
    EXTENSION = "account_extension"


Payload = Mapping[str, Any]
CarriedOut = Callable[[UnitOfWork, AccountRow, Payload, StaffMember, datetime], Awaitable[None]]


async def require_standing(uow: UnitOfWork, account: AccountRow, freeze_id: UUID) -> Freeze:
    """The freeze for a risk or by law of a locked account.

    Raises:
        Refused: NOT_FOUND, the account has none such; ILLEGAL_STATE, it has ended, or is the holder's own.
    """
    found = await find_freeze(uow, account.id, freeze_id)
    if found is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="the account has no such freeze")
    if found.released_at is not None or found.kind is FreezeKind.USER:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="the freeze has ended, or is the holder's own")
    return found


def check_part(freeze: Freeze, amount_fen: int) -> None:
    """
    Raises:
        MalformedField: `amount_fen` is not of a freeze of an amount, or is more than still stands of it.
    """
    if freeze.left_fen is None:
        raise MalformedField(field="amount_fen", problem="must be left out: the whole account is frozen")
    if not 0 < amount_fen <= freeze.left_fen:
        raise MalformedField(field="amount_fen", problem=f"must be 1 to {freeze.left_fen}, which is still frozen")


async def _freeze(uow: UnitOfWork, account: AccountRow, payload: Payload, staff: StaffMember, now: datetime) -> None:
    kind, amount_fen, until = FreezeKind(payload["kind"]), payload.get("amount_fen"), _end_of(payload)
    if until is not None and until <= now:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="the day on which it was to end has come")
    made = Freeze(
        FreezeId.new(now), account.id, kind, amount_fen, amount_fen, payload["reason"], payload["document"], until,
        str(staff.id), now,
    )  # fmt: skip
    await insert_freeze(uow, made)
    detail = {
        "freeze_id": FreezeId.outside(made.id), "kind": kind.value, "reason": payload["reason"],
        "document": payload["document"], "amount_fen": amount_fen, "until": payload.get("until"),
    }  # fmt: skip
    event = f"frozen_{kind.value}" if amount_fen is None else "amount_frozen"
    params = {} if amount_fen is None else {"amount_fen": amount_fen}
    await changed_by_staff(uow, account, event, staff=staff, now=now, detail=detail, params=params)


async def _release(uow: UnitOfWork, account: AccountRow, payload: Payload, staff: StaffMember, now: datetime) -> None:
    freeze = await require_standing(uow, account, FreezeId.parse(payload["freeze_id"], field="freeze_id"))
    detail = {"freeze_id": FreezeId.outside(freeze.id), "kind": freeze.kind.value, "reason": payload["reason"]}
    if freeze.left_fen is None:
        await save_freeze(uow, freeze._replace(released_by=str(staff.id), released_at=now))
        await changed_by_staff(uow, account, "unfrozen", staff=staff, now=now, detail=detail)
        return
    amount_fen = payload.get("amount_fen") or freeze.left_fen
    if amount_fen > freeze.left_fen:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="less is frozen by now")
    await save_freeze(uow, freeze.reduced(amount_fen, by=str(staff.id), at=now))
    await changed_by_staff(
        uow, account, "amount_released", staff=staff, now=now, detail=detail | {"amount_fen": amount_fen},
        params={"amount_fen": amount_fen},
    )  # fmt: skip


async def _extend(uow: UnitOfWork, account: AccountRow, payload: Payload, staff: StaffMember, now: datetime) -> None:
    freeze = await require_standing(uow, account, FreezeId.parse(payload["freeze_id"], field="freeze_id"))
    until = _end_of(payload)
    if until is None or freeze.until is None or until <= max(freeze.until, now):
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="the freeze ends no earlier by now")
    await save_freeze(uow, freeze._replace(until=until))
    detail = {
        "freeze_id": FreezeId.outside(freeze.id), "kind": freeze.kind.value, "reason": payload["reason"],
        "document": payload["document"], "until": payload["until"],
    }  # fmt: skip
    params = {"until": payload["until"]}
    await changed_by_staff(uow, account, "freeze_extended", staff=staff, now=now, detail=detail, params=params)


def _end_of(payload: Payload) -> datetime | None:
    until = payload.get("until")
    return None if until is None else datetime.combine(date.fromisoformat(until), time(0, 0), SHANGHAI).astimezone(UTC)


CARRIED_OUT: dict[Proposed, CarriedOut] = {
    Proposed.FREEZE: _freeze,
    Proposed.RELEASE: _release,
    Proposed.EXTENSION: _extend,
}
OPERATIONS: dict[Proposed, Operation] = {
    Proposed.FREEZE: Operation.FREEZE,
    Proposed.RELEASE: Operation.UNFREEZE,
    Proposed.EXTENSION: Operation.FREEZE,
}
"""What the account's state must allow."""

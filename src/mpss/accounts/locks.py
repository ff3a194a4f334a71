"""An account locked for a change, by its id or its number, or the refusal where it is not to be changed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mpss.accounts.checks import check_state
from mpss.accounts.model import AccountRow, Life, UsageRow
from mpss.accounts.state import Operation
from mpss.accounts.store import find_wallet, lock_account
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.phone import parse_phone


async def wallet_of(uow: UnitOfWork, phone: str, *, field: str | None = None) -> UUID:
    """The number's wallet, not locked; `field` is named where it is not `phone`.

    Raises:
        MalformedField: `phone`.
        Refused: UNKNOWN_ACCOUNT.
    """
    account_id = await find_wallet(uow, phone=parse_phone(phone, field=field or "phone"))
    if account_id is None:
        raise Refused(ErrorCode.UNKNOWN_ACCOUNT, field=field)
    return account_id


async def lock_known(uow: UnitOfWork, account_id: UUID) -> tuple[AccountRow, UsageRow]:
    """The account, whatever its state, and its usage.

    Raises:
        Refused: UNKNOWN_ACCOUNT.
    """
    locked = await lock_account(uow, account_id)
    if locked is None:
        raise Refused(ErrorCode.UNKNOWN_ACCOUNT)
    return locked


async def lock_live(uow: UnitOfWork, account_id: UUID) -> tuple[AccountRow, UsageRow]:
    """The account, which is not closed, and its usage.

    Raises:
        Refused: UNKNOWN_ACCOUNT, also of a closed one.
    """
    account, usage = await lock_known(uow, account_id)
    if account.life is Life.CLOSED:
        raise Refused(ErrorCode.UNKNOWN_ACCOUNT)
    return account, usage


async def lock_allowed(
    uow: UnitOfWork, account_id: UUID, operation: Operation, *, at: datetime
) -> tuple[AccountRow, UsageRow]:
    """The account, in a state that allows the operation, and its usage.

    Raises:
        Refused: UNKNOWN_ACCOUNT, or what its state refuses with.
    """
    account, usage = await lock_known(uow, account_id)
    refusal = check_state(account, operation, at=at)
    if refusal is not None:
        raise Refused(refusal)
    return account, usage


async def lock_by_phone(uow: UnitOfWork, phone: str) -> AccountRow:
    """The number's wallet.

    Raises:
        MalformedField: `phone`.
        Refused: UNKNOWN_ACCOUNT.
    """
    account, _ = await lock_known(uow, await wallet_of(uow, phone))
    return account

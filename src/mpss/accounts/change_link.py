"""A link by which the holder does what the phone alone must not: release a freeze, lift a loss report, wake, close.

Whoever found the phone can ask for the link, and gets no further without the payment password. Spec: CT 5.2, 12.1.
Decision: ADR-0030.
"""

from __future__ import annotations

from uuid import UUID

from mpss.accounts.links import send_link
from mpss.accounts.locks import lock_allowed
from mpss.accounts.model import AccountRow, FreezeKind, Loss
from mpss.accounts.state import Operation
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime


async def request_change_link(runtime: Runtime, *, account_id: UUID, operation: Operation) -> None:
    """Send the account's phone a one-time link of UNFREEZE, LIFT_LOSS, WAKE or CLOSE.

    Raises:
        Refused: UNKNOWN_ACCOUNT, what the state refuses with; ILLEGAL_STATE, there is nothing to release or lift;
            LOSS_WRITTEN, a report in writing is lifted at a hall; PASSWORD_NOT_SET; RATE_LIMITED.
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account, _ = await lock_allowed(uow, account_id, operation, at=now)
        refusal = _refusal(account, operation)
        if refusal is not None:
            raise Refused(refusal)
        await send_link(
            uow, runtime, account_id=account.id, phone=account.phone, language=account.language, now=now,
            operation=operation,
        )  # fmt: skip


def _refusal(account: AccountRow, operation: Operation) -> ErrorCode | None:
    if operation is Operation.LIFT_LOSS and account.loss is Loss.WRITTEN:
        return ErrorCode.LOSS_WRITTEN
    if operation is Operation.LIFT_LOSS and account.loss is Loss.NONE:
        return ErrorCode.ILLEGAL_STATE
    if operation is Operation.UNFREEZE and FreezeKind.USER not in account.freezes:
        return ErrorCode.ILLEGAL_STATE
    return ErrorCode.PASSWORD_NOT_SET if account.password_digest is None else None

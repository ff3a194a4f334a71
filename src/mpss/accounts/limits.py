"""The daily spending limit (日消费限额), which the subscriber sets below the platform's highest."""

from __future__ import annotations

from uuid import UUID

from mpss.accounts.checks import check_state
from mpss.accounts.notify import tell
from mpss.accounts.state import Operation
from mpss.accounts.store import lock_account, set_daily_limit
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime


async def change_daily_limit(runtime: Runtime, *, account_id: UUID, daily_limit_fen: int) -> None:
    """Set the daily limit, from 0 (nothing may be spent) to `policy.max_daily_limit_fen`; it holds at once.

    Raises:
        Refused: AMOUNT_OUT_OF_RANGE, UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE.

    Spec: CT 5.2.
    """
    highest_fen = runtime.policy.max_daily_limit_fen
    if not 0 <= daily_limit_fen <= highest_fen:
        raise Refused(
            ErrorCode.AMOUNT_OUT_OF_RANGE, detail=f"must be from 0 to {highest_fen} fen", field="daily_limit_fen"
        )
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        locked = await lock_account(uow, account_id)
        refusal = check_state(None if locked is None else locked[0], Operation.SET_LIMIT, at=now)
        if locked is None or refusal is not None:
            raise Refused(refusal or ErrorCode.UNKNOWN_ACCOUNT)
        account, _ = locked
        await set_daily_limit(uow, account.id, daily_limit_fen)
        await tell(
            uow,
            "daily_limit_set",
            reference=account.id,
            phone=account.phone,
            language=account.language,
            now=now,
            params={"daily_limit_fen": daily_limit_fen},
        )

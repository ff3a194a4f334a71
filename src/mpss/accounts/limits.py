"""The daily spending limit (日消费限额): the subscriber lowers it at will, and raises it with the payment password.

Spec: CT 5.2. Decision: ADR-0026.
"""

from __future__ import annotations

from uuid import UUID

from mpss.accounts.model import AccountRow
from mpss.accounts.own_limits import Change, carry_out, own_of
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime


async def change_daily_limit(
    runtime: Runtime, *, account_id: UUID, daily_limit_fen: int, password: str | None = None, source: str
) -> None:
    """Set the daily limit, from 0 (nothing may be spent) to `policy.max_daily_limit_fen`; it holds at once.

    `source` is where the password came from ("http:203.0.113.7").

    Raises:
        MalformedField: `payment_password` is missing where the limit is raised, or its form.
        Refused: AMOUNT_OUT_OF_RANGE, UNKNOWN_ACCOUNT; what the state refuses with; SIM_COOLING, PASSWORD_NOT_SET,
            WRONG_PASSWORD, PASSWORD_LOCKED.

    Spec: CT 5.2.
    """
    highest_fen = runtime.policy.max_daily_limit_fen
    if not 0 <= daily_limit_fen <= highest_fen:
        raise Refused(
            ErrorCode.AMOUNT_OUT_OF_RANGE, detail=f"must be from 0 to {highest_fen} fen", field="daily_limit_fen"
        )

    async def change(_: UnitOfWork, account: AccountRow) -> Change:
        before = own_of(account)
        after = before._replace(payment_daily_fen=daily_limit_fen)
        return Change(before, after, daily_limit_fen > account.daily_limit_fen)

    await carry_out(
        runtime, account_id=account_id, change=change, event="daily_limit_set",
        params={"daily_limit_fen": daily_limit_fen}, password=password, source=source, now=runtime.clock.now(),
    )  # fmt: skip

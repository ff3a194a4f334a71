"""The daily spending limit (日消费限额): the subscriber lowers it at will, and raises it with the payment password.

Invariant: what a wrong password counted stays counted. Spec: CT 5.2. Decision: ADR-0026.
"""

from __future__ import annotations

from uuid import UUID

from mpss.accounts.checks import check_state
from mpss.accounts.notify import tell
from mpss.accounts.password_rules import candidate_digests, check_form, fingerprint
from mpss.accounts.password_tries import count_try
from mpss.accounts.spray import noticed
from mpss.accounts.state import Operation
from mpss.accounts.store import lock_account, set_daily_limit
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.runtime import Runtime


async def change_daily_limit(
    runtime: Runtime, *, account_id: UUID, daily_limit_fen: int, password: str | None = None, source: str
) -> None:
    """Set the daily limit, from 0 (nothing may be spent) to `policy.max_daily_limit_fen`; it holds at once.

    `source` is where the password came from ("http:203.0.113.7").

    Raises:
        MalformedField: `payment_password` is missing where the limit is raised, or its form.
        Refused: AMOUNT_OUT_OF_RANGE, UNKNOWN_ACCOUNT; what the state refuses with; PASSWORD_NOT_SET, WRONG_PASSWORD,
            PASSWORD_LOCKED.

    Spec: CT 5.2.
    """
    highest_fen = runtime.policy.max_daily_limit_fen
    if not 0 <= daily_limit_fen <= highest_fen:
        raise Refused(
            ErrorCode.AMOUNT_OUT_OF_RANGE, detail=f"must be from 0 to {highest_fen} fen", field="daily_limit_fen"
        )
    if password is not None:
        check_form(password, field="payment_password")
    now, key_store = runtime.clock.now(), runtime.ports.key_store
    candidates = {} if password is None else candidate_digests(key_store, account_id, password)
    tried = b"" if password is None else fingerprint(key_store, password)
    wrong = None
    async with runtime.database.transaction() as uow:
        locked = await lock_account(uow, account_id)
        refusal = check_state(None if locked is None else locked[0], Operation.SET_LIMIT, at=now)
        if locked is None or refusal is not None:
            raise Refused(refusal or ErrorCode.UNKNOWN_ACCOUNT)
        account, usage = locked
        if daily_limit_fen > account.daily_limit_fen:
            if password is None:
                raise MalformedField(field="payment_password", problem="is asked for where the limit is raised")
            wrong = await count_try(
                uow, runtime, account, usage, candidate_digests=candidates, tried=tried, challenged=False,
                source=source, now=now,
            )  # fmt: skip
        if wrong is None:
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
    if wrong is not None:
        # The counted try stays.
        noticed(runtime)
        raise Refused(wrong, field="payment_password")

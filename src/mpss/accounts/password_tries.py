"""A payment password offered outside the desk: compared, and a wrong one counted and written down as in a purchase."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mpss.accounts.checks import became_locked, check_password
from mpss.accounts.model import AccountRow, UsageRow
from mpss.accounts.notify import tell_holder
from mpss.accounts.spray import failure
from mpss.accounts.store import PASSWORD_FAILURES, save_usage
from mpss.db.database import UnitOfWork
from mpss.db.rows import copy_rows
from mpss.kernel.clock import business_date
from mpss.kernel.errors import ErrorCode
from mpss.runtime import Runtime


async def count_try(
    uow: UnitOfWork,
    runtime: Runtime,
    account: AccountRow,
    usage: UsageRow,
    *,
    candidate_digests: Mapping[int, bytes],
    tried: bytes,
    challenged: bool,
    source: str,
    now: datetime,
) -> ErrorCode | None:
    """Why the password does not do, or None; `tried` is its fingerprint. The account is locked by the caller.

    What was counted is written in the caller's unit of work, which must therefore commit whatever the answer is.
    """
    refusal, counted = check_password(
        account,
        usage,
        candidate_digests=candidate_digests,
        challenged=challenged,
        today=business_date(now, cut=runtime.settings.day_cut),
        now=now,
        policy=runtime.policy,
    )
    if counted is not usage:
        await save_usage(uow, account.id, counted)
    if refusal is ErrorCode.WRONG_PASSWORD:
        row = failure(account_id=account.id, fingerprint=tried, source=source, now=now)
        await copy_rows(uow, PASSWORD_FAILURES, [row])
        if became_locked(usage, counted, now, runtime.policy):
            await tell_holder(uow, account, "password_locked", now=now)
    return refusal

"""An account's record: each change of its state, by whom and when, for its holder and staff. Spec: CM 7.6, 8.2.1."""

from __future__ import annotations

from uuid import UUID

from mpss.accounts.locks import wallet_of
from mpss.accounts.state_store import AccountEvent, events_of
from mpss.kernel.ids import AccountId
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.members import PLATFORM
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission


async def account_history(runtime: Runtime, *, account_id: UUID, before: UUID | None, limit: int) -> list[AccountEvent]:
    """The changes of the account's state, newest first; `before` is the last id of the page before."""
    async with runtime.database.read() as uow:
        return await events_of(uow, account_id, before=before, limit=limit)


async def history_by_phone(
    runtime: Runtime, *, by: StaffMember | None, phone: str, before: UUID | None, limit: int
) -> list[AccountEvent]:
    """The same of the number's account, the look written down; `by` None is the platform's own command line.

    Raises:
        MalformedField: `phone`.
        Refused: FORBIDDEN, `by` needs account_view; UNKNOWN_ACCOUNT.
    """
    if by is not None:
        by.require(Permission.ACCOUNT_VIEW)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account_id = await wallet_of(uow, phone)
        await record(
            uow, at=now, actor=PLATFORM if by is None else str(by.id), action="account.history",
            subject=AccountId.outside(account_id), detail={"hall": None if by is None else by.hall},
        )  # fmt: skip
        return await events_of(uow, account_id, before=before, limit=limit)

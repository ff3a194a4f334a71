"""Bank cards bound and unbound at a service hall (营业厅), for a customer who stands there with card and document.

The clerk's look at both stands for the SMS code; the bank is asked as ever whether card, name and the account's phone
belong together, and the owner of the phone is told. Spec: CM 6.4.7.1, 6.6.1.1, 6.6.2.1.
"""

from __future__ import annotations

from mpss.accounts.card_model import VerifyBy
from mpss.accounts.cards import (
    BoundCard,
    active_account,
    bind_verified,
    list_cards,
    shown,
    unbind_by_digits,
    verify_card,
)
from mpss.accounts.locks import wallet_of
from mpss.kernel.ids import AccountId
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission


async def bind_at_counter(
    runtime: Runtime, *, staff: StaffMember, phone: str, bank: str, card_number: str, holder_name: str
) -> BoundCard:
    """Bind a card to the wallet of `phone`, at once.

    Raises:
        MalformedField: `phone`, `bank`, `card_number` or `holder_name`.
        Refused: FORBIDDEN, needs card_manage and a hall; UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, ILLEGAL_STATE (bound
            already), CARD_REFUSED, BUSY (the bank did not answer: try again).

    Spec: CM 6.6.1.1.
    """
    account_id = await _account_of(runtime, staff, phone)
    account, card = await verify_card(
        runtime, account_id=account_id, bank=bank, card_number=card_number, holder_name=holder_name,
        verify_by=VerifyBy.COUNTER,
    )  # fmt: skip
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account = await active_account(uow, account_id, at=now)
        card = await bind_verified(uow, runtime.ports.key_store, account, card, now)
        subject = AccountId.outside(account.id)
        await record(
            uow,
            at=now,
            actor=str(staff.id),
            action="card.bind",
            subject=subject,
            detail=_detail(staff, shown(runtime, card)),
        )
    return shown(runtime, card)


async def cards_at_counter(runtime: Runtime, *, staff: StaffMember, phone: str) -> list[BoundCard]:
    """The bound cards of the wallet of `phone`, masked, oldest first.

    Raises:
        MalformedField: `phone`.
        Refused: FORBIDDEN, UNKNOWN_ACCOUNT.
    """
    return await list_cards(runtime, account_id=await _account_of(runtime, staff, phone))


async def unbind_at_counter(runtime: Runtime, *, staff: StaffMember, phone: str, last_digits: str) -> None:
    """End the binding of the card of the wallet of `phone` with these last four digits, at once.

    Raises:
        MalformedField: `phone`.
        Refused: FORBIDDEN, needs card_manage and a hall; UNKNOWN_ACCOUNT; UNKNOWN_CARD, none is bound, or several.

    Spec: CM 6.4.7.1, 6.6.2.1.
    """
    account_id = await _account_of(runtime, staff, phone)
    card = await unbind_by_digits(runtime, account_id=account_id, last_digits=last_digits)
    async with runtime.database.transaction() as uow:
        subject = AccountId.outside(account_id)
        now = runtime.clock.now()
        await record(
            uow, at=now, actor=str(staff.id), action="card.unbind", subject=subject, detail=_detail(staff, card)
        )


async def _account_of(runtime: Runtime, staff: StaffMember, phone: str) -> AccountId:
    staff.require_at_hall(Permission.CARD_MANAGE)
    async with runtime.database.read() as uow:
        return AccountId.from_uuid(await wallet_of(uow, phone))


def _detail(staff: StaffMember, card: BoundCard) -> dict[str, str | None]:
    return {"card_id": str(card.id), "bank": card.bank, **staff.place}

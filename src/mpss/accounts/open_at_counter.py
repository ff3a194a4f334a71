"""A wallet opened by the clerk of a service hall (营业厅), weak real-name or real-name.

    clerk: number, name, document ──► pending, weak ──┐
    clerk: and images, channels   ──► pending, class II or III ──┴─ SMS link: payment password ──► active

The customer chooses the first password over the link that their own phone is sent, so no clerk ever knows one.
Spec: CM 5.2.1.1, 6.1.2, 6.1.3, 7.1, 7.2.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from mpss.accounts import customer_store as store
from mpss.accounts import token_store
from mpss.accounts.boss_asking import ask_at_opening
from mpss.accounts.customer_model import CustomerKind, Verification
from mpss.accounts.customers import checked_images, clerk_of, give_account, place_of, verify_customer, write_customer
from mpss.accounts.identity import IdentityClaim, Image, parse_identity
from mpss.accounts.links import send_link
from mpss.accounts.model import AccountClass, AccountRow
from mpss.accounts.notify import check_language, tell_holder
from mpss.accounts.open import new_wallet
from mpss.accounts.state_store import insert_event
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import MalformedField
from mpss.kernel.ids import AccountId
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

BY_HALL = "hall"


class CounterAccount(NamedTuple):
    """A wallet opened at a counter; pending until its holder sets a payment password."""

    account_id: AccountId
    phone: str
    home_province: str
    account_class: AccountClass


async def open_at_counter(
    runtime: Runtime,
    *,
    by: StaffMember | None,
    phone: str,
    claim: IdentityClaim,
    images: Sequence[Image] = (),
    verifications: Collection[Verification] = (),
    real_name: bool,
    language: str = "zh-CN",
) -> CounterAccount:
    """Open a wallet for `phone`; with `real_name` its images are needed, and it is of class II or III at once.

    The clerk has the terms accepted on paper. `by` None is the platform's own command line.

    Raises:
        MalformedField: `phone`, `language`, `images`, or as `parse_identity`; `verifications` without `real_name`.
        Refused: FORBIDDEN, needs account_open and a hall; ACCOUNT_EXISTS; IDENTITY_MISMATCH; RATE_LIMITED; as
            `ask_at_opening`.

    Spec: CM 6.1.2, 6.1.3.
    """
    actor = clerk_of(by, Permission.ACCOUNT_OPEN)
    number, now, key_store = parse_phone(phone), runtime.clock.now(), runtime.ports.key_store
    check_language(language)
    identity = parse_identity(claim, today=now.astimezone(SHANGHAI).date())
    if identity.kind is CustomerKind.CORPORATE:
        raise MalformedField(field="kind", problem="must be individual: a company's is opened as a corporate account")
    if real_name:
        checked_images(identity, images)
    elif images or verifications:
        raise MalformedField(
            field="images" if images else "verifications", problem="must be left out of a weak real-name account"
        )
    subscriber = await ask_at_opening(runtime, number)
    async with runtime.database.transaction() as uow:
        customer = await write_customer(uow, key_store, identity, images, by=actor, now=now)
        account = await new_wallet(
            uow, runtime, phone=number, language=language, password=None, channel=BY_HALL, now=now,
            subscriber=subscriber,
        )  # fmt: skip
        account_class = AccountClass.WEAK
        if real_name:
            customer = await verify_customer(
                uow, key_store, customer, holder_id=None, face_to_face=True, channels=verifications, now=now
            )
            account_class = await give_account(uow, account, customer)
        else:
            await store.set_customer(uow, account.id, customer_id=customer.id, account_class=account_class)
        detail = {"class": account_class, "verifications": sorted(verifications), **place_of(by)}
        await welcome(uow, runtime, account, account_class, actor=actor)
        await record(
            uow, at=now, actor=actor, action="account.open", subject=AccountId.outside(account.id), detail=detail
        )
    return CounterAccount(AccountId.from_uuid(account.id), number, account.home_province, account_class)


async def welcome(
    uow: UnitOfWork, runtime: Runtime, account: AccountRow, account_class: AccountClass, *, actor: str
) -> None:
    """Write down who opened it, tell the holder of a new pending account, send the link to the first password."""
    now = runtime.clock.now()
    await insert_event(uow, account.id, "opened", detail={"class": account_class}, actor=actor, now=now)
    await tell_holder(uow, account, "opened", now=now)
    await token_store.give_account(uow, phone=account.phone, account_id=account.id)
    await send_link(uow, runtime, account_id=account.id, phone=account.phone, language=account.language, now=now)

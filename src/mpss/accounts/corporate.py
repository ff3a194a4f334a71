"""Corporate accounts (集团账户): a master account with members, each with quotas of its own.

    clerk: company's number, licence ──► master, pending ──SMS link──► active
    clerk: member's number, quotas ──► member of one group; changed, removed

Invariants: (1) a master is of class corporate, its members are wallets of persons; (2) a wallet is a member of at most
one group. Spec: CM 5.2.1.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from mpss.accounts import customer_store as store
from mpss.accounts.boss_asking import ask_at_opening
from mpss.accounts.customer_model import CustomerKind, MemberRow
from mpss.accounts.customers import checked_images, clerk_of, place_of, verify_customer, write_customer
from mpss.accounts.group_model import Membership
from mpss.accounts.group_store import find_membership
from mpss.accounts.identity import IdentityClaim, Image, parse_identity
from mpss.accounts.locks import lock_known, wallet_of
from mpss.accounts.model import AccountClass, AccountRow, Life
from mpss.accounts.notify import check_language, tell_holder
from mpss.accounts.open import new_wallet
from mpss.accounts.open_at_counter import BY_HALL, CounterAccount, welcome
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId, MemberId
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission


async def open_corporate(
    runtime: Runtime,
    *,
    by: StaffMember | None,
    phone: str,
    claim: IdentityClaim,
    images: Sequence[Image],
    language: str = "zh-CN",
) -> CounterAccount:
    """Open a company's master account on its own number `phone`, with its licence.

    Raises:
        MalformedField: `phone`, `kind`, `language`, `images`, or as `parse_identity`.
        Refused: FORBIDDEN, needs account_open and a hall; ACCOUNT_EXISTS; IDENTITY_MISMATCH; RATE_LIMITED; as
            `ask_at_opening`.

    Spec: CM 5.2.1.2.
    """
    actor = clerk_of(by, Permission.ACCOUNT_OPEN)
    number, now, key_store = parse_phone(phone), runtime.clock.now(), runtime.ports.key_store
    check_language(language)
    if claim.kind is not CustomerKind.CORPORATE:
        raise MalformedField(field="kind", problem="must be corporate")
    identity = parse_identity(claim, today=_today(now))
    checked_images(identity, images)
    subscriber = await ask_at_opening(runtime, number)
    async with runtime.database.transaction() as uow:
        told = await write_customer(uow, key_store, identity, images, by=actor, now=now)
        customer = await verify_customer(uow, key_store, told, holder_id=None, face_to_face=True, channels=(), now=now)
        account = await new_wallet(
            uow, runtime, phone=number, language=language, password=None, channel=BY_HALL, now=now,
            account_class=AccountClass.CORPORATE, customer_id=customer.id, subscriber=subscriber,
        )  # fmt: skip
        await welcome(uow, runtime, account, account.account_class, actor=actor)
        subject, detail = AccountId.outside(account.id), {"class": account.account_class, **place_of(by)}
        await record(uow, at=now, actor=actor, action="account.open", subject=subject, detail=detail)
    return CounterAccount(AccountId.from_uuid(account.id), number, account.home_province, account.account_class)


async def add_member(
    runtime: Runtime, *, by: StaffMember | None, master_phone: str, member_phone: str, quota_month_fen: int,
    quota_single_fen: int,
) -> None:  # fmt: skip
    """Make the wallet of `member_phone` a member of the group, which its holder is told.

    Raises:
        MalformedField: `master_phone`, `member_phone`, `quota_single_fen`.
        Refused: FORBIDDEN; UNKNOWN_ACCOUNT, either; ILLEGAL_STATE, the master is no corporate account, the member is
            one, or is a member already; ACCOUNT_NOT_ACTIVE, either.
    """
    actor, now = clerk_of(by, Permission.ACCOUNT_OPEN), runtime.clock.now()
    _check_quotas(quota_month_fen, quota_single_fen)
    async with runtime.database.transaction() as uow:
        master, member = await _pair(uow, master_phone, member_phone)
        if member.account_class is AccountClass.CORPORATE:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the member is a corporate account", field="member_phone")
        if Life.ACTIVE is not master.life or Life.ACTIVE is not member.life:
            raise Refused(ErrorCode.ACCOUNT_NOT_ACTIVE)
        added = await store.insert_member(
            uow, MemberId.new(now), master_id=master.id, member_id=member.id, month_fen=quota_month_fen,
            single_fen=quota_single_fen, month=_today(now).replace(day=1), now=now,
        )  # fmt: skip
        if not added:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="it is a member of a group already", field="member_phone")
        await _tell(uow, runtime, "group_joined", master, member, now, amount_fen=quota_month_fen)
        detail = {"month_fen": quota_month_fen, "single_fen": quota_single_fen, **place_of(by)}
        await _record(uow, actor, "group.add_member", master, member, now, detail)


async def set_quota(
    runtime: Runtime, *, by: StaffMember | None, master_phone: str, member_phone: str, quota_month_fen: int,
    quota_single_fen: int,
) -> None:  # fmt: skip
    """Change a member's quotas; they hold at once.

    Raises:
        MalformedField: `master_phone`, `member_phone`, `quota_single_fen`.
        Refused: FORBIDDEN, UNKNOWN_ACCOUNT, ILLEGAL_STATE (no corporate account); NOT_FOUND, it is no member.
    """
    actor, now = clerk_of(by, Permission.ACCOUNT_OPEN), runtime.clock.now()
    _check_quotas(quota_month_fen, quota_single_fen)
    async with runtime.database.transaction() as uow:
        master, member = await _pair(uow, master_phone, member_phone)
        changed = await store.set_quota(
            uow, master_id=master.id, member_id=member.id, month_fen=quota_month_fen, single_fen=quota_single_fen
        )
        if not changed:
            raise Refused(ErrorCode.NOT_FOUND, detail="it is no member of the group", field="member_phone")
        await _tell(uow, runtime, "group_joined", master, member, now, amount_fen=quota_month_fen)
        detail = {"month_fen": quota_month_fen, "single_fen": quota_single_fen, **place_of(by)}
        await _record(uow, actor, "group.set_quota", master, member, now, detail)


async def remove_member(runtime: Runtime, *, by: StaffMember | None, master_phone: str, member_phone: str) -> None:
    """End a membership, which the member is told.

    Raises:
        MalformedField: `master_phone`, `member_phone`.
        Refused: FORBIDDEN, UNKNOWN_ACCOUNT, ILLEGAL_STATE (no corporate account); NOT_FOUND, it is no member.
    """
    actor, now = clerk_of(by, Permission.ACCOUNT_OPEN), runtime.clock.now()
    async with runtime.database.transaction() as uow:
        master, member = await _pair(uow, master_phone, member_phone)
        if not await store.remove_member(uow, master_id=master.id, member_id=member.id, now=now):
            raise Refused(ErrorCode.NOT_FOUND, detail="it is no member of the group", field="member_phone")
        await _tell(uow, runtime, "group_left", master, member, now)
        await _record(uow, actor, "group.remove_member", master, member, now, place_of(by))


async def members_of(
    runtime: Runtime, *, by: StaffMember | None, master_phone: str, after: UUID | None, limit: int
) -> list[MemberRow]:
    """The members of a group, in the order they came.

    Raises:
        MalformedField: `master_phone`.
        Refused: FORBIDDEN, UNKNOWN_ACCOUNT, ILLEGAL_STATE (no corporate account).
    """
    clerk_of(by, Permission.ACCOUNT_OPEN)
    async with runtime.database.transaction() as uow:
        master, _ = await lock_known(uow, await wallet_of(uow, master_phone, field="master_phone"))
        _check_master(master)
        return await store.list_members(uow, master.id, after=after, limit=limit)


async def own_members(runtime: Runtime, *, account_id: UUID, after: UUID | None, limit: int) -> list[MemberRow]:
    """The members of the company's own group, in the order they came.

    Raises:
        Refused: UNKNOWN_ACCOUNT; ILLEGAL_STATE, it is no corporate account.

    Spec: CM 5.2.1.2.
    """
    async with runtime.database.transaction() as uow:
        master, _ = await lock_known(uow, account_id)
        if master.account_class is not AccountClass.CORPORATE:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="it is no corporate account")
        return await store.list_members(uow, master.id, after=after, limit=limit)


async def membership_of(runtime: Runtime, *, account_id: UUID) -> tuple[Membership, str]:
    """The subscriber's own membership, and the company's name.

    Raises:
        Refused: NOT_GROUP_MEMBER.

    Spec: CM 5.2.1.2.
    """
    async with runtime.database.read() as uow:
        found = await find_membership(uow, account_id)
    if found is None:
        raise Refused(ErrorCode.NOT_GROUP_MEMBER)
    return found, runtime.ports.key_store.unseal(found.company_sealed).decode()


def _today(now: datetime) -> date:
    return now.astimezone(SHANGHAI).date()


def _check_quotas(month_fen: int, single_fen: int) -> None:
    if single_fen > month_fen:
        raise MalformedField(field="quota_single_fen", problem="must not be above the month's quota")


def _check_master(master: AccountRow) -> None:
    if master.account_class is not AccountClass.CORPORATE:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="it is no corporate account", field="master_phone")


async def _pair(uow: UnitOfWork, master_phone: str, member_phone: str) -> tuple[AccountRow, AccountRow]:
    ids = [
        await wallet_of(uow, phone, field=field)
        for phone, field in ((master_phone, "master_phone"), (member_phone, "member_phone"))
    ]
    # In id order, as the desk locks.
    rows = {account_id: (await lock_known(uow, account_id))[0] for account_id in sorted(ids)}
    master, member = rows[ids[0]], rows[ids[1]]
    _check_master(master)
    return master, member


async def _tell(
    uow: UnitOfWork, runtime: Runtime, event: str, master: AccountRow, member: AccountRow, now: datetime,
    **facts: int,
) -> None:  # fmt: skip
    assert master.customer_id is not None
    customer = (await store.find_customers(uow, [master.customer_id]))[master.customer_id]
    params: dict[str, str | int] = {"group": runtime.ports.key_store.unseal(customer.name_sealed).decode(), **facts}
    await tell_holder(uow, member, event, now=now, params=params)


async def _record(
    uow: UnitOfWork, actor: str, action: str, master: AccountRow, member: AccountRow, now: datetime,
    detail: Mapping[str, object],
) -> None:  # fmt: skip
    subject, told = AccountId.outside(master.id), {"member": AccountId.outside(member.id), **detail}
    await record(uow, at=now, actor=actor, action=action, subject=subject, detail=told)

"""Opening a wallet (虚拟账户开通): over HTTP, the number proven by an SMS code, or by SMS or a call from the number.

    HTTP   code, terms, password ──► active
    SMS    command, or a call ──► pending ──password set over a one-time link──► active

Invariant: an account, its ledger account, its balance and its usage row exist together or not at all.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from mpss.accounts import token_store
from mpss.accounts.boss_asking import ask_at_opening, bind_new
from mpss.accounts.codes import BY_SMS, Purpose, check_code, use_code
from mpss.accounts.links import send_link
from mpss.accounts.model import AccountClass, AccountKind, AccountRow, Life
from mpss.accounts.notify import check_language, tell
from mpss.accounts.password_rules import check_new, new_digest
from mpss.accounts.sign_in import SignedIn, start_session
from mpss.accounts.store import find_wallet, insert_account, lock_account
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import business_date
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import AccountId
from mpss.kernel.phone import home_province, parse_phone
from mpss.ledger.chart import Code
from mpss.ledger.open import open_ledger_account
from mpss.ports.boss import Subscriber
from mpss.risk.lists import refuse_black
from mpss.risk.model import Scope
from mpss.runtime import Runtime


class OpenedAccount(NamedTuple):
    """A wallet just opened; `signed_in` is its opener's session, None where it was opened by SMS."""

    account_id: AccountId
    phone: str
    home_province: str
    kind: AccountKind
    life: Life
    daily_limit_fen: int
    signed_in: SignedIn | None


async def open_wallet(
    runtime: Runtime, *, phone: str, code: str, terms_version: str, password: str, language: str, channel: str
) -> OpenedAccount:
    """Open a wallet for a number proven by an OPEN code, its payment password set.

    Raises:
        MalformedField: `phone`, `code`, `password` or `language`.
        Refused: TERMS_NOT_ACCEPTED (not those in force), WEAK_PASSWORD, WRONG_CODE, CODE_EXPIRED, ACCOUNT_EXISTS; as
            `ask_at_opening`.

    Spec: CT 5.1, 5.2, 6.1.1; CM 6.1.1.
    """
    phone = parse_phone(phone)
    check_language(language)
    if terms_version != runtime.policy.terms_version:
        raise Refused(
            ErrorCode.TERMS_NOT_ACCEPTED,
            detail=f"the terms in force are {runtime.policy.terms_version}",
            field="terms_version",
        )
    check_new(password, phone=phone, field="payment_password")
    code_id = await check_code(runtime, phone=phone, purpose=Purpose.OPEN, code=code)
    subscriber = await ask_at_opening(runtime, phone)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        await use_code(uow, code_id, now=now)
        account = await new_wallet(
            uow, runtime, phone=phone, language=language, password=password, channel=channel, now=now,
            subscriber=subscriber,
        )  # fmt: skip
        await tell(uow, "opened", reference=account.id, phone=phone, language=language, now=now)
        await token_store.give_account(uow, phone=phone, account_id=account.id)
        signed_in = await start_session(uow, runtime, phone=phone, account_id=account.id, now=now)
    return _opened(account, signed_in)


async def open_by_sms(runtime: Runtime, *, phone: str, language: str = "zh-CN", channel: str = BY_SMS) -> OpenedAccount:
    """Open a wallet for the sender of an SMS, or a caller, and send a one-time link to set its payment password.

    They accept the terms by the command. A number whose wallet is still pending gets a fresh link, and the
    same answer.

    Raises:
        MalformedField: `phone` is no mobile number of the mainland.
        Refused: ACCOUNT_EXISTS; RATE_LIMITED, too many links; as `ask_at_opening`.

    Spec: CT 5.2, 6.1.1.
    """
    phone = parse_phone(phone)
    check_language(language)
    subscriber = await ask_at_opening(runtime, phone)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account_id = await find_wallet(uow, phone=phone)
        if account_id is None:
            account = await new_wallet(
                uow, runtime, phone=phone, language=language, password=None, channel=channel, now=now,
                subscriber=subscriber,
            )  # fmt: skip
            await tell(uow, "opened", reference=account.id, phone=phone, language=language, now=now)
        else:
            locked = await lock_account(uow, account_id)
            if locked is None or locked[0].life is not Life.PENDING:
                raise Refused(ErrorCode.ACCOUNT_EXISTS)
            account = locked[0]
        await send_link(uow, runtime, account_id=account.id, phone=phone, language=language, now=now)
    return _opened(account, None)


async def new_wallet(
    uow: UnitOfWork,
    runtime: Runtime,
    *,
    phone: str,
    language: str,
    password: str | None,
    channel: str,
    now: datetime,
    account_class: AccountClass = AccountClass.WEAK,
    customer_id: UUID | None = None,
    subscriber: Subscriber | None = None,
) -> AccountRow:
    """A wallet with its ledger account, in the caller's unit of work; pending without a password.

    `subscriber` is what BOSS said of the number, whose subscription the wallet belongs to; None: it was not asked.

    Raises:
        Refused: ACCOUNT_EXISTS.
    """
    await refuse_black(uow, Scope.NUMBER, phone)
    account_id = AccountId.new(now)
    digest, key = (None, None) if password is None else new_digest(runtime.ports.key_store, account_id, password)
    account = AccountRow(
        id=account_id,
        phone=phone,
        home_province=home_province(phone),
        kind=AccountKind.WALLET,
        life=Life.PENDING if password is None else Life.ACTIVE,
        ledger_account_id=await open_ledger_account(uow, Code.WALLET, name=str(account_id), now=now),
        password_digest=digest,
        password_key=key,
        daily_limit_fen=runtime.policy.default_daily_limit_fen,
        language=language,
        account_class=account_class,
        customer_id=customer_id,
    )
    today = business_date(now, cut=runtime.settings.day_cut)
    terms_version = runtime.policy.terms_version
    if not await insert_account(uow, account, terms_version=terms_version, channel=channel, today=today, now=now):
        raise Refused(ErrorCode.ACCOUNT_EXISTS)
    if subscriber is not None:
        await bind_new(uow, account.id, subscriber, now=now)
    return account


def _opened(account: AccountRow, signed_in: SignedIn | None) -> OpenedAccount:
    return OpenedAccount(
        AccountId.from_uuid(account.id),
        account.phone,
        account.home_province,
        account.kind,
        account.life,
        account.daily_limit_fen,
        signed_in,
    )

"""The payment password: set by a one-time link or an SMS code, changed with the old one, unlocked by an SMS code.

A new password clears the wrong tries and the lock and ends the account's other sessions. A lock that ten wrong tries
in a row made is released by a new password alone. Every change sends its notice.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from uuid import UUID

from mpss.accounts import token_store
from mpss.accounts.checks import check_state, is_locked, must_reset, password_cleared
from mpss.accounts.codes import Purpose, check_code, use_code
from mpss.accounts.holder_proof import asks_holder, document_of, prove_holder
from mpss.accounts.links import find_link, send_link
from mpss.accounts.locks import lock_live, wallet_of
from mpss.accounts.model import AccountRow, UsageRow
from mpss.accounts.notify import tell_holder
from mpss.accounts.password_rules import (
    candidate_digests,
    check_form,
    check_holder,
    check_new,
    fingerprint,
    new_digest,
)
from mpss.accounts.password_store import Retired, retire_password, retired_passwords
from mpss.accounts.password_tries import count_try
from mpss.accounts.sign_in import Session
from mpss.accounts.sim_cooling import refuse_new_sim
from mpss.accounts.spray import hot, noticed
from mpss.accounts.state import Operation
from mpss.accounts.store import find_wallet, save_usage, set_password
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime
from mpss.security.tokens import token_digest


async def request_link(runtime: Runtime, *, phone: str) -> None:
    """Send the number's own phone a one-time link to set its password; for an SMS command from that phone.

    Raises:
        MalformedField: `phone` is no mobile number of the mainland.
        Refused: UNKNOWN_ACCOUNT, what the state refuses with; SIM_COOLING; RATE_LIMITED.

    Spec: CT 5.2; CM 7.5.
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account, _ = await lock_live(uow, await wallet_of(uow, phone))
        _refuse_stopped(account, now)
        await refuse_new_sim(uow, runtime, account.id, now=now)
        await send_link(uow, runtime, account_id=account.id, phone=account.phone, language=account.language, now=now)


async def set_by_link(runtime: Runtime, *, token: str, password: str, identity_tail: str | None = None) -> None:
    """Set the payment password by a one-time link; a pending account becomes active.

    A real-name account that has a password already asks for `identity_tail`, the end of the document's number.

    Raises:
        MalformedField: `password` is not six digits.
        Refused: CODE_EXPIRED (the link ran out, was used, or never was), WEAK_PASSWORD, PASSWORD_REUSED, what
            the state refuses with; SIM_COOLING; as `prove_holder`. What will not do leaves the link as it was.

    Spec: CT 5.2; CM 7.4.
    """
    check_form(password)
    account_id = await find_link(runtime, token=token)
    await _refuse_new_sim(runtime, account_id)
    if await asks_holder(runtime, account_id=account_id):
        await prove_holder(runtime, account_id=account_id, tail=identity_tail)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account, usage = await lock_live(uow, account_id)
        _refuse_stopped(account, now)
        await refuse_new_sim(uow, runtime, account.id, now=now)
        check_new(password, phone=account.phone)
        if not await token_store.use_link(uow, token_digest(token), now=now):
            raise Refused(ErrorCode.CODE_EXPIRED, detail="ask for a new link")
        await _replace(uow, runtime, account, usage, password, now)


async def set_by_code(
    runtime: Runtime, *, phone: str, code: str, password: str, identity_tail: str | None = None
) -> None:
    """Set the payment password, or reset a forgotten or locked one, by a SET_PASSWORD code.

    A real-name account asks for `identity_tail`, the end of the document's number, as well.

    Raises:
        MalformedField: `phone`, `code` or `password`.
        Refused: WEAK_PASSWORD, PASSWORD_REUSED, WRONG_CODE, CODE_EXPIRED, UNKNOWN_ACCOUNT, what the state refuses with;
            SIM_COOLING; as `prove_holder`.

    Spec: CT 5.2; CM 7.4, 7.5.
    """
    phone = parse_phone(phone)
    check_new(password, phone=phone)
    code_id = await check_code(runtime, phone=phone, purpose=Purpose.SET_PASSWORD, code=code)
    async with runtime.database.read() as uow:
        account_id = await find_wallet(uow, phone=phone)
    if account_id is not None:
        # Before the document's number: who has another's card is told nothing about it.
        await _refuse_new_sim(runtime, account_id)
        await prove_holder(runtime, account_id=account_id, tail=identity_tail)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account, usage = await lock_live(uow, await wallet_of(uow, phone))
        _refuse_stopped(account, now)
        await refuse_new_sim(uow, runtime, account.id, now=now)
        await use_code(uow, code_id, now=now)
        await _replace(uow, runtime, account, usage, password, now)


async def change(runtime: Runtime, *, session: Session, old_password: str, new_password: str, source: str) -> None:
    """Change the payment password; a wrong old one is counted as in a purchase.

    Raises:
        MalformedField: `old_password` or `new_password` is not six digits.
        Refused: WEAK_PASSWORD, PASSWORD_REUSED, UNKNOWN_ACCOUNT, what the state refuses with, PASSWORD_NOT_SET,
            WRONG_PASSWORD, PASSWORD_LOCKED, CHALLENGE_REQUIRED (the old password was seen over many numbers: reset it
            by an SMS code).

    Spec: CT 5.2; CM 7.4.
    """
    check_form(old_password, field="old_password")
    check_new(new_password, phone=session.phone, field="new_password")
    if session.account_id is None:
        raise Refused(ErrorCode.UNKNOWN_ACCOUNT)
    key_store, now = runtime.ports.key_store, runtime.clock.now()
    candidates = candidate_digests(key_store, session.account_id, old_password)
    tried = fingerprint(key_store, old_password)
    challenged = await hot(runtime, tried, source)
    async with runtime.database.transaction() as uow:
        account, usage = await lock_live(uow, session.account_id)
        _refuse_stopped(account, now)
        refusal = await count_try(
            uow, runtime, account, usage, candidate_digests=candidates, tried=tried, challenged=challenged,
            source=source, now=now,
        )  # fmt: skip
        if refusal is None:
            await _replace(
                uow, runtime, account, usage, new_password, now, kept=session.token_digest, field="new_password"
            )
    if refusal is not None:
        noticed(runtime)
        raise Refused(refusal, field="old_password")


async def unlock(runtime: Runtime, *, phone: str, code: str) -> None:
    """Release a day's lock by an UNLOCK code; the password stays. The tries in a row stay counted, too.

    Raises:
        MalformedField: `phone` or `code`.
        Refused: WRONG_CODE, CODE_EXPIRED, UNKNOWN_ACCOUNT, what the state refuses with; SIM_COOLING; PASSWORD_LOCKED,
            so many tries in a row were wrong that the password must be reset.

    Spec: CT 5.2; CM 7.5.
    """
    phone = parse_phone(phone)
    code_id = await check_code(runtime, phone=phone, purpose=Purpose.UNLOCK, code=code)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account, usage = await lock_live(uow, await wallet_of(uow, phone))
        _refuse_stopped(account, now)
        await refuse_new_sim(uow, runtime, account.id, now=now)
        if must_reset(usage, runtime.policy):
            raise Refused(ErrorCode.PASSWORD_LOCKED, detail="set a new password")
        await use_code(uow, code_id, now=now)
        if is_locked(usage, now, runtime.policy):
            await save_usage(uow, account.id, usage._replace(wrong_today=0, locked_until=None))
            await _tell(uow, "password_unlocked", account, now)


async def refuse_used(uow: UnitOfWork, runtime: Runtime, account: AccountRow, password: str) -> None:
    """
    Raises:
        Refused: PASSWORD_REUSED, it is the present one or one of the last ones.
    """
    most = runtime.policy.password_history
    used = await retired_passwords(uow, account.id, most=max(0, most - 1))
    if most and account.password_digest is not None and account.password_key is not None:
        used.append(Retired(account.password_digest, account.password_key))
    candidates = candidate_digests(runtime.ports.key_store, account.id, password)
    if any(hmac.compare_digest(candidates.get(each.key, b""), each.digest) for each in used):
        raise Refused(ErrorCode.PASSWORD_REUSED, detail="choose one that was not used lately")


async def _replace(
    uow: UnitOfWork,
    runtime: Runtime,
    account: AccountRow,
    usage: UsageRow,
    password: str,
    now: datetime,
    *,
    kept: bytes = b"",
    field: str = "password",
) -> None:
    document = await document_of(uow, runtime.ports.key_store, account)
    if document is not None:
        check_holder(password, document, field=field)
    await refuse_used(uow, runtime, account, password)
    digest, key = new_digest(runtime.ports.key_store, account.id, password)
    await retire_password(uow, account.id, now=now)
    await set_password(uow, account.id, digest=digest, key=key)
    await save_usage(uow, account.id, password_cleared(usage))
    await token_store.end_sessions(uow, account.id, kept=kept)
    await token_store.void_links(uow, account.id, now=now)
    await _tell(uow, "password_set" if account.password_digest is None else "password_changed", account, now)


async def _tell(uow: UnitOfWork, event: str, account: AccountRow, now: datetime) -> None:
    await tell_holder(uow, account, event, now=now)


async def _refuse_new_sim(runtime: Runtime, account_id: UUID) -> None:
    async with runtime.database.read() as uow:
        await refuse_new_sim(uow, runtime, account_id, now=runtime.clock.now())


def _refuse_stopped(account: AccountRow, now: datetime) -> None:
    refusal = check_state(account, Operation.SET_PASSWORD, at=now)
    if refusal is not None:
        raise Refused(refusal)

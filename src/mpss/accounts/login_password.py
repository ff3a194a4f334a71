"""The login password (登录密码): signs in, and moves no money; the payment password is asked for besides.

A try is counted before it is compared, so that tries at once are no more than tries one by one. Whether a number has an
account, a login password or a lock is not told: the answer is one, and so is the work for it. The owner is told of a
lock by SMS. Hashes are argon2id, made and compared in a thread, a few at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mpss.accounts import token_store
from mpss.accounts.boss_asking import check_number
from mpss.accounts.checks import check_state
from mpss.accounts.codes import Purpose, check_code, use_code
from mpss.accounts.locks import lock_live
from mpss.accounts.notify import tell, tell_holder
from mpss.accounts.password_store import clear_login, count_login, lock_login, set_login
from mpss.accounts.sign_in import Session, SignedIn, start_session
from mpss.accounts.sim_cooling import refuse_new_sim
from mpss.accounts.state import Operation
from mpss.accounts.store import find_wallet
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime

T = TypeVar("T")

SHORTEST, LONGEST = 8, 64
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
_NOBODYS = _HASHER.hash("compared where there is nothing to compare with")


async def set_login_password(runtime: Runtime, *, session: Session, code: str, password: str) -> None:
    """Set or replace the login password by a LOGIN_PASSWORD code; other sessions of the account end.

    Raises:
        MalformedField: `code`, or `password` is not of 8 to 64 printable ASCII characters.
        Refused: WEAK_PASSWORD, WRONG_CODE, CODE_EXPIRED, UNKNOWN_ACCOUNT, what the state refuses with; SIM_COOLING.

    Spec: CM 7.4, 8.2.3; CT 12.1.
    """
    check_new_login(password, phone=session.phone)
    if session.account_id is None:
        raise Refused(ErrorCode.UNKNOWN_ACCOUNT)
    code_id = await check_code(runtime, phone=session.phone, purpose=Purpose.LOGIN_PASSWORD, code=code)
    hashed = await _in_a_thread(_HASHER.hash, password)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account, _ = await lock_live(uow, session.account_id)
        refusal = check_state(account, Operation.SET_PASSWORD, at=now)
        if refusal is not None:
            raise Refused(refusal)
        await refuse_new_sim(uow, runtime, account.id, now=now)
        await use_code(uow, code_id, now=now)
        await set_login(uow, account.id, hashed=hashed, now=now)
        await token_store.end_sessions(uow, account.id, kept=session.token_digest)
        await tell_holder(uow, account, "login_password_set", now=now)


async def sign_in_by_password(runtime: Runtime, *, phone: str, password: str) -> SignedIn:
    """Exchange number and login password for a session.

    Raises:
        MalformedField: `phone`.
        Refused: WRONG_PASSWORD, whatever is wrong: the number, the password, or too many tries before;
            NUMBER_REASSIGNED, its wallet is no longer this number's.

    Spec: CT 12.1.
    """
    phone, now = parse_phone(phone), runtime.clock.now()
    account_id, hashed = await _count_try(runtime, phone, now)
    right = await _in_a_thread(_holds, hashed or _NOBODYS, password[: LONGEST + 1])
    if account_id is None or hashed is None or not right:
        raise Refused(ErrorCode.WRONG_PASSWORD, field="password")
    await check_number(runtime, phone)
    async with runtime.database.transaction() as uow:
        if not await clear_login(uow, account_id, hashed=hashed):
            raise Refused(ErrorCode.WRONG_PASSWORD, field="password")
        return await start_session(uow, runtime, phone=phone, account_id=account_id, now=now)


def check_new_login(password: str, *, phone: str, field: str = "password") -> str:
    """The password itself, fit to be set for the number `phone` (E.164).

    Raises:
        MalformedField: it is not of 8 to 64 printable ASCII characters.
        Refused: WEAK_PASSWORD: no letter, no digit, the number in it, or fewer than five different characters.
    """
    if not SHORTEST <= len(password) <= LONGEST or not password.isascii() or not password.isprintable():
        raise MalformedField(field=field, problem=f"must be {SHORTEST} to {LONGEST} printable ASCII characters")
    mixed = any(sign.isalpha() for sign in password) and any(sign.isdigit() for sign in password)
    if not mixed or phone[-8:] in password or len(set(password)) < 5:
        raise Refused(
            ErrorCode.WEAK_PASSWORD, detail="use letters and digits, and not the phone number", field=field
        )  # fmt: skip
    return password


async def _count_try(runtime: Runtime, phone: str, now: datetime) -> tuple[UUID | None, str | None]:
    """The account and the hash to compare with, the try counted; None where there is nothing to compare with."""
    policy = runtime.policy
    async with runtime.database.transaction() as uow:
        account_id = await find_wallet(uow, phone=phone)
        row = None if account_id is None else await lock_login(uow, account_id)
        if account_id is None or row is None or (row.locked_until is not None and now < row.locked_until):
            return None, None
        wrong = row.wrong + 1
        locked_until = None
        if wrong > policy.login_tries:
            wrong, locked_until = 0, now + timedelta(minutes=policy.login_lock_minutes)
        await count_login(uow, account_id, wrong=wrong, locked_until=locked_until)
        if locked_until is None:
            return account_id, row.hash
        await tell(uow, "login_locked", reference=account_id, phone=phone, language=row.language, now=now)
        return None, None


def _holds(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


async def _in_a_thread(work: Callable[..., T], *given: str) -> T:
    """Run what takes the processor a while, no more than a few of them at a time."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREADS, work, *given)

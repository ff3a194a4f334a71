"""Sign in with an SMS code, act with a session token, sign out. The database keeps a digest of the token alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from mpss.accounts import token_store
from mpss.accounts.boss_asking import check_number
from mpss.accounts.codes import Purpose, check_code, use_code
from mpss.accounts.store import find_wallet
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import AccountId
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime
from mpss.security.tokens import new_token, token_digest


class Session(NamedTuple):
    """Who is asking. `account_id` is None until the number has an account; `phone` is E.164."""

    phone: str
    account_id: AccountId | None
    expires_at: datetime
    token_digest: bytes


class SignedIn(NamedTuple):
    """A session and its token, which is shown this once."""

    token: str
    session: Session


async def sign_in(runtime: Runtime, *, phone: str, code: str) -> SignedIn:
    """Exchange a SIGN_IN code for a session token, whether or not the number has an account yet.

    Raises:
        MalformedField: `phone` or `code`.
        Refused: WRONG_CODE, CODE_EXPIRED; NUMBER_REASSIGNED, its wallet is no longer this number's.

    Spec: CT 12.1.
    """
    phone = parse_phone(phone)
    code_id = await check_code(runtime, phone=phone, purpose=Purpose.SIGN_IN, code=code)
    await check_number(runtime, phone)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        await use_code(uow, code_id, now=now)
        account_id = await find_wallet(uow, phone=phone)
        return await start_session(uow, runtime, phone=phone, account_id=account_id, now=now)


async def start_session(
    uow: UnitOfWork, runtime: Runtime, *, phone: str, account_id: UUID | None, now: datetime
) -> SignedIn:
    """A session for a number that has just been proven, in the caller's unit of work."""
    token = new_token("ses")
    digest = token_digest(token)
    expires_at = now + timedelta(seconds=runtime.policy.session_ttl_seconds)
    await token_store.insert_session(uow, digest, phone=phone, account_id=account_id, now=now, expires_at=expires_at)
    return SignedIn(token, _session(phone, account_id, expires_at, digest))


async def authenticate_session(runtime: Runtime, token: str) -> Session:
    """Who the token says is asking.

    Raises:
        Refused: UNAUTHENTICATED, there is no such session, or it ran out.
    """
    (session,) = await find_sessions(runtime, [token_digest(token)])
    if session is None:
        raise Refused(ErrorCode.UNAUTHENTICATED, detail="sign in again")
    return session


async def find_sessions(runtime: Runtime, digests: Sequence[bytes]) -> list[Session | None]:
    """The session of each token's digest, in their order; None where there is none, or it ran out."""
    async with runtime.database.transaction() as uow:
        rows = await token_store.find_sessions(uow, digests, now=runtime.clock.now())
    found = {row.token_digest: row for row in rows}
    return [
        None if row is None else _session(row.phone, row.account_id, row.expires_at, row.token_digest)
        for row in map(found.get, digests)
    ]


async def sign_out(runtime: Runtime, session: Session) -> None:
    """End the session; ending it twice is no error."""
    async with runtime.database.transaction() as uow:
        await token_store.end_session(uow, session.token_digest)


def _session(phone: str, account_id: UUID | None, expires_at: datetime, digest: bytes) -> Session:
    return Session(phone, None if account_id is None else AccountId.from_uuid(account_id), expires_at, digest)

"""One-time SMS codes: whoever knows the code holds the phone.

Invariants: (1) the code is never in the database in clear: its row holds a keyed digest, the notice's parameters hold
it sealed ("code_sealed", base64 of `KeyStore.seal`), and `notices` unseals it as the SMS is sent; (2) only the newest
code for a number and purpose holds, once, for `policy.code_ttl_seconds` and `policy.code_tries` wrong entries;
(3) answers and the work done for them are the same whether or not the number has an account.

A stranger may use up the codes that the web sends to a number, for an hour at a time. What the subscriber asks for by
SMS from the phone itself (source "sms") is counted apart, and a link sent that way (password.py) releases a lock, so
nobody is shut out by others.
"""

from __future__ import annotations

import hmac
import re
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from mpss.accounts import token_store
from mpss.accounts.notify import check_language, sealed, tell
from mpss.accounts.token_store import CodeRow
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import Id
from mpss.kernel.phone import parse_phone
from mpss.ports.key_store import KeyStore
from mpss.runtime import Runtime

BY_SMS = "sms"
"""The source of what a phone asks for itself."""
TOKEN_KEY = "token"  # noqa: S105 - a key's name
_SIX_DIGITS = re.compile(r"[0-9]{6}", re.ASCII)
_HOUR = timedelta(hours=1)
_NO_ID = Id.of(0)


class Purpose(StrEnum):
    """What a code is good for; a code for one purpose is wrong for another."""

    OPEN = "open"
    SIGN_IN = "sign_in"
    UNLOCK = "unlock"
    SET_PASSWORD = "set_password"  # noqa: S105 - a purpose, not a password
    LOGIN_PASSWORD = "login_password"  # noqa: S105
    CHALLENGE = "challenge"
    BIND_CARD = "bind_card"
    PAYEE = "payee"
    ACCOUNT = "account"


async def request_code(
    runtime: Runtime, *, phone: str, purpose: Purpose, source: str, language: str = "zh-CN"
) -> datetime:
    """Send a six-digit code to `phone` (with or without +86), whether or not it has an account; when it runs out.

    `source` is who asks: an address, or "sms" for the phone itself.

    Raises:
        MalformedField: `phone` or `language`.
        Refused: RATE_LIMITED, the number or the source had its codes for this hour.

    Spec: CT 12.1.
    """
    phone = parse_phone(phone)
    check_language(language)
    now, policy, key_store = runtime.clock.now(), runtime.policy, runtime.ports.key_store
    expires_at = now + timedelta(seconds=policy.code_ttl_seconds)
    code = f"{secrets.randbelow(1_000_000):06d}"
    code_id = Id.new(now)
    digest = _digest(key_store, code_id, code, key_store.current(TOKEN_KEY))
    params = {
        "code_sealed": sealed(key_store, code),
        "purpose": purpose.value,
        "minutes": -(-policy.code_ttl_seconds // 60),
    }
    async with runtime.database.transaction() as uow:
        counts = await token_store.count_codes(uow, phone=phone, source=source, since=now - _HOUR)
        too_many = counts.of_phone >= policy.codes_per_phone_per_hour
        if too_many or (source != BY_SMS and counts.of_source >= policy.codes_per_source_per_hour):
            raise Refused(ErrorCode.RATE_LIMITED, detail="too many codes were asked for; wait an hour")
        await token_store.insert_code(
            uow, code_id, phone=phone, purpose=purpose, digest=digest, source=source, now=now,
            expires_at=expires_at, tries=policy.code_tries,
        )  # fmt: skip
        await tell(uow, "code", reference=code_id, phone=phone, language=language, now=now, params=params)
    return expires_at


async def check_code(runtime: Runtime, *, phone: str, purpose: Purpose, code: str) -> UUID:
    """Check the code last sent to `phone` (E.164) and count a wrong entry at once; the id to hand to `use_code`.

    Raises:
        MalformedField: `code` is not six digits.
        Refused: WRONG_CODE; CODE_EXPIRED, also for a used one and after too many wrong entries.
    """
    if _SIX_DIGITS.fullmatch(code) is None:
        raise MalformedField(field="code", problem="must be six digits")
    now, key_store = runtime.clock.now(), runtime.ports.key_store
    async with runtime.database.transaction() as uow:
        sent = await token_store.lock_latest_code(uow, phone=phone, purpose=purpose)
        right = _matches(key_store, sent, code)
        holds = sent is not None and sent.used_at is None and now < sent.expires_at and sent.tries_left > 0
        if sent is not None and holds and not right:
            await token_store.count_try(uow, sent.id)
    if sent is not None and not holds:
        raise Refused(ErrorCode.CODE_EXPIRED, detail="ask for a new code", field="code")
    if sent is None or not right:
        raise Refused(ErrorCode.WRONG_CODE, field="code")
    return sent.id


async def use_code(uow: UnitOfWork, code_id: UUID, *, now: datetime) -> None:
    """Use up a checked code together with what it permits.

    Raises:
        Refused: CODE_EXPIRED, another request used it meanwhile.
    """
    if not await token_store.use_code(uow, code_id, now=now):
        raise Refused(ErrorCode.CODE_EXPIRED, detail="ask for a new code", field="code")


def _matches(key_store: KeyStore, sent: CodeRow | None, code: str) -> bool:
    """Compare in constant time; with no code sent, the same work is done for nothing."""
    code_id, digest = (_NO_ID, b"") if sent is None else (sent.id, sent.digest)
    versions = range(1, key_store.current(TOKEN_KEY) + 1)
    found = [hmac.compare_digest(digest, _digest(key_store, code_id, code, version)) for version in versions]
    return any(found)


def _digest(key_store: KeyStore, code_id: UUID, code: str, version: int) -> bytes:
    return key_store.mac(TOKEN_KEY, code_id.bytes + code.encode(), version=version)

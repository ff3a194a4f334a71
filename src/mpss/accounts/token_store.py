"""The SQL of what proves a number: SMS codes, sessions, one-time links; and the record of wrong passwords."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork

_LOCK_CODES_OF: LiteralString = "SELECT pg_advisory_xact_lock(7101, hashtext(%(phone)s))"
_LOCK_CODES_FROM: LiteralString = "SELECT pg_advisory_xact_lock(7102, hashtext(%(source)s))"
_COUNT_CODES: LiteralString = """
    -- What the number asked for by its own SMS is counted apart: a stranger cannot use its codes up.
    SELECT (SELECT count(*) FROM sms_code WHERE phone = %(phone)s AND created_at > %(since)s
               AND (source = 'sms') = (%(source)s = 'sms')) AS of_phone,
           (SELECT count(*) FROM sms_code WHERE source = %(source)s AND created_at > %(since)s) AS of_source
"""
_END_OLDER_CODES: LiteralString = """
    UPDATE sms_code SET used_at = %(now)s WHERE phone = %(phone)s AND purpose = %(purpose)s AND used_at IS NULL
"""
_INSERT_CODE: LiteralString = """
    INSERT INTO sms_code (id, phone, purpose, digest, source, created_at, expires_at, tries_left)
    VALUES (%(id)s, %(phone)s, %(purpose)s, %(digest)s, %(source)s, %(now)s, %(expires_at)s, %(tries)s)
"""
_LOCK_LATEST_CODE: LiteralString = """
    SELECT id, digest, expires_at, tries_left, used_at FROM sms_code
     WHERE phone = %(phone)s AND purpose = %(purpose)s
     ORDER BY used_at IS NULL DESC, created_at DESC LIMIT 1 FOR UPDATE
"""
_COUNT_TRY: LiteralString = "UPDATE sms_code SET tries_left = tries_left - 1 WHERE id = %(id)s"
_USE_CODE: LiteralString = "UPDATE sms_code SET used_at = %(now)s WHERE id = %(id)s AND used_at IS NULL"

_INSERT_SESSION: LiteralString = """
    INSERT INTO account_session (token_digest, phone, account_id, created_at, expires_at)
    VALUES (%(digest)s, %(phone)s, %(account_id)s, %(now)s, %(expires_at)s)
"""
_FIND_SESSIONS: LiteralString = """
    SELECT token_digest, phone, account_id, expires_at FROM account_session
     WHERE token_digest = ANY(%(digests)s) AND expires_at > %(now)s
"""
_GIVE_ACCOUNT: LiteralString = """
    UPDATE account_session SET account_id = %(account_id)s WHERE phone = %(phone)s AND account_id IS NULL
"""
_END_BEFORE: LiteralString = """
    DELETE FROM account_session WHERE phone = %(phone)s AND account_id IS NULL AND created_at < %(before)s
"""
_END_SESSION: LiteralString = "DELETE FROM account_session WHERE token_digest = %(digest)s"
_END_OTHER_SESSIONS: LiteralString = """
    DELETE FROM account_session WHERE account_id = %(account_id)s AND token_digest <> %(kept)s
"""

_COUNT_LINKS: LiteralString = """
    SELECT count(*) FROM one_time_link WHERE account_id = %(account_id)s AND created_at > %(since)s
"""
_INSERT_LINK: LiteralString = """
    INSERT INTO one_time_link (token_digest, account_id, purpose, created_at, expires_at)
    VALUES (%(digest)s, %(account_id)s, %(purpose)s, %(now)s, %(expires_at)s)
"""
_FIND_LINK: LiteralString = """
    SELECT account_id, purpose FROM one_time_link
     WHERE token_digest = %(digest)s AND used_at IS NULL AND expires_at > %(now)s
"""
_USE_LINK: LiteralString = """
    UPDATE one_time_link SET used_at = %(now)s
     WHERE token_digest = %(digest)s AND used_at IS NULL AND expires_at > %(now)s
"""
_VOID_LINKS: LiteralString = """
    UPDATE one_time_link SET expires_at = %(now)s
     WHERE account_id = %(account_id)s AND used_at IS NULL AND expires_at > %(now)s
"""

_SPRAYED: LiteralString = """
    SELECT fingerprint FROM password_failure WHERE at > %(since)s
     GROUP BY fingerprint HAVING count(DISTINCT account_id) >= %(numbers)s
"""
_SPRAYING: LiteralString = """
    SELECT source FROM password_failure WHERE at > %(since)s
     GROUP BY source HAVING count(DISTINCT account_id) >= %(numbers)s
"""

_SWEEPS: tuple[LiteralString, ...] = (
    "DELETE FROM account_session WHERE expires_at < %(now)s",
    "DELETE FROM sms_code WHERE created_at < %(before)s",
    "DELETE FROM one_time_link WHERE expires_at < %(before)s",
    "DELETE FROM password_failure WHERE at < %(before)s",
)


class CodeRow(NamedTuple):
    id: UUID
    digest: bytes
    expires_at: datetime
    tries_left: int
    used_at: datetime | None


class CodeCounts(NamedTuple):
    """Codes asked for lately, for the number and from the source."""

    of_phone: int
    of_source: int


class SessionRow(NamedTuple):
    token_digest: bytes
    phone: str
    account_id: UUID | None
    expires_at: datetime


class LinkRow(NamedTuple):
    account_id: UUID
    purpose: str


async def count_codes(uow: UnitOfWork, *, phone: str, source: str, since: datetime) -> CodeCounts:
    """Codes since `since`; whoever else asks for this number or from this source waits until the unit of work ends."""
    # Always the number first, so that two requests cannot deadlock.
    await uow.execute(_LOCK_CODES_OF, {"phone": phone})
    await uow.execute(_LOCK_CODES_FROM, {"source": source})
    counts = await uow.row(CodeCounts, _COUNT_CODES, {"phone": phone, "source": source, "since": since})
    assert counts is not None
    return counts


async def insert_code(
    uow: UnitOfWork,
    code_id: UUID,
    *,
    phone: str,
    purpose: str,
    digest: bytes,
    source: str,
    now: datetime,
    expires_at: datetime,
    tries: int,
) -> None:
    """Write a new code; older ones for the number and purpose end."""
    await uow.execute(_END_OLDER_CODES, {"phone": phone, "purpose": purpose, "now": now})
    values = {"id": code_id, "phone": phone, "purpose": purpose, "digest": digest, "source": source}
    await uow.execute(_INSERT_CODE, {**values, "now": now, "expires_at": expires_at, "tries": tries})


async def lock_latest_code(uow: UnitOfWork, *, phone: str, purpose: str) -> CodeRow | None:
    """The code last sent for the purpose, or one that was used or replaced where none is left."""
    return await uow.row(CodeRow, _LOCK_LATEST_CODE, {"phone": phone, "purpose": purpose})


async def count_try(uow: UnitOfWork, code_id: UUID) -> None:
    await uow.execute(_COUNT_TRY, {"id": code_id})


async def use_code(uow: UnitOfWork, code_id: UUID, *, now: datetime) -> bool:
    """Mark the code used; False where it was used already."""
    return bool(await uow.execute(_USE_CODE, {"id": code_id, "now": now}))


async def insert_session(
    uow: UnitOfWork, digest: bytes, *, phone: str, account_id: UUID | None, now: datetime, expires_at: datetime
) -> None:
    values = {"digest": digest, "phone": phone, "account_id": account_id, "now": now, "expires_at": expires_at}
    await uow.execute(_INSERT_SESSION, values)


async def find_sessions(uow: UnitOfWork, digests: Sequence[bytes], *, now: datetime) -> list[SessionRow]:
    """Those of the sessions that are there and have not run out, in no order."""
    return await uow.rows(SessionRow, _FIND_SESSIONS, {"digests": list(digests), "now": now})


async def end_sessions_before(uow: UnitOfWork, *, phone: str, before: datetime) -> None:
    """End the sessions without an account that whoever had the number then began."""
    await uow.execute(_END_BEFORE, {"phone": phone, "before": before})


async def give_account(uow: UnitOfWork, *, phone: str, account_id: UUID) -> None:
    """Sessions that the number opened before it had an account now have it."""
    await uow.execute(_GIVE_ACCOUNT, {"phone": phone, "account_id": account_id})


async def end_session(uow: UnitOfWork, digest: bytes) -> None:
    await uow.execute(_END_SESSION, {"digest": digest})


async def end_sessions(uow: UnitOfWork, account_id: UUID, *, kept: bytes = b"") -> None:
    """End every session of the account but the one whose digest is `kept`."""
    await uow.execute(_END_OTHER_SESSIONS, {"account_id": account_id, "kept": kept})


async def count_links(uow: UnitOfWork, account_id: UUID, *, since: datetime) -> int:
    counted: int = await uow.value(_COUNT_LINKS, {"account_id": account_id, "since": since})
    return counted


async def insert_link(
    uow: UnitOfWork, digest: bytes, *, account_id: UUID, purpose: str, now: datetime, expires_at: datetime
) -> None:
    values = {"digest": digest, "account_id": account_id, "purpose": purpose, "now": now, "expires_at": expires_at}
    await uow.execute(_INSERT_LINK, values)


async def find_link(uow: UnitOfWork, digest: bytes, *, now: datetime) -> LinkRow | None:
    """A link that may still be used."""
    return await uow.row(LinkRow, _FIND_LINK, {"digest": digest, "now": now})


async def use_link(uow: UnitOfWork, digest: bytes, *, now: datetime) -> bool:
    """Mark the link used; False where it was used already or ran out."""
    return bool(await uow.execute(_USE_LINK, {"digest": digest, "now": now}))


async def void_links(uow: UnitOfWork, account_id: UUID, *, now: datetime) -> None:
    """End every unused link of the account."""
    await uow.execute(_VOID_LINKS, {"account_id": account_id, "now": now})


async def sprayed(
    uow: UnitOfWork, *, since: datetime, numbers: int, numbers_per_source: int
) -> tuple[frozenset[bytes], frozenset[str]]:
    """Fingerprints that failed on `numbers` accounts or more since then, and sources on `numbers_per_source`."""
    prints = await uow.dicts(_SPRAYED, {"since": since, "numbers": numbers})
    sources = await uow.dicts(_SPRAYING, {"since": since, "numbers": numbers_per_source})
    return frozenset(row["fingerprint"] for row in prints), frozenset(row["source"] for row in sources)


async def sweep(uow: UnitOfWork, *, now: datetime, before: datetime) -> int:
    """Delete sessions that ran out, and codes, links and failures from before `before`; how many rows."""
    swept = 0
    for statement in _SWEEPS:
        swept += await uow.execute(statement, {"now": now, "before": before})
    return swept

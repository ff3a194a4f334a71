"""The SQL of customers, their documents' images, what they submit for review, and corporate members."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from mpss.accounts.customer_model import (
    CustomerKind,
    CustomerRow,
    DocumentKind,
    ImageKind,
    MemberRow,
    NameLevel,
    Sex,
    SubmissionRow,
    SubmissionState,
)
from mpss.accounts.model import AccountClass
from mpss.accounts.state_store import Owner
from mpss.db.database import UnitOfWork

_LOCK_DOCUMENT: LiteralString = "SELECT pg_advisory_xact_lock(%(key)s)"
_INSERT: LiteralString = """
    INSERT INTO customer (id, kind, name_sealed, document_kind, number_sealed, number_digest, valid_until, sex,
                          nationality, occupation, address_sealed, contact_sealed, level, face_to_face, verifications,
                          verified_at, created_at, person_digest)
    VALUES (%(id)s, %(kind)s, %(name_sealed)s, %(document_kind)s, %(number_sealed)s, %(number_digest)s, %(valid_until)s,
            %(sex)s, %(nationality)s, %(occupation)s, %(address_sealed)s, %(contact_sealed)s, %(level)s,
            %(face_to_face)s, %(verifications)s, %(verified_at)s, %(created_at)s, %(person_digest)s)
"""
_FIND: LiteralString = """
    SELECT id, kind, name_sealed, document_kind, number_sealed, number_digest, valid_until, sex, nationality,
           occupation, address_sealed, contact_sealed, level, face_to_face, verifications, verified_at, created_at
      FROM customer WHERE id = ANY(%(ids)s)
"""
_REAL: LiteralString = """
    SELECT id, kind, name_sealed, document_kind, number_sealed, number_digest, valid_until, sex, nationality,
           occupation, address_sealed, contact_sealed, level, face_to_face, verifications, verified_at, created_at
      FROM customer WHERE number_digest = ANY(%(digests)s) AND level = 'real'
"""
_VERIFY: LiteralString = """
    UPDATE customer
       SET level = 'real', face_to_face = %(face_to_face)s, verifications = %(verifications)s, verified_at = %(now)s,
           name_sealed = %(name_sealed)s, document_kind = %(document_kind)s, number_sealed = %(number_sealed)s,
           number_digest = %(number_digest)s, person_digest = %(person_digest)s,
           valid_until = %(valid_until)s, sex = %(sex)s, nationality = %(nationality)s, occupation = %(occupation)s,
           address_sealed = %(address_sealed)s, contact_sealed = %(contact_sealed)s, warned_at = NULL
     WHERE id = %(id)s
"""
_INSERT_IMAGE: LiteralString = """
    INSERT INTO identity_image (customer_id, kind, content_sealed, media_type, size, uploaded_by, uploaded_at)
    VALUES (%(customer_id)s, %(kind)s, %(content_sealed)s, %(media_type)s, %(size)s, %(by)s, %(now)s)
"""
_IMAGE: LiteralString = """
    SELECT content_sealed, media_type FROM identity_image WHERE customer_id = %(customer_id)s AND kind = %(kind)s
     ORDER BY uploaded_at DESC LIMIT 1
"""
_IMAGE_KINDS: LiteralString = """
    SELECT DISTINCT kind FROM identity_image WHERE customer_id = %(customer_id)s ORDER BY kind
"""
_SET_CUSTOMER: LiteralString = """
    -- A document was just shown; where that one is old as well, the job says so again.
    UPDATE account SET customer_id = %(customer_id)s, account_class = %(account_class)s, document_expired_since = NULL
     WHERE id = %(id)s
"""
_HAS_CLASS_3: LiteralString = """
    SELECT EXISTS (SELECT FROM account WHERE customer_id = %(customer_id)s AND account_class = 'class_3'
                      AND life <> 'closed' AND id <> %(account_id)s)
"""
_SUBMIT: LiteralString = """
    INSERT INTO identity_submission (id, account_id, customer_id, state, submitted_at)
    VALUES (%(id)s, %(account_id)s, %(customer_id)s, 'submitted', %(now)s)
"""
_SUBMISSION: LiteralString = """
    SELECT id, account_id, customer_id, state, submitted_at, decided_at, decided_by, reason
      FROM identity_submission WHERE id = %(id)s
"""
_LATEST: LiteralString = """
    SELECT id, account_id, customer_id, state, submitted_at, decided_at, decided_by, reason
      FROM identity_submission WHERE account_id = %(account_id)s ORDER BY id DESC LIMIT 1
"""
_COUNT_SUBMITTED: LiteralString = """
    SELECT count(*) FROM identity_submission WHERE account_id = %(account_id)s AND submitted_at > %(since)s
"""
_DECIDE: LiteralString = """
    UPDATE identity_submission SET state = %(state)s, decided_at = %(now)s, decided_by = %(by)s, reason = %(reason)s
     WHERE id = %(id)s AND state = 'submitted'
"""
_SUBMISSIONS: LiteralString = """
    SELECT s.id, s.account_id, s.customer_id, s.state, s.submitted_at, s.decided_at, s.decided_by, s.reason, a.phone
      FROM identity_submission AS s JOIN account AS a ON a.id = s.account_id
     WHERE (%(before)s::uuid IS NULL OR s.id < %(before)s)
       AND (%(state)s::text IS NULL OR s.state = %(state)s)
       AND (%(phone)s::text IS NULL OR a.phone = %(phone)s)
     ORDER BY s.id DESC LIMIT %(limit)s
"""
_WARN: LiteralString = """
    -- Those of the oldest end first; one that another process has taken is passed over.
    WITH due AS (SELECT id FROM customer
                  WHERE level = 'real' AND warned_at IS NULL AND valid_until <= %(until)s
                  ORDER BY valid_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
         warned AS (UPDATE customer AS c SET warned_at = %(now)s FROM due WHERE c.id = due.id
                    RETURNING c.id, c.valid_until)
    SELECT a.id, a.phone, a.language, w.valid_until
      FROM warned AS w LEFT JOIN account AS a ON a.customer_id = w.id AND a.life <> 'closed'
"""
_RESTRICT_EXPIRED: LiteralString = """
    WITH due AS (
        SELECT a.id FROM customer AS c JOIN account AS a ON a.customer_id = c.id
          JOIN account_usage AS u ON u.account_id = a.id
         WHERE c.level = 'real' AND c.valid_until < %(before)s AND a.document_expired_since IS NULL
           AND a.life IN ('pending', 'active')
         ORDER BY a.id LIMIT 500 FOR UPDATE OF u SKIP LOCKED)
    UPDATE account AS a SET document_expired_since = %(now)s FROM due
     WHERE a.id = due.id AND a.document_expired_since IS NULL
    RETURNING a.id, a.phone, a.language
"""
_FREE_RENEWED: LiteralString = """
    WITH due AS (
        SELECT a.id FROM account AS a JOIN customer AS c ON c.id = a.customer_id
          JOIN account_usage AS u ON u.account_id = a.id
         WHERE a.document_expired_since IS NOT NULL AND (c.valid_until IS NULL OR c.valid_until >= %(today)s)
         ORDER BY a.id LIMIT 500 FOR UPDATE OF u SKIP LOCKED)
    UPDATE account AS a SET document_expired_since = NULL FROM due
     WHERE a.id = due.id AND a.document_expired_since IS NOT NULL
    RETURNING a.id, a.phone, a.language
"""
_INSERT_MEMBER: LiteralString = """
    INSERT INTO group_member (id, master_account_id, member_account_id, quota_month_fen, quota_single_fen, used_month,
                              added_at)
    VALUES (%(id)s, %(master_id)s, %(member_id)s, %(month_fen)s, %(single_fen)s, %(month)s, %(now)s)
    ON CONFLICT (member_account_id) WHERE removed_at IS NULL DO NOTHING
"""
_SET_QUOTA: LiteralString = """
    UPDATE group_member SET quota_month_fen = %(month_fen)s, quota_single_fen = %(single_fen)s
     WHERE master_account_id = %(master_id)s AND member_account_id = %(member_id)s AND removed_at IS NULL
"""
_REMOVE_MEMBER: LiteralString = """
    UPDATE group_member SET removed_at = %(now)s
     WHERE master_account_id = %(master_id)s AND member_account_id = %(member_id)s AND removed_at IS NULL
"""
_MEMBERS: LiteralString = """
    SELECT m.id, m.master_account_id, m.member_account_id, a.phone, m.quota_month_fen, m.quota_single_fen,
           m.used_month, m.used_fen, m.added_at
      FROM group_member AS m JOIN account AS a ON a.id = m.member_account_id
     WHERE m.master_account_id = %(master_id)s AND m.removed_at IS NULL
       AND (%(after)s::uuid IS NULL OR m.id > %(after)s)
     ORDER BY m.id LIMIT %(limit)s
"""
_WRONG_TAILS: LiteralString = """
    SELECT wrong FROM identity_try WHERE account_id = %(account_id)s AND day = %(day)s
"""
_COUNT_TAIL: LiteralString = """
    INSERT INTO identity_try AS t (account_id, day, wrong) VALUES (%(account_id)s, %(day)s, 1)
    ON CONFLICT (account_id) DO UPDATE
       SET wrong = CASE t.day WHEN EXCLUDED.day THEN t.wrong + 1 ELSE 1 END, day = EXCLUDED.day
"""


_INSERT_MISMATCH: LiteralString = """
    INSERT INTO counter_mismatch (account_id, staff_id, at) VALUES (%(id)s, %(staff_id)s, %(now)s)
"""
_COUNT_MISMATCHES: LiteralString = """
    SELECT count(*) FROM counter_mismatch WHERE account_id = %(id)s AND at > %(since)s
"""


class FoundSubmission(NamedTuple):
    """A submission, and the number of the account it is for."""

    submission: SubmissionRow
    phone: str


class WarnedAccount(NamedTuple):
    """An account whose holder's document runs out on `valid_until`."""

    id: UUID
    phone: str
    language: str
    valid_until: date


def _customer(record: Sequence[Any]) -> CustomerRow:
    row = CustomerRow._make(record)
    return row._replace(
        kind=CustomerKind(row.kind),
        document_kind=DocumentKind(row.document_kind),
        sex=None if row.sex is None else Sex(row.sex),
        level=NameLevel(row.level),
    )


def _submission(record: Sequence[Any]) -> SubmissionRow:
    row = SubmissionRow._make(record)
    return row._replace(state=SubmissionState(row.state))


async def lock_document(uow: UnitOfWork, digest: bytes) -> None:
    """Until the unit of work ends nobody else verifies a holder of this document."""
    await uow.value(_LOCK_DOCUMENT, {"key": int.from_bytes(digest[:8], "big", signed=True)})


async def insert_customer(uow: UnitOfWork, row: CustomerRow, *, person_digest: str) -> None:
    """Write a customer; `person_digest` is what an entry of a list would keep of the document's number."""
    await uow.execute(_INSERT, {**row._asdict(), "person_digest": person_digest})


async def find_customers(uow: UnitOfWork, ids: Sequence[UUID]) -> dict[UUID, CustomerRow]:
    """The customers of these ids, by id."""
    cursor = await uow.connection.execute(_FIND, {"ids": list(ids)})
    found = [_customer(record) for record in await cursor.fetchall()]
    return {row.id: row for row in found}


async def find_real(uow: UnitOfWork, digests: Sequence[bytes]) -> CustomerRow | None:
    """The verified customer with this document, by its digests under every version of the key."""
    cursor = await uow.connection.execute(_REAL, {"digests": list(digests)})
    record = await cursor.fetchone()
    return None if record is None else _customer(record)


async def save_verified(uow: UnitOfWork, row: CustomerRow, *, person_digest: str, now: datetime) -> None:
    """Write a customer as verified, with what the document says now."""
    await uow.execute(_VERIFY, {**row._asdict(), "person_digest": person_digest, "now": now})


async def insert_image(
    uow: UnitOfWork, customer_id: UUID, *, kind: ImageKind, content_sealed: bytes, media_type: str, size: int,
    by: str, now: datetime,
) -> None:  # fmt: skip
    values = {"customer_id": customer_id, "kind": kind, "content_sealed": content_sealed, "media_type": media_type}
    await uow.execute(_INSERT_IMAGE, {**values, "size": size, "by": by, "now": now})


async def find_image(uow: UnitOfWork, customer_id: UUID, kind: ImageKind) -> tuple[bytes, str] | None:
    """The latest image of a kind, sealed, and its media type."""
    cursor = await uow.connection.execute(_IMAGE, {"customer_id": customer_id, "kind": kind})
    record = await cursor.fetchone()
    return None if record is None else (record[0], record[1])


async def image_kinds(uow: UnitOfWork, customer_id: UUID) -> list[ImageKind]:
    cursor = await uow.connection.execute(_IMAGE_KINDS, {"customer_id": customer_id})
    return [ImageKind(record[0]) for record in await cursor.fetchall()]


async def set_customer(uow: UnitOfWork, account_id: UUID, *, customer_id: UUID, account_class: AccountClass) -> None:
    """Say whose an account is, and its class; the account is locked by the caller."""
    await uow.execute(_SET_CUSTOMER, {"id": account_id, "customer_id": customer_id, "account_class": account_class})


async def has_class_3(uow: UnitOfWork, customer_id: UUID, *, account_id: UUID) -> bool:
    """Whether the customer has another account of class III."""
    return bool(await uow.value(_HAS_CLASS_3, {"customer_id": customer_id, "account_id": account_id}))


async def insert_submission(
    uow: UnitOfWork, submission_id: UUID, *, account_id: UUID, customer_id: UUID, now: datetime
) -> None:
    values = {"id": submission_id, "account_id": account_id, "customer_id": customer_id, "now": now}
    await uow.execute(_SUBMIT, values)


async def find_submission(uow: UnitOfWork, submission_id: UUID) -> SubmissionRow | None:
    cursor = await uow.connection.execute(_SUBMISSION, {"id": submission_id})
    record = await cursor.fetchone()
    return None if record is None else _submission(record)


async def latest_submission(uow: UnitOfWork, account_id: UUID) -> SubmissionRow | None:
    cursor = await uow.connection.execute(_LATEST, {"account_id": account_id})
    record = await cursor.fetchone()
    return None if record is None else _submission(record)


async def count_submissions(uow: UnitOfWork, account_id: UUID, *, since: datetime) -> int:
    return int(await uow.value(_COUNT_SUBMITTED, {"account_id": account_id, "since": since}))


async def decide_submission(
    uow: UnitOfWork, submission_id: UUID, *, state: SubmissionState, by: UUID, reason: str, now: datetime
) -> bool:
    """False where it was decided before."""
    values = {"id": submission_id, "state": state, "by": by, "reason": reason, "now": now}
    return bool(await uow.execute(_DECIDE, values))


async def list_submissions(
    uow: UnitOfWork, *, state: str | None, phone: str | None, before: UUID | None, limit: int
) -> list[FoundSubmission]:
    """Submissions, newest first."""
    values = {"state": state, "phone": phone, "before": before, "limit": limit}
    cursor = await uow.connection.execute(_SUBMISSIONS, values)
    return [FoundSubmission(_submission(record[:-1]), record[-1]) for record in await cursor.fetchall()]


async def warn_of_documents(uow: UnitOfWork, *, until: date, now: datetime, limit: int) -> list[WarnedAccount]:
    """Mark customers whose document ends by `until`, and their accounts that are to be told."""
    cursor = await uow.connection.execute(_WARN, {"until": until, "now": now, "limit": limit})
    return [WarnedAccount._make(record) for record in await cursor.fetchall() if record[0] is not None]


async def restrict_expired(uow: UnitOfWork, *, before: date, now: datetime) -> list[Owner]:
    """Accounts whose holder's document ended before a day, from now on restricted; at most 500."""
    return await uow.rows(Owner, _RESTRICT_EXPIRED, {"before": before, "now": now})


async def free_renewed(uow: UnitOfWork, *, today: date) -> list[Owner]:
    """Restricted accounts whose holder has a document that is good today, free again; at most 500."""
    return await uow.rows(Owner, _FREE_RENEWED, {"today": today})


async def insert_member(
    uow: UnitOfWork, row_id: UUID, *, master_id: UUID, member_id: UUID, month_fen: int, single_fen: int, month: date,
    now: datetime,
) -> bool:  # fmt: skip
    """False where the account is a member of a group already."""
    values = {"id": row_id, "master_id": master_id, "member_id": member_id, "month_fen": month_fen}
    return bool(await uow.execute(_INSERT_MEMBER, {**values, "single_fen": single_fen, "month": month, "now": now}))


async def set_quota(uow: UnitOfWork, *, master_id: UUID, member_id: UUID, month_fen: int, single_fen: int) -> bool:
    """False where it is no member."""
    values = {"master_id": master_id, "member_id": member_id, "month_fen": month_fen, "single_fen": single_fen}
    return bool(await uow.execute(_SET_QUOTA, values))


async def remove_member(uow: UnitOfWork, *, master_id: UUID, member_id: UUID, now: datetime) -> bool:
    """False where it is no member."""
    values = {"master_id": master_id, "member_id": member_id, "now": now}
    return bool(await uow.execute(_REMOVE_MEMBER, values))


async def list_members(uow: UnitOfWork, master_id: UUID, *, after: UUID | None, limit: int) -> list[MemberRow]:
    """Members of a group, in the order they came."""
    cursor = await uow.connection.execute(_MEMBERS, {"master_id": master_id, "after": after, "limit": limit})
    return [MemberRow._make(record) for record in await cursor.fetchall()]


async def insert_mismatch(uow: UnitOfWork, account_id: UUID, *, staff_id: UUID, now: datetime) -> None:
    """A document was shown at a counter that is not the holder's."""
    await uow.execute(_INSERT_MISMATCH, {"id": account_id, "staff_id": staff_id, "now": now})


async def count_mismatches(uow: UnitOfWork, account_id: UUID, *, since: datetime) -> int:
    return int(await uow.value(_COUNT_MISMATCHES, {"id": account_id, "since": since}))


async def wrong_tails(uow: UnitOfWork, account_id: UUID, *, day: date) -> int:
    """How many wrong ends of the document's number were told on a day; the account is locked by the caller."""
    return int(await uow.value(_WRONG_TAILS, {"account_id": account_id, "day": day}) or 0)


async def count_wrong_tail(uow: UnitOfWork, account_id: UUID, *, day: date) -> None:
    await uow.execute(_COUNT_TAIL, {"account_id": account_id, "day": day})

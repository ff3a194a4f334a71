"""The merchants' tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.kernel.errors import MalformedField
from mpss.merchants.limit_store import MERCHANT_USAGE
from mpss.merchants.model import Merchant, MerchantRow, MerchantState

INSERT = """
    INSERT INTO merchant (id, name, province, state, ledger_account_id, api_key_digest, public_key, notify_url,
                          webhook_secret, created_at, credit_code, person_digest)
    VALUES (%(id)s, %(name)s, %(province)s, %(state)s, %(ledger_account_id)s, %(api_key_digest)s, %(public_key)s,
            %(notify_url)s, %(webhook_secret)s, %(created_at)s, %(credit_code)s, %(person_digest)s)
    RETURNING id, name, province, state, ledger_account_id, public_key, notify_url, webhook_secret, created_at,
              sms_code, credit_code
"""

MOVE = "UPDATE merchant SET state = %(to)s WHERE id = %(id)s AND state = %(from)s"

# One statement for each thing that may be changed later; each touches one row.
SET_API_KEY = "UPDATE merchant SET api_key_digest = %(value)s WHERE id = %(id)s"
SET_PUBLIC_KEY = "UPDATE merchant SET public_key = %(value)s WHERE id = %(id)s"
SET_NOTIFY_URL = "UPDATE merchant SET notify_url = %(value)s WHERE id = %(id)s"
SET_WEBHOOK_SECRET = "UPDATE merchant SET webhook_secret = %(value)s WHERE id = %(id)s"  # noqa: S105 - a statement

REMEMBER_NONCE = """
    INSERT INTO merchant_nonce (merchant_id, nonce, expires_at) VALUES (%(merchant_id)s, %(nonce)s, %(expires_at)s)
    ON CONFLICT ON CONSTRAINT merchant_nonce_pk DO NOTHING
"""
FORGET_NONCES = "DELETE FROM merchant_nonce WHERE expires_at < %(now)s"


_UNIQUE = {"merchant_name": "name", "merchant_credit_code": "credit_code"}
"""The field at fault where a unique index refuses."""


_STATES = {state.value: state for state in MerchantState}


def _row(record: Sequence[Any]) -> tuple[UUID, MerchantRow]:
    id_, name, province, state, *rest = record
    return id_, MerchantRow(id_, name, province, _STATES[state], *rest)


def _counted(row: MerchantRow) -> UUID | None:
    return None if row.daily_limit_fen is None else row.id


MERCHANTS: RowSet[UUID, MerchantRow] = RowSet(
    name="merchant",
    order=30,
    load="""
        SELECT id, name, province, state, ledger_account_id, single_limit_fen, daily_limit_fen
          FROM merchant WHERE id = ANY(%(keys)b::uuid[])
    """,
    make=_row,
    leads=((MERCHANT_USAGE, _counted),),
)


async def insert(
    uow: UnitOfWork,
    merchant_id: UUID,
    *,
    name: str,
    province: str,
    ledger_account_id: int,
    api_key_digest: bytes,
    public_key: bytes,
    notify_url: str,
    webhook_secret: bytes,
    credit_code: str | None,
    person_digest: str | None,
    now: datetime,
) -> Merchant:
    """Add an active merchant; as it is stored, with the SMS code it was given.

    Raises:
        MalformedField: the name, or the company's code, is taken.
    """
    row = {
        "id": merchant_id,
        "name": name,
        "province": province,
        "state": MerchantState.ACTIVE,
        "ledger_account_id": ledger_account_id,
        "api_key_digest": api_key_digest,
        "public_key": public_key,
        "notify_url": notify_url,
        "webhook_secret": webhook_secret,
        "created_at": now,
        "credit_code": credit_code,
        "person_digest": person_digest,
    }
    try:
        merchant = await uow.row(Merchant, INSERT, row)
    except psycopg.errors.UniqueViolation as problem:
        field = _UNIQUE.get(problem.diag.constraint_name or "")
        if field is not None:
            raise MalformedField(field=field, problem="is taken by another merchant") from problem
        raise
    assert merchant is not None
    return merchant


async def move(uow: UnitOfWork, merchant_id: UUID, *, source: MerchantState, target: MerchantState) -> bool:
    """Compare and set the state; False when it was not `source` any more."""
    return await uow.execute(MOVE, {"id": merchant_id, "from": source, "to": target}) == 1


async def remember_nonce(uow: UnitOfWork, merchant_id: UUID, nonce: str, *, expires_at: datetime) -> bool:
    """Write a signature's nonce down; False when it was seen before, which makes the request a replay."""
    asked = {"merchant_id": merchant_id, "nonce": nonce, "expires_at": expires_at}
    return await uow.execute(REMEMBER_NONCE, asked) == 1


async def forget_nonces(uow: UnitOfWork, *, now: datetime) -> int:
    """Drop nonces whose signatures are too old by now; how many."""
    return await uow.execute(FORGET_NONCES, {"now": now})

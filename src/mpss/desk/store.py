"""The desk's own table: every transaction, found by its caller's key, locked by its id."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any, LiteralString
from uuid import UUID

from mpss.db.rows import InsertSet, RowSet
from mpss.desk.model import Funding, Transaction, TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import Id, TransactionId

SLOT = 7_002
"""Advisory lock class: the slot of a desk that lives."""

TAKE_FENCE = "SELECT pg_advisory_xact_lock_shared(%(fence)s)"
TAKE_SLOT = """
    -- The lowest free slot; the lock lives and dies with the connection.
    SELECT n FROM generate_series(1, %(most)s) AS n WHERE pg_try_advisory_lock(%(slot)s, n) LIMIT 1
"""
LIMIT_IDLE = """
    -- A desk that stands still inside a unit of work, its process stopped or cut off, frees its locks and the fence.
    SET idle_in_transaction_session_timeout = '30s'
"""
DAY_AND_VERSION = """
    SELECT d.business_date, f.version FROM business_day AS d CROSS JOIN figures_version AS f WHERE d.cut_at IS NULL
"""

FIND_KEYS = """
    SELECT id, kind, state, first_state, refusal, caller, idempotency_key, digest, account_id, merchant_id,
           product_id, quantity, amount_fen, fee_fen, restricted_fen, channel, merchant_order_no, original_id,
           business_date, created_at, finished_at, metadata, funding, province
      FROM transaction WHERE key_digest = ANY(%(keys)b::uuid[])
"""


@cache
def all_or_nothing(save: LiteralString) -> LiteralString:
    """The statement, failing where it does not write as many rows as expected: it stands before the COMMIT, and nobody
    looks at its answer first."""
    return "WITH saved AS (" + save + " RETURNING 1) SELECT 1 / (count(*) = %(expected)s)::int FROM saved"


def key_digest(caller: str, key: str) -> UUID:
    """What stands for a caller's key in the index; no two keys are ever found to share one."""
    return Id.of(int.from_bytes(hashlib.blake2b(f"{caller}\0{key}".encode(), digest_size=16).digest()))


def make_transaction(record: Sequence[Any]) -> Transaction:
    """A transaction from its columns in table order."""
    identity, kind, state, first_state, refusal, *rest = record
    rest[-2] = Funding(rest[-2])
    return Transaction(
        TransactionId.from_uuid(identity),
        TransactionKind(kind),
        TransactionState(state),
        TransactionState(first_state),
        ErrorCode(refusal) if refusal is not None else None,
        *rest,
    )


def _make(record: Sequence[Any]) -> tuple[UUID, Transaction]:
    transaction = make_transaction(record)
    return transaction.id, transaction


def _columns(rows: Sequence[tuple[UUID, Transaction]]) -> dict[str, list[Any]]:
    return {
        "ids": [key for key, _ in rows],
        "states": [row.state for _, row in rows],
        "refusals": [row.refusal for _, row in rows],
        "fees": [row.fee_fen for _, row in rows],
        "restricted": [row.restricted_fen for _, row in rows],
        "dates": [row.business_date for _, row in rows],
        "finished": [row.finished_at for _, row in rows],
        "funding": [row.funding for _, row in rows],
    }


TRANSACTIONS: RowSet[UUID, Transaction] = RowSet(
    name="transaction",
    order=5,
    load="""
        SELECT id, kind, state, first_state, refusal, caller, idempotency_key, digest, account_id, merchant_id,
               product_id, quantity, amount_fen, fee_fen, restricted_fen, channel, merchant_order_no, original_id,
               business_date, created_at, finished_at, metadata, funding, province
          FROM transaction WHERE id = ANY(%(keys)b::uuid[]) ORDER BY id FOR UPDATE
    """,
    make=_make,
    save="""
        UPDATE transaction AS t
           SET state = n.state, refusal = n.refusal, fee_fen = n.fee_fen, restricted_fen = n.restricted_fen,
               business_date = n.business_date, finished_at = n.finished_at, funding = n.funding
          FROM unnest(%(ids)b::uuid[], %(states)b::text[], %(refusals)b::text[], %(fees)b::bigint[],
                      %(restricted)b::bigint[], %(dates)b::date[], %(finished)b::timestamptz[], %(funding)b::text[])
               AS n (id, state, refusal, fee_fen, restricted_fen, business_date, finished_at, funding)
         WHERE t.id = n.id
    """,
    columns=_columns,
)
"""A transaction that a later command speaks of: to reverse, undo, confirm or lapse it."""

TRANSACTION_LOG = InsertSet(
    name="transaction",
    copy="""
        COPY transaction (id, kind, state, first_state, refusal, caller, idempotency_key, digest, account_id,
                          merchant_id, product_id, quantity, amount_fen, fee_fen, restricted_fen, channel,
                          merchant_order_no, original_id, business_date, created_at, finished_at, metadata, funding,
                          province, key_digest)
        FROM STDIN (FORMAT BINARY)
    """,
    types=(
        "uuid",
        "text",
        "text",
        "text",
        "text",
        "text",
        "text",
        "bytea",
        "uuid",
        "uuid",
        "uuid",
        "int4",
        "int8",
        "int8",
        "int8",
        "text",
        "text",
        "uuid",
        "date",
        "timestamptz",
        "timestamptz",
        "text",
        "text",
        "text",
        "uuid",
    ),
)

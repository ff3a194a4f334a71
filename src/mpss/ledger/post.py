"""Posting entries in sets: the desk's only way into the books.

Invariants: (1) every entry sums to zero; (2) no floored account goes below its floor; (3) a stored balance is the sum
of its postings (both `apply` and the postings are written in one unit of work).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from mpss.db.rows import InsertSet, RowSet
from mpss.kernel.errors import MpssError
from mpss.ledger.model import Balance, JournalEntry, Part


class UnbalancedEntry(MpssError):
    """An entry's postings do not sum to zero; a defect, never a customer's doing."""

    def __init__(self, entry: JournalEntry) -> None:
        super().__init__(f"entry {entry.id} sums to {sum(posting.amount_fen for posting in entry.postings)} fen")


class PartMissing(MpssError):
    """A posting on a floored account names no part; a defect."""

    def __init__(self, entry: JournalEntry, ledger_account_id: int) -> None:
        super().__init__(f"entry {entry.id} names no part of ledger account {ledger_account_id}")


class BelowFloor(MpssError):
    """A decision took more than there is; a defect, since the decision must refuse first."""

    def __init__(self, ledger_account_id: int, balance: Balance) -> None:
        super().__init__(f"ledger account {ledger_account_id} would be {balance}")


def _make_balance(record: Sequence[Any]) -> tuple[int, Balance]:
    return record[0], Balance(record[1], record[2], record[3], record[4])


def _balance_columns(rows: Sequence[tuple[int, Balance]]) -> dict[str, list[Any]]:
    return {
        "balances": [row.balance_fen for _, row in rows],
        "restricted": [row.restricted_fen for _, row in rows],
        "held": [row.held_fen for _, row in rows],
        "frozen": [row.frozen_fen for _, row in rows],
    }


BALANCES: RowSet[int, Balance] = RowSet(
    name="ledger_balance",
    order=20,
    load="""
        -- In id order, so that two batches on the same accounts cannot deadlock.
        SELECT ledger_account_id, balance_fen, restricted_fen, held_fen, frozen_fen, ctid FROM ledger_balance
         WHERE ledger_account_id = ANY(%(keys)b::bigint[]) ORDER BY ledger_account_id FOR UPDATE
    """,
    make=_make_balance,
    save="""
        UPDATE ledger_balance AS b
           SET balance_fen = n.balance_fen, restricted_fen = n.restricted_fen, held_fen = n.held_fen,
               frozen_fen = n.frozen_fen
          FROM unnest(%(places)b::tid[], %(balances)b::bigint[], %(restricted)b::bigint[], %(held)b::bigint[],
                      %(frozen)b::bigint[]) AS n (place, balance_fen, restricted_fen, held_fen, frozen_fen)
         WHERE b.ctid = n.place
    """,
    columns=_balance_columns,
    by_place=True,
)

JOURNAL = InsertSet(
    name="journal_entry",
    copy="COPY journal_entry (id, business_date, posted_at, kind, reverses_id) FROM STDIN (FORMAT BINARY)",
    types=("uuid", "date", "timestamptz", "text", "uuid"),
)
POSTINGS = InsertSet(
    name="posting",
    copy="COPY posting (entry_id, line, ledger_account_id, part, amount_fen, business_date) FROM STDIN (FORMAT BINARY)",
    types=("uuid", "int2", "int8", "int2", "int8", "date"),
)


def apply(entry: JournalEntry, balances: dict[int, Balance]) -> list[int]:
    """Change the floored accounts' balances in place by the entry's postings; the ids of those changed. Pure otherwise.

    Raises:
        UnbalancedEntry, PartMissing, BelowFloor: the decision was wrong; `balances` must then be thrown away.
        KeyError: a floored account was not loaded.
    """
    total = 0
    changed = []
    for ledger_account_id, amount_fen, part in entry.postings:
        total += amount_fen
        if part is None:
            if ledger_account_id in balances:
                raise PartMissing(entry, ledger_account_id)
            continue
        before = balances[ledger_account_id]
        restricted_fen = before.restricted_fen - amount_fen if part is Part.RESTRICTED else before.restricted_fen
        after = Balance(before.balance_fen - amount_fen, restricted_fen, before.held_fen, before.frozen_fen)
        balances[ledger_account_id] = after
        changed.append(ledger_account_id)
    if total:
        raise UnbalancedEntry(entry)
    for ledger_account_id in changed:
        balance = balances[ledger_account_id]
        if balance.balance_fen < balance.held_fen or not 0 <= balance.restricted_fen <= balance.balance_fen:
            raise BelowFloor(ledger_account_id, balance)
    return changed


def rows_of(
    entries: Sequence[tuple[JournalEntry, datetime]], business_date: date
) -> list[tuple[InsertSet, list[tuple[Any, ...]]]]:
    """The rows of entries, each with the instant it was posted at, and of their postings; nothing for none. Pure."""
    if not entries:
        return []
    journal = [(entry.id, business_date, posted_at, entry.kind, entry.reverses_id) for entry, posted_at in entries]
    postings = [
        (entry.id, line, ledger_account_id, part, amount_fen, business_date)
        for entry, _ in entries
        for line, (ledger_account_id, amount_fen, part) in enumerate(entry.postings, start=1)
    ]
    return [(JOURNAL, journal), (POSTINGS, postings)]

"""Commands whose decision the test brings along."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import TransactionId
from mpss.ledger.model import JournalEntry, Posting
from mpss.transactions.model import Asked, Asking, transaction
from tests.support.instants import NOON

_numbers = itertools.count(1)
Script = Callable[["Scripted", Snapshot], Decision]


@dataclass(frozen=True, slots=True)
class Scripted(Asking):
    """`needs` are the rows it touches; `script` decides."""

    needs: tuple[tuple[RowSet[Any, Any], Hashable], ...]
    script: Script

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        return self.needs

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self.becomes(business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        return self.script(self, snapshot)

    def becomes(
        self, business_date: date, *, amount_fen: int = 0, refusal: ErrorCode | None = None, metadata: str | None = None
    ) -> Transaction:
        """Its transaction, SUCCEEDED unless refused; one without an amount may go without an entry."""
        kind = TransactionKind.ADJUSTMENT if amount_fen else TransactionKind.REVERSAL
        state = TransactionState.SUCCEEDED if refusal is None else TransactionState.DECLINED
        return transaction(
            self.asked, kind, state, business_date, amount_fen=amount_fen, refusal=refusal,
            metadata=metadata,
        )  # fmt: skip

    def entry(self, *postings: Posting) -> JournalEntry:
        return JournalEntry(self.id, TransactionKind.ADJUSTMENT, postings)


def scripted(
    script: Script,
    *needs: tuple[RowSet[Any, Any], Hashable],
    key: str | None = None,
    caller: str = "test",
    body: object = None,
    at: datetime = NOON,
) -> Scripted:
    head = Asked(TransactionId.new(at), caller, key or f"scripted-{next(_numbers)}", digest_of(body), at, "test")
    return Scripted(head, needs, script)


def nothing(command: Scripted, snapshot: Snapshot) -> Decision:
    """Record the command, and that is all."""
    return Decision(command.becomes(snapshot.business_date))

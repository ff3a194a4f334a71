"""The rules within the desk's decision: facts from the batch's rows, the gravest finding as a refusal. Pure.

Invariant: without an approved rule nothing is loaded for an account and nothing is written.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.risk.finding_store import FINDINGS
from mpss.risk.rule_store import EVERY_RULE, RECENT, RULE_VERSIONS
from mpss.risk.rules import NO_RULES, Action, Facts, Finding, Move, findings, move_of
from mpss.risk.store import greylisted

_NOT_DONE = frozenset({TransactionState.DECLINED, TransactionState.EXPIRED, TransactionState.CANCELLED})


def risk_touches(account_id: UUID) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
    """The rows that screening what an account does needs."""
    yield RULE_VERSIONS, EVERY_RULE
    yield RECENT, account_id


def screen(
    snapshot: Snapshot,
    account_id: UUID,
    kind: TransactionKind,
    amount_fen: int,
    *,
    at: datetime,
    proven: bool,
    merchant_id: UUID | None = None,
    province: str | None = None,
    metadata: str | None = None,
) -> ErrorCode | None:
    """As `screen_or_hold`, for what cannot wait for somebody to look: it is refused then."""
    found = screen_or_hold(
        snapshot, account_id, kind, amount_fen, at=at, proven=proven, merchant_id=merchant_id, province=province,
        metadata=metadata,
    )  # fmt: skip
    return ErrorCode.RISK_REFUSED if isinstance(found, Finding) else found


def screen_or_hold(
    snapshot: Snapshot,
    account_id: UUID,
    kind: TransactionKind,
    amount_fen: int,
    *,
    at: datetime,
    proven: bool,
    merchant_id: UUID | None = None,
    province: str | None = None,
    metadata: str | None = None,
) -> ErrorCode | Finding | None:
    """What the rules in force say of a move: a refusal, the finding that it is to be held for, or nothing. `proven`
    that the phone was shown to be in the payer's hand, which is what a challenge asks for; `province` is where the
    payer is, if that was told; `metadata` of a top-up names its card."""
    rows = snapshot[RECENT]
    recent = rows.get(account_id) if rows else None
    if recent is None:
        return None
    move = move_of(at, kind, amount_fen, merchant_id, province=province, metadata=metadata)
    found = findings(Facts(move, *recent), snapshot[RULE_VERSIONS].get(EVERY_RULE, NO_RULES).in_force(at))
    if found and found[0].action is Action.REFUSE:
        return ErrorCode.RISK_REFUSED
    if found and found[0].action is Action.HOLD:
        return found[0]
    return ErrorCode.CHALLENGE_REQUIRED if found and not proven else None


def above_grey_limit(
    snapshot: Snapshot,
    parties: Iterable[UUID | None],
    amount_fen: int,
    limit_fen: int,
    percent: int,
    *,
    watched: bool,
) -> bool:
    """Whether the amount is above that share of the single limit, and one of the parties on the grey list, or `watched`
    the address or counter it comes from."""
    if 100 * amount_fen <= percent * limit_fen:
        return False
    return watched or greylisted(snapshot, parties)


def remember(decision: Decision, snapshot: Snapshot, *, at: datetime | None = None) -> Decision:
    """Add what the decision's transaction was to what the account did last, for the rules of the next. What waits for
    its payer's reply is added with the reply, at `at`."""
    done, rows = decision.transaction, snapshot[RECENT]
    recent = rows.get(done.account_id) if rows and done.account_id is not None else None
    waits = done.state is TransactionState.CONFIRMING
    if recent is None or waits or done.refusal is ErrorCode.CHALLENGE_REQUIRED:
        return decision
    reach = snapshot[RULE_VERSIONS].get(EVERY_RULE, NO_RULES).reach
    after = recent.with_move(_move(done, at or done.created_at), reach=reach)
    decision.puts.append((RECENT, done.account_id, after))
    return decision


def remember_paid(decision: Decision, snapshot: Snapshot) -> Decision:
    """As `remember`, of a top-up that was paid before it came here and so is not refused: where a rule is hit,
    whatever its action, that is written down, and a job puts the account on the grey list."""
    done, rows = decision.transaction, snapshot[RECENT]
    recent = rows.get(done.account_id) if rows and done.account_id is not None else None
    if recent is not None and done.state not in _NOT_DONE:
        versions = snapshot[RULE_VERSIONS].get(EVERY_RULE, NO_RULES).in_force(done.created_at)
        found = findings(Facts(_move(done, done.created_at), *recent), versions)
        if found:
            decision.inserts.append((FINDINGS, (done.id, done.account_id, found[0].rule, done.created_at)))
    return remember(decision, snapshot)


def _move(done: Transaction, at: datetime) -> Move:
    return move_of(
        at, done.kind, done.amount_fen, done.merchant_id, declined=done.state in _NOT_DONE, province=done.province,
        metadata=done.metadata,
    )  # fmt: skip

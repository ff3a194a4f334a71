"""The payment password in a decision: compared and counted, and what a wrong one leaves."""

from __future__ import annotations

from datetime import date

from mpss.accounts.checks import became_locked, check_password
from mpss.accounts.model import AccountRow, UsageRow
from mpss.accounts.store import PASSWORD_FAILURES, USAGE
from mpss.config import Policy
from mpss.desk.model import Decision, Transaction
from mpss.kernel.errors import ErrorCode
from mpss.transactions.model import Asked, Proof
from mpss.transactions.notify import tell


def authenticate(
    asked: Asked, proof: Proof, account: AccountRow, usage: UsageRow, today: date, policy: Policy
) -> tuple[ErrorCode | None, UsageRow]:
    """Why the proof does not do, or None; and the usage with the try counted. Pure."""
    return check_password(
        account,
        usage,
        candidate_digests=proof.candidate_digests,
        challenged=proof.challenged,
        today=today,
        now=asked.at,
        policy=policy,
    )


def unauthenticated(
    asked: Asked,
    proof: Proof,
    declined: Transaction,
    account: AccountRow,
    before: UsageRow,
    after: UsageRow,
    policy: Policy,
) -> Decision:
    """The refusal after `authenticate`: the try is counted, the key is not used up. Pure."""
    decision = Decision(declined, recorded=False)
    if after is not before:
        decision.puts.append((USAGE, account.id, after))
    if declined.refusal is ErrorCode.WRONG_PASSWORD:
        decision.inserts.append((PASSWORD_FAILURES, (asked.at, account.id, proof.fingerprint, proof.source)))
    if became_locked(before, after, asked.at, policy):
        tell(decision, account, "password_locked", at=asked.at)
    return decision

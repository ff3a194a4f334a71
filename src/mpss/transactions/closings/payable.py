"""Whether the rest of an account that is being closed may be paid out now, whichever way. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from mpss.accounts.checks import check_payout
from mpss.accounts.model import AccountRow
from mpss.accounts.store import ACCOUNTS
from mpss.desk.model import Snapshot
from mpss.kernel.errors import ErrorCode
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES


class Payable(NamedTuple):
    """All of `balance` may be paid out, and there is some."""

    account: AccountRow
    balance: Balance


def payable(snapshot: Snapshot, account_id: UUID | None, *, at: datetime) -> Payable | ErrorCode:
    """The account and what is left of it, or why nothing is paid; `account_id` None where the number has none.

    CLOSING_BLOCKED: some of it is held or frozen. INSUFFICIENT_FUNDS: nothing is left. Spec: CM 5.2.3.4.
    """
    account = None if account_id is None else snapshot[ACCOUNTS].get(account_id)
    refusal = check_payout(account, at=at)
    if account is None or refusal is not None:
        return refusal or ErrorCode.UNKNOWN_ACCOUNT
    balance = snapshot[BALANCES][account.ledger_account_id]
    if balance.held_fen or balance.frozen_fen:
        return ErrorCode.CLOSING_BLOCKED
    return Payable(account, balance) if balance.balance_fen else ErrorCode.INSUFFICIENT_FUNDS

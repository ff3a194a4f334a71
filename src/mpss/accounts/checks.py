"""The checks of an account that every flow shares: state, payment password, limits. Pure.

Invariants: (1) a locked password is answered PASSWORD_LOCKED whether the password is right or wrong, and the try is
not counted; (2) a challenged try is answered CHALLENGE_REQUIRED either way, so it tells nothing about the password;
(3) what is given back never exceeds what was counted, and only on the day it was counted.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from mpss.accounts.limit_model import NO_CAPS, Caps, same_month
from mpss.accounts.model import AccountRow, FreezeKind, UsageRow
from mpss.accounts.state import Operation, effective_state, refusal_in
from mpss.config import Policy
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode


def check_state(account: AccountRow | None, operation: Operation, *, at: datetime) -> ErrorCode | None:
    """Whether the account is there and its effective state at `at` allows the operation (accounts/state.py).

    A locked payment password is for `check_password` to say.
    """
    if account is None:
        return ErrorCode.UNKNOWN_ACCOUNT
    return refusal_in(effective_state(account, at=at), operation)


def check_payout(account: AccountRow | None, *, at: datetime) -> ErrorCode | None:
    """Whether the rest of an account may be paid out: it is being closed, and frozen neither for a risk nor by law.

    It may have been frozen after the closing was asked for, or its number cancelled while it was frozen.
    """
    refusal = check_state(account, Operation.PAY_OUT, at=at)
    if account is None or refusal is not None:
        return refusal
    if FreezeKind.LAW in account.freezes:
        return ErrorCode.FROZEN_BY_LAW
    return ErrorCode.FROZEN_FOR_RISK if FreezeKind.RISK in account.freezes else None


def check_password(
    account: AccountRow,
    usage: UsageRow,
    *,
    candidate_digests: Mapping[int, bytes],
    challenged: bool,
    today: date,
    now: datetime,
    policy: Policy,
) -> tuple[ErrorCode | None, UsageRow]:
    """Compare the payment password, in constant time, and count.

    `candidate_digests` are the offered password's digests by key version. A right password clears the counters; the
    `policy.password_tries_per_day`-th wrong one of a day locks until the next midnight in Shanghai, and the
    `policy.password_tries_in_a_row`-th in a row until the password is reset by SMS code. The usage comes back
    unchanged (the same object) where nothing was counted.

    Spec: CT 5.2, 12.1.
    """
    if account.password_digest is None or account.password_key is None:
        return ErrorCode.PASSWORD_NOT_SET, usage
    right = hmac.compare_digest(account.password_digest, candidate_digests.get(account.password_key, b""))
    if is_locked(usage, now, policy):
        return ErrorCode.PASSWORD_LOCKED, usage
    if challenged:
        return ErrorCode.CHALLENGE_REQUIRED, usage
    if right:
        return None, password_cleared(usage)
    # A lock that ran out, like a new day, starts the day's count again.
    wrong_today = 1 if usage.wrong_day != today or usage.locked_until is not None else usage.wrong_today + 1
    locked_until = next_midnight(now) if wrong_today >= policy.password_tries_per_day else None
    return ErrorCode.WRONG_PASSWORD, usage._replace(
        wrong_day=today,
        wrong_today=wrong_today,
        wrong_in_a_row=usage.wrong_in_a_row + 1,
        locked_until=locked_until,
    )


def is_locked(usage: UsageRow, now: datetime, policy: Policy) -> bool:
    """Whether the payment password is locked, for the day or until it is reset."""
    return must_reset(usage, policy) or (usage.locked_until is not None and now < usage.locked_until)


def must_reset(usage: UsageRow, policy: Policy) -> bool:
    """Whether so many tries in a row were wrong that waiting does not help: only a reset by SMS code does."""
    return usage.wrong_in_a_row >= policy.password_tries_in_a_row


def became_locked(before: UsageRow, after: UsageRow, now: datetime, policy: Policy) -> bool:
    """Whether a counted try locked the password; the flow then sends the `password_locked` notice."""
    return is_locked(after, now, policy) and not is_locked(before, now, policy)


def password_cleared(usage: UsageRow) -> UsageRow:
    """The usage with no wrong tries and no lock; the same object where there were none."""
    if not (usage.wrong_today or usage.wrong_in_a_row or usage.locked_until):
        return usage
    return usage._replace(wrong_today=0, wrong_in_a_row=0, locked_until=None)


def spend(
    usage: UsageRow,
    account: AccountRow,
    amount_fen: int,
    today: date,
    policy: Policy,
    caps: Caps = NO_CAPS,
    *,
    from_balance: bool = True,
) -> tuple[ErrorCode | None, UsageRow]:
    """Count a payment of `amount_fen` against our limits, the table's and the account's own.

    What phone bill or bank pays is not of the balance, so it does not count by year and lifetime. Refused: the usage
    comes back unchanged.

    Spec: CT 5.2 (日消费限额); CM 9.1, 9.5.
    """
    own_fen = account.own_payment_single_fen
    if (
        amount_fen > policy.single_limit_fen
        or amount_fen > caps.single_fen
        or (own_fen is not None and amount_fen > own_fen)
    ):
        return ErrorCode.SINGLE_LIMIT_EXCEEDED, usage
    if usage.day == today:
        spent_fen, spent_count, month_fen = usage.spent_fen, usage.spent_count, usage.month_fen
    else:
        spent_fen, spent_count, month_fen = 0, 0, usage.month_fen if same_month(usage.day, today) else 0
    spent_fen, spent_count, month_fen = spent_fen + amount_fen, spent_count + 1, month_fen + amount_fen
    if spent_fen > account.daily_limit_fen or spent_fen > caps.day_fen:
        return ErrorCode.DAILY_LIMIT_EXCEEDED, usage
    if spent_count > caps.day_count:
        return ErrorCode.COUNT_LIMIT_EXCEEDED, usage
    if month_fen > caps.month_fen:
        return ErrorCode.MONTHLY_LIMIT_EXCEEDED, usage
    refusal, year_fen, life_fen = _outgoing(usage, amount_fen if from_balance else 0, today, caps)
    if refusal is not None:
        return refusal, usage
    # All fields anew; `_replace`, which looks names up, takes three times as long.
    return None, UsageRow(today, spent_fen, spent_count, *usage[3:8], month_fen, year_fen, life_fen)


def count_transfer(usage: UsageRow, amount_fen: int, today: date, caps: Caps) -> tuple[ErrorCode | None, UsageRow]:
    """Count a transfer against what may leave the balance in a year and ever. Refused: the usage is unchanged."""
    refusal, year_fen, life_fen = _outgoing(usage, amount_fen, today, caps)
    if refusal is not None:
        return refusal, usage
    return None, _on(usage, today)._replace(year_fen=year_fen, life_fen=life_fen)


def _outgoing(usage: UsageRow, amount_fen: int, today: date, caps: Caps) -> tuple[ErrorCode | None, int, int]:
    """What left the balance in the year and ever, with `amount_fen` more."""
    year_fen = (usage.year_fen if usage.day.year == today.year else 0) + amount_fen
    life_fen = usage.life_fen + amount_fen
    if not amount_fen:
        return None, year_fen, life_fen
    if year_fen > caps.year_fen:
        return ErrorCode.YEARLY_LIMIT_EXCEEDED, year_fen, life_fen
    return (ErrorCode.LIFETIME_LIMIT_EXCEEDED if life_fen > caps.life_fen else None), year_fen, life_fen


def _on(usage: UsageRow, today: date) -> UsageRow:
    """The usage as it stands on business date `today`, where nothing was counted yet."""
    if usage.day == today:
        return usage
    return usage._replace(
        day=today,
        spent_fen=0,
        spent_count=0,
        month_fen=usage.month_fen if same_month(usage.day, today) else 0,
        year_fen=usage.year_fen if usage.day.year == today.year else 0,
    )


def give_back(usage: UsageRow, amount_fen: int, day: date, *, from_balance: bool = True) -> UsageRow:
    """Give a reversed sale's limits back; `day` is the sale's business date, whose day, month and year hold it."""
    if from_balance:
        usage = give_back_transfer(usage, amount_fen, day)
    if not same_month(usage.day, day):
        return usage
    usage = usage._replace(month_fen=max(usage.month_fen - amount_fen, 0))
    if usage.day != day:
        return usage
    return usage._replace(spent_fen=max(usage.spent_fen - amount_fen, 0), spent_count=max(usage.spent_count - 1, 0))


def give_back_transfer(usage: UsageRow, amount_fen: int, day: date) -> UsageRow:
    """Give the year and the lifetime of a transfer back that returned to its payer; `day` is its business date."""
    left = usage._replace(life_fen=max(usage.life_fen - amount_fen, 0))
    return left._replace(year_fen=max(left.year_fen - amount_fen, 0)) if usage.day.year == day.year else left


def spent_on(usage: UsageRow, today: date) -> int:
    """What was spent on business date `today`, in fen."""
    return usage.spent_fen if usage.day == today else 0


def check_voucher_tries(usage: UsageRow, policy: Policy) -> ErrorCode | None:
    """Whether the number may still enter voucher passwords."""
    return ErrorCode.VOUCHER_BARRED if usage.voucher_wrong >= policy.voucher_tries else None


def next_midnight(now: datetime) -> datetime:
    """The first midnight in Shanghai after `now`."""
    return datetime.combine(now.astimezone(SHANGHAI).date() + timedelta(days=1), time(0, 0), SHANGHAI)

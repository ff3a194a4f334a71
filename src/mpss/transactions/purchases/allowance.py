"""A purchase against what its merchant may be paid, at once and in a day. Pure. Spec: CM 9.5. Decision: ADR-0026."""

from __future__ import annotations

from datetime import date

from mpss.db.rows import NeedsMore
from mpss.desk.model import Decision, Snapshot
from mpss.kernel.errors import ErrorCode
from mpss.merchants.limit_model import MerchantUsageRow, given_back, on_day, paid_out
from mpss.merchants.limit_store import MERCHANT_USAGE
from mpss.merchants.model import MerchantRow

_EXCEEDED = ErrorCode.MERCHANT_LIMIT_EXCEEDED


def pay_merchant(
    merchant: MerchantRow, amount_fen: int, snapshot: Snapshot, today: date
) -> MerchantUsageRow | ErrorCode | None:
    """What the payment leaves of the desk's portion of the day; None where the merchant has no daily limit.

    Raises:
        NeedsMore: the desk's portion is too small, and there may be more elsewhere.
    """
    if merchant.single_limit_fen is not None and amount_fen > merchant.single_limit_fen:
        return _EXCEEDED
    if merchant.daily_limit_fen is None:
        return None
    row = on_day(snapshot[MERCHANT_USAGE].get(merchant.id), today)
    if row.left_fen >= amount_fen:
        return paid_out(row, amount_fen)
    if row.exhausted:
        return _EXCEEDED
    raise NeedsMore(MERCHANT_USAGE, merchant.id, amount_fen)


def give_merchant_back(
    decision: Decision, merchant: MerchantRow, amount_fen: int, day: date, snapshot: Snapshot
) -> None:
    """Add to a reversal that the merchant may be paid the amount again, where it was paid on the same business day."""
    if merchant.daily_limit_fen is None or day != snapshot.business_date:
        return
    row = given_back(snapshot[MERCHANT_USAGE].get(merchant.id), amount_fen, day)
    decision.puts.append((MERCHANT_USAGE, merchant.id, row))

"""Error codes that several operations have together, each group under the name of what refuses."""

from __future__ import annotations

from mpss.kernel.errors import ErrorCode

PAYMENT_PASSWORD = (ErrorCode.PASSWORD_NOT_SET, ErrorCode.WRONG_PASSWORD, ErrorCode.PASSWORD_LOCKED)
PASSWORD_AND_CODE = (*PAYMENT_PASSWORD, ErrorCode.WRONG_CODE, ErrorCode.CODE_EXPIRED)
"""An SMS code is always asked for beside the password."""
PASSWORD_OR_CHALLENGE = (
    *PAYMENT_PASSWORD,
    ErrorCode.CHALLENGE_REQUIRED,
    ErrorCode.WRONG_CODE,
    ErrorCode.CODE_EXPIRED,
)
"""An SMS code is asked for where the password alone is not trusted."""
SPENDING = (
    ErrorCode.BLACKLISTED,
    ErrorCode.SINGLE_LIMIT_EXCEEDED,
    ErrorCode.DAILY_LIMIT_EXCEEDED,
    ErrorCode.COUNT_LIMIT_EXCEEDED,
    ErrorCode.MONTHLY_LIMIT_EXCEEDED,
    ErrorCode.YEARLY_LIMIT_EXCEEDED,
    ErrorCode.LIFETIME_LIMIT_EXCEEDED,
    ErrorCode.CHANNEL_LIMIT_EXCEEDED,
    ErrorCode.RISK_REFUSED,
)
"""The lists, the limits and the risk rules, where money leaves a wallet."""
OPENING = (
    ErrorCode.ACCOUNT_EXISTS,
    ErrorCode.NUMBER_NOT_IN_SERVICE,
    ErrorCode.NUMBER_STOPPED,
    ErrorCode.BUSY,
    ErrorCode.BLACKLISTED,
)
"""The number, BOSS and the lists, where an account is opened."""
CARD_PASSWORD = (
    ErrorCode.UNKNOWN_VOUCHER,
    ErrorCode.VOUCHER_USED,
    ErrorCode.VOUCHER_NOT_ACTIVE,
    ErrorCode.VOUCHER_BARRED,
)
"""The password of a prepaid card, ours or the recharge platform's."""

TOPUP_LIMITS = (
    ErrorCode.SINGLE_LIMIT_EXCEEDED, ErrorCode.DAILY_LIMIT_EXCEEDED, ErrorCode.COUNT_LIMIT_EXCEEDED,
    ErrorCode.MONTHLY_LIMIT_EXCEEDED, ErrorCode.CHANNEL_LIMIT_EXCEEDED, ErrorCode.BALANCE_LIMIT_EXCEEDED,
)  # fmt: skip
"""What the limits refuse a top-up with, wherever its money comes from."""

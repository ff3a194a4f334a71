"""What a bank is told for each ErrorCode: the response code of field 39.

A bank relies on 00, 12, 22 and 25 to know that nothing of its own is owed or lost, and asks again after 96.
"""

from __future__ import annotations

from mpss.kernel.errors import ErrorCode

APPROVED = "00"
REVERSED = "22"
"""Of a top-up: it was taken back, before it came or after."""
NEVER_CAME = "25"
ANOTHER_AMOUNT = "64"

RESPONSES: dict[ErrorCode, str] = {
    ErrorCode.MALFORMED_REQUEST: "30",
    ErrorCode.UNSUPPORTED_CURRENCY: "30",
    ErrorCode.AMOUNT_OUT_OF_RANGE: "13",
    ErrorCode.PAYLOAD_TOO_LARGE: "30",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "30",
    ErrorCode.METHOD_NOT_ALLOWED: "12",
    ErrorCode.IDEMPOTENCY_KEY_REQUIRED: "30",
    ErrorCode.UNAUTHENTICATED: "63",
    ErrorCode.SIGNATURE_INVALID: "A0",
    ErrorCode.SIGNATURE_REPLAYED: "A0",
    ErrorCode.FORBIDDEN: "57",
    ErrorCode.RATE_LIMITED: "65",
    ErrorCode.KEY_REUSED: "94",
    ErrorCode.ALREADY_TOMBSTONED: "22",
    ErrorCode.DUPLICATE_ORDER: "94",
    ErrorCode.NOT_FOUND: "25",
    ErrorCode.UNKNOWN_ACCOUNT: "42",
    ErrorCode.UNKNOWN_MERCHANT: "03",
    ErrorCode.UNKNOWN_PRODUCT: "12",
    ErrorCode.UNKNOWN_TRANSACTION: "25",
    ErrorCode.UNKNOWN_VOUCHER: "12",
    ErrorCode.UNKNOWN_CARD: "14",
    ErrorCode.UNKNOWN_PAYEE: "12",
    ErrorCode.OUT_OF_SCOPE: "57",
    ErrorCode.SELF_TRANSFER: "12",
    ErrorCode.ACCOUNT_EXISTS: "12",
    ErrorCode.ACCOUNT_CLOSED: "42",
    ErrorCode.ACCOUNT_CLOSING: "62",
    ErrorCode.FROZEN_BY_LAW: "62",
    ErrorCode.LOSS_WRITTEN: "41",
    ErrorCode.LOSS_ORAL: "41",
    ErrorCode.FROZEN_FOR_RISK: "62",
    ErrorCode.FROZEN_BY_USER: "62",
    ErrorCode.NUMBER_STOPPED: "62",
    ErrorCode.ACCOUNT_NOT_ACTIVE: "62",
    ErrorCode.ACCOUNT_DORMANT: "62",
    ErrorCode.MERCHANT_NOT_ACTIVE: "03",
    ErrorCode.PRODUCT_NOT_ON_SALE: "12",
    ErrorCode.PRODUCT_CHANGED: "12",
    ErrorCode.ILLEGAL_STATE: "12",
    ErrorCode.CONFIRMATION_EXPIRED: "12",
    ErrorCode.VOUCHER_NOT_ACTIVE: "12",
    ErrorCode.VOUCHER_USED: "12",
    ErrorCode.VOUCHER_BARRED: "62",
    ErrorCode.CARD_REFUSED: "63",
    ErrorCode.IDENTITY_MISMATCH: "63",
    ErrorCode.PAYEE_EXISTS: "12",
    ErrorCode.TOO_MANY_PAYEES: "12",
    ErrorCode.PAYEE_REQUIRED: "57",
    ErrorCode.PAYEE_COOLING: "57",
    ErrorCode.PASSWORD_NOT_SET: "62",
    ErrorCode.WEAK_PASSWORD: "55",
    ErrorCode.PASSWORD_REUSED: "55",
    ErrorCode.WRONG_PASSWORD: "55",
    ErrorCode.PASSWORD_LOCKED: "75",
    ErrorCode.CHALLENGE_REQUIRED: "57",
    ErrorCode.WRONG_CODE: "55",
    ErrorCode.CODE_EXPIRED: "55",
    ErrorCode.TERMS_NOT_ACCEPTED: "57",
    ErrorCode.BLACKLISTED: "62",
    ErrorCode.SINGLE_LIMIT_EXCEEDED: "61",
    ErrorCode.DAILY_LIMIT_EXCEEDED: "61",
    ErrorCode.MONTHLY_LIMIT_EXCEEDED: "61",
    ErrorCode.BALANCE_LIMIT_EXCEEDED: "61",
    ErrorCode.RISK_REFUSED: "59",
    ErrorCode.OUT_OF_STOCK: "12",
    ErrorCode.PRICE_CHANGED: "64",
    ErrorCode.INSUFFICIENT_FUNDS: "51",
    ErrorCode.FUNDING_DECLINED: "05",
    ErrorCode.SAME_PERSON: "57",
    ErrorCode.BUSY: "96",
    ErrorCode.INTERNAL: "96",
}

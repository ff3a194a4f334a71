"""The errors of the platform: one code for every reason a command can be refused, and the tree of exceptions.

MpssError                 whatever stops a flow and leaves nothing written
├── MalformedField        an external field is not of its form; names the field
├── Refused               a flow outside the desk says no with an ErrorCode (the desk's refusals are values)
└── (others live beside the code that raises them and carry an ErrorCode)
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Why something was refused. Every channel's reply table knows every member; a test asserts it.

    In the order of the desk's checks (ARCHITECTURE §2).
    """

    # malformed
    MALFORMED_REQUEST = "malformed_request"
    UNSUPPORTED_CURRENCY = "unsupported_currency"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    IDEMPOTENCY_KEY_REQUIRED = "idempotency_key_required"
    # who is asking
    UNAUTHENTICATED = "unauthenticated"
    SIGNATURE_INVALID = "signature_invalid"
    SIGNATURE_REPLAYED = "signature_replayed"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    # repeated
    KEY_REUSED = "key_reused"
    ALREADY_TOMBSTONED = "already_tombstoned"
    DUPLICATE_ORDER = "duplicate_order"
    # unknown party
    NOT_FOUND = "not_found"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_MERCHANT = "unknown_merchant"
    UNKNOWN_PRODUCT = "unknown_product"
    UNKNOWN_TRANSACTION = "unknown_transaction"
    UNKNOWN_VOUCHER = "unknown_voucher"
    UNKNOWN_CARD = "unknown_card"
    UNKNOWN_PAYEE = "unknown_payee"
    # scope
    OUT_OF_SCOPE = "out_of_scope"
    SELF_TRANSFER = "self_transfer"
    # state
    ACCOUNT_EXISTS = "account_exists"
    ACCOUNT_CLOSED = "account_closed"
    ACCOUNT_CLOSING = "account_closing"
    FROZEN_BY_LAW = "frozen_by_law"
    LOSS_WRITTEN = "loss_written"
    LOSS_ORAL = "loss_oral"
    FROZEN_FOR_RISK = "frozen_for_risk"
    FROZEN_BY_USER = "frozen_by_user"
    NUMBER_STOPPED = "number_stopped"
    NUMBER_NOT_IN_SERVICE = "number_not_in_service"
    NUMBER_REASSIGNED = "number_reassigned"
    ACCOUNT_NOT_ACTIVE = "account_not_active"
    DOCUMENT_EXPIRED = "document_expired"
    ACCOUNT_DORMANT = "account_dormant"
    CLOSING_BLOCKED = "closing_blocked"
    MERCHANT_NOT_ACTIVE = "merchant_not_active"
    MERCHANT_CLOSING = "merchant_closing"
    PRODUCT_NOT_ON_SALE = "product_not_on_sale"
    PRODUCT_CHANGED = "product_changed"
    ILLEGAL_STATE = "illegal_state"
    CONFIRMATION_EXPIRED = "confirmation_expired"
    VOUCHER_NOT_ACTIVE = "voucher_not_active"
    VOUCHER_USED = "voucher_used"
    VOUCHER_BARRED = "voucher_barred"
    CARD_REFUSED = "card_refused"
    IDENTITY_REQUIRED = "identity_required"
    IDENTITY_MISMATCH = "identity_mismatch"
    NOT_GROUP_MEMBER = "not_group_member"
    GROUP_NOT_AVAILABLE = "group_not_available"
    PAYEE_EXISTS = "payee_exists"
    TOO_MANY_PAYEES = "too_many_payees"
    PAYEE_REQUIRED = "payee_required"
    PAYEE_COOLING = "payee_cooling"
    SIM_COOLING = "sim_cooling"
    # authentication
    PASSWORD_NOT_SET = "password_not_set"  # noqa: S105 - a code, not a password
    WEAK_PASSWORD = "weak_password"  # noqa: S105
    PASSWORD_REUSED = "password_reused"  # noqa: S105
    WRONG_PASSWORD = "wrong_password"  # noqa: S105
    PASSWORD_LOCKED = "password_locked"  # noqa: S105
    CHALLENGE_REQUIRED = "challenge_required"
    WRONG_CODE = "wrong_code"
    CODE_EXPIRED = "code_expired"
    TERMS_NOT_ACCEPTED = "terms_not_accepted"
    # lists
    BLACKLISTED = "blacklisted"
    # limits
    SINGLE_LIMIT_EXCEEDED = "single_limit_exceeded"
    DAILY_LIMIT_EXCEEDED = "daily_limit_exceeded"
    COUNT_LIMIT_EXCEEDED = "count_limit_exceeded"
    MONTHLY_LIMIT_EXCEEDED = "monthly_limit_exceeded"
    YEARLY_LIMIT_EXCEEDED = "yearly_limit_exceeded"
    LIFETIME_LIMIT_EXCEEDED = "lifetime_limit_exceeded"
    BALANCE_LIMIT_EXCEEDED = "balance_limit_exceeded"
    CHANNEL_LIMIT_EXCEEDED = "channel_limit_exceeded"
    MERCHANT_LIMIT_EXCEEDED = "merchant_limit_exceeded"
    GROUP_QUOTA_EXCEEDED = "group_quota_exceeded"
    # risk rules
    RISK_REFUSED = "risk_refused"
    # stock and price
    OUT_OF_STOCK = "out_of_stock"
    PRICE_CHANGED = "price_changed"
    # funds
    INSUFFICIENT_FUNDS = "insufficient_funds"
    FUNDING_DECLINED = "funding_declined"
    # two people
    SAME_PERSON = "same_person"
    # ours
    BUSY = "busy"
    INTERNAL = "internal"


class MpssError(Exception):
    """Whatever stops a flow; nothing was written."""

    code: ErrorCode = ErrorCode.INTERNAL


class MalformedField(MpssError):
    """An external field is not of its form."""

    code = ErrorCode.MALFORMED_REQUEST

    def __init__(self, *, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class Refused(MpssError):
    """A flow says no, and why; `field` names the external field at fault where there is one."""

    def __init__(self, code: ErrorCode, *, detail: str = "", field: str | None = None) -> None:
        super().__init__(detail or code.value)
        self.code = code
        self.detail = detail
        self.field = field

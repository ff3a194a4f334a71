"""What a subscriber is told by SMS: the events and the facts of each.

Invariants: (1) each change of an account has one notice, written with the change; (2) a notice is sent at least once,
always with the same serial in its text; (3) a secret in the facts is sealed (a name that ends in `_sealed`) and is
opened only when the SMS goes out.
"""

from __future__ import annotations

from enum import StrEnum

DEFAULT_LANGUAGE = "zh-CN"
SEALED = "_sealed"
"""The end of the name of a fact that is sealed in the outbox and plain in the text."""


class Event(StrEnum):
    """Why a notice is written."""

    OPENED = "opened"
    PASSWORD_SET = "password_set"  # noqa: S105 - an event, not a password
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_LOCKED = "password_locked"  # noqa: S105
    PASSWORD_UNLOCKED = "password_unlocked"  # noqa: S105
    LOGIN_PASSWORD_SET = "login_password_set"  # noqa: S105
    LOGIN_LOCKED = "login_locked"
    PASSWORD_LINK = "password_link"  # noqa: S105
    ACCOUNT_LINK = "account_link"
    DAILY_LIMIT_SET = "daily_limit_set"
    OWN_LIMITS_SET = "own_limits_set"
    TOPPED_UP = "topped_up"
    TOPUP_UNDONE = "topup_undone"
    BANK_TOPUP_REVERSED = "bank_topup_reversed"
    PAID = "paid"
    REVERSED = "reversed"
    DELIVERED = "delivered"
    ADJUSTED = "adjusted"
    TOPUP_IN_DOUBT = "topup_in_doubt"
    TOPUP_FAILED = "topup_failed"
    BILL_PAID = "bill_paid"
    BILL_IN_DOUBT = "bill_in_doubt"
    BILL_NOT_CHARGED = "bill_not_charged"
    BILL_REFUNDED = "bill_refunded"
    CARD_PAID = "card_paid"
    CARD_IN_DOUBT = "card_in_doubt"
    CARD_NOT_CHARGED = "card_not_charged"
    CARD_REFUNDED = "card_refunded"
    REFUNDED_TO_WALLET = "refunded_to_wallet"
    VOUCHER_BARRED = "voucher_barred"
    VOUCHER_RELEASED = "voucher_released"
    CARD_BOUND = "card_bound"
    CARD_UNBOUND = "card_unbound"
    CARD_DEBITED = "card_debited"
    CARD_NOT_BOUND = "card_not_bound"
    IDENTITY_SUBMITTED = "identity_submitted"
    IDENTITY_REFUSED = "identity_refused"
    UPGRADED = "upgraded"
    DOCUMENT_EXPIRING = "document_expiring"
    DOCUMENT_EXPIRED = "document_expired"
    DOCUMENT_RENEWED = "document_renewed"
    GROUP_JOINED = "group_joined"
    GROUP_LEFT = "group_left"
    GROUP_PAID = "group_paid"
    GROUP_SPENT = "group_spent"
    GROUP_REVERSED = "group_reversed"
    GROUP_REFUNDED = "group_refunded"
    PAYEE_ADDED = "payee_added"
    PAYEE_CHANGED = "payee_changed"
    PAYEE_DISSOLVED = "payee_dissolved"
    TRANSFER_SENT = "transfer_sent"
    TRANSFER_RECEIVED = "transfer_received"
    TRANSFER_HELD = "transfer_held"
    TRANSFER_WAITING = "transfer_waiting"
    TRANSFER_CLAIMED = "transfer_claimed"
    TRANSFER_RETURNED = "transfer_returned"
    TRANSFER_LAPSED = "transfer_lapsed"
    TRANSFER_CANCELLED = "transfer_cancelled"
    TRANSFER_WITHDRAWN = "transfer_withdrawn"
    WITHDRAWAL_ORDERED = "withdrawal_ordered"
    WITHDRAWAL_PAID = "withdrawal_paid"
    WITHDRAWAL_IN_DOUBT = "withdrawal_in_doubt"
    WITHDRAWAL_FAILED = "withdrawal_failed"
    WITHDRAWAL_RETURNED = "withdrawal_returned"
    CONFIRM_TRANSFER = "confirm_transfer"
    CONFIRM_CARD_TOPUP = "confirm_card_topup"
    CONFIRM_WITHDRAWAL = "confirm_withdrawal"
    CONFIRM_PURCHASE = "confirm_purchase"
    LOSS_REPORTED = "loss_reported"
    LOSS_WRITTEN = "loss_written"
    LOSS_LIFTED = "loss_lifted"
    LOSS_EXPIRED = "loss_expired"
    FROZEN = "frozen"
    FROZEN_RISK = "frozen_risk"
    FROZEN_LAW = "frozen_law"
    UNFROZEN = "unfrozen"
    AMOUNT_FROZEN = "amount_frozen"
    AMOUNT_RELEASED = "amount_released"
    FREEZE_EXTENDED = "freeze_extended"
    DEDUCTED = "deducted"
    REVIEW_HELD = "review_held"
    REVIEW_RELEASED = "review_released"
    REVIEW_REFUSED = "review_refused"
    GREY_LISTED = "grey_listed"
    GREY_RELEASED = "grey_released"
    DORMANCY_NEAR = "dormancy_near"
    FALLEN_DORMANT = "fallen_dormant"
    WOKEN = "woken"
    CLOSING_ASKED = "closing_asked"
    CLOSING_PAID = "closing_paid"
    CLOSING_PAID_TO_BILL = "closing_paid_to_bill"
    CLOSING_UNPAID = "closing_unpaid"
    CLOSED = "closed"
    NUMBER_STOPPED = "number_stopped"
    NUMBER_RESUMED = "number_resumed"
    NUMBER_CANCELLED = "number_cancelled"
    NUMBER_CHANGED = "number_changed"
    SIM_SWAPPED = "sim_swapped"
    CODE = "code"
    REPLY = "reply"


FACTS: dict[Event, tuple[str, ...]] = {
    Event.OPENED: (),
    Event.PASSWORD_SET: (),
    Event.PASSWORD_CHANGED: (),
    Event.PASSWORD_LOCKED: (),
    Event.PASSWORD_UNLOCKED: (),
    Event.LOGIN_PASSWORD_SET: (),
    Event.LOGIN_LOCKED: (),
    Event.PASSWORD_LINK: ("url", "minutes"),
    Event.ACCOUNT_LINK: ("url", "purpose", "minutes"),
    Event.DAILY_LIMIT_SET: ("daily_limit_fen",),
    Event.OWN_LIMITS_SET: (),
    Event.TOPPED_UP: ("amount_fen", "balance_fen", "source"),
    Event.TOPUP_UNDONE: ("amount_fen", "balance_fen"),
    Event.BANK_TOPUP_REVERSED: ("amount_fen", "balance_fen"),
    Event.PAID: ("amount_fen", "fee_fen", "merchant", "product", "balance_fen"),
    Event.REVERSED: ("amount_fen", "merchant", "balance_fen", "reason"),
    Event.DELIVERED: ("merchant", "product", "content"),
    Event.ADJUSTED: ("amount_fen", "balance_fen"),
    Event.TOPUP_IN_DOUBT: ("amount_fen",),
    Event.TOPUP_FAILED: ("amount_fen",),
    Event.BILL_PAID: ("amount_fen", "fee_fen", "merchant", "product"),
    Event.BILL_IN_DOUBT: ("amount_fen", "merchant"),
    Event.BILL_NOT_CHARGED: ("amount_fen", "merchant"),
    Event.BILL_REFUNDED: ("amount_fen", "merchant", "reason"),
    Event.CARD_PAID: ("amount_fen", "fee_fen", "merchant", "product"),
    Event.CARD_IN_DOUBT: ("amount_fen", "merchant"),
    Event.CARD_NOT_CHARGED: ("amount_fen", "merchant"),
    Event.CARD_REFUNDED: ("amount_fen", "merchant", "reason"),
    Event.REFUNDED_TO_WALLET: ("amount_fen", "merchant", "balance_fen", "reason"),
    Event.VOUCHER_BARRED: (),
    Event.VOUCHER_RELEASED: (),
    Event.CARD_BOUND: ("card",),
    Event.CARD_UNBOUND: ("card",),
    Event.CARD_DEBITED: ("card", "hours"),
    Event.CARD_NOT_BOUND: ("card",),
    Event.IDENTITY_SUBMITTED: (),
    Event.IDENTITY_REFUSED: ("reason",),
    Event.UPGRADED: ("level",),
    Event.DOCUMENT_EXPIRING: ("until",),
    Event.DOCUMENT_EXPIRED: (),
    Event.DOCUMENT_RENEWED: (),
    Event.GROUP_JOINED: ("group", "amount_fen"),
    Event.GROUP_LEFT: ("group",),
    Event.GROUP_PAID: ("amount_fen", "fee_fen", "merchant", "product", "left_fen"),
    Event.GROUP_SPENT: ("amount_fen", "merchant", "counterpart", "balance_fen"),
    Event.GROUP_REVERSED: ("amount_fen", "merchant", "reason"),
    Event.GROUP_REFUNDED: ("amount_fen", "merchant", "counterpart", "balance_fen"),
    Event.PAYEE_ADDED: ("counterpart", "hours"),
    Event.PAYEE_CHANGED: ("counterpart",),
    Event.PAYEE_DISSOLVED: ("counterpart",),
    Event.TRANSFER_SENT: ("amount_fen", "counterpart", "balance_fen"),
    Event.TRANSFER_RECEIVED: ("amount_fen", "counterpart", "balance_fen"),
    Event.TRANSFER_HELD: ("amount_fen", "counterpart", "days", "balance_fen"),
    Event.TRANSFER_WAITING: ("amount_fen", "counterpart", "days"),
    Event.TRANSFER_CLAIMED: ("amount_fen", "counterpart"),
    Event.TRANSFER_RETURNED: ("amount_fen", "counterpart", "balance_fen"),
    Event.TRANSFER_LAPSED: ("amount_fen", "counterpart"),
    Event.TRANSFER_CANCELLED: ("amount_fen", "counterpart", "balance_fen"),
    Event.TRANSFER_WITHDRAWN: ("amount_fen", "counterpart"),
    Event.WITHDRAWAL_ORDERED: ("amount_fen", "fee_fen", "card"),
    Event.WITHDRAWAL_PAID: ("amount_fen", "fee_fen", "card", "balance_fen"),
    Event.WITHDRAWAL_IN_DOUBT: ("amount_fen", "fee_fen", "card"),
    Event.WITHDRAWAL_FAILED: ("amount_fen", "fee_fen", "card"),
    Event.WITHDRAWAL_RETURNED: ("amount_fen", "fee_fen", "card", "balance_fen"),
    Event.CONFIRM_CARD_TOPUP: ("amount_fen", "card", "code"),
    Event.CONFIRM_TRANSFER: ("amount_fen", "counterpart", "code"),
    Event.CONFIRM_WITHDRAWAL: ("amount_fen", "fee_fen", "card", "code"),
    Event.CONFIRM_PURCHASE: ("merchant", "product", "amount_fen", "fee_fen", "code", "bill_code"),
    Event.LOSS_REPORTED: ("days",),
    Event.LOSS_WRITTEN: (),
    Event.LOSS_LIFTED: (),
    Event.LOSS_EXPIRED: (),
    Event.FROZEN: ("until",),
    Event.FROZEN_RISK: (),
    Event.FROZEN_LAW: (),
    Event.UNFROZEN: (),
    Event.AMOUNT_FROZEN: ("amount_fen",),
    Event.AMOUNT_RELEASED: ("amount_fen",),
    Event.FREEZE_EXTENDED: ("until",),
    Event.DEDUCTED: ("amount_fen", "balance_fen"),
    Event.REVIEW_HELD: ("amount_fen",),
    Event.REVIEW_RELEASED: ("amount_fen",),
    Event.REVIEW_REFUSED: ("amount_fen",),
    Event.GREY_LISTED: ("amount_fen",),
    Event.GREY_RELEASED: (),
    Event.DORMANCY_NEAR: (),
    Event.FALLEN_DORMANT: (),
    Event.WOKEN: (),
    Event.CLOSING_ASKED: (),
    Event.CLOSING_PAID: ("amount_fen",),
    Event.CLOSING_PAID_TO_BILL: ("amount_fen",),
    Event.CLOSING_UNPAID: ("amount_fen",),
    Event.CLOSED: (),
    Event.NUMBER_STOPPED: (),
    Event.NUMBER_RESUMED: (),
    Event.NUMBER_CANCELLED: (),
    Event.NUMBER_CHANGED: (),
    Event.SIM_SWAPPED: (),
    Event.CODE: ("code", "purpose", "minutes"),
    Event.REPLY: ("text",),
}
"""The facts that the text of each event uses. `…_fen` are whole fen, of ADJUSTED below zero too; `product`, `reason`
and `content` may be empty; `counterpart` is a masked number; `source` is "cash", "voucher",
"recharge", "online_bank", "bank_card" or "bank_transfer"; `reason` is a code of ours or the CP/SP's own words."""

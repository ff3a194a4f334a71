"""What a member of staff may do (系统权限). A permission is given by name; there is no rank that includes others.

Spec: CT 9.1.1; CM 8.3.
"""

from __future__ import annotations

from enum import StrEnum

from mpss.kernel.errors import MalformedField


class Permission(StrEnum):
    CASH_TOPUP = "cash_topup"
    PAYEE_MANAGE = "payee_manage"
    CARD_MANAGE = "card_manage"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a permission
    ACCOUNT_OPEN = "account_open"
    IDENTITY_MANAGE = "identity_manage"
    IDENTITY_REVIEW = "identity_review"
    VOUCHER_GENERATE = "voucher_generate"
    VOUCHER_ACTIVATE = "voucher_activate"
    VOUCHER_RELEASE = "voucher_release"
    PRODUCT_REVIEW = "product_review"
    MERCHANT_REGISTER = "merchant_register"
    MERCHANT_LIMITS = "merchant_limits"
    MERCHANT_CLOSE = "merchant_close"
    LEDGER_ADJUST = "ledger_adjust"
    LEDGER_VIEW = "ledger_view"
    FUNDING_VIEW = "funding_view"
    FUNDING_END = "funding_end"
    PAYMENT_ORDERS = "payment_orders"
    DELIVERY_RESEND = "delivery_resend"
    ACCOUNT_VIEW = "account_view"
    LOSS_REPORT = "loss_report"
    LOSS_WRITTEN = "loss_written"
    ACCOUNT_FREEZE = "account_freeze"
    LAW_DEDUCT = "law_deduct"
    RISK_VIEW = "risk_view"
    RISK_MANAGE = "risk_manage"
    RISK_APPROVE = "risk_approve"
    RISK_REVIEW = "risk_review"
    LIMITS_VIEW = "limits_view"
    LIMITS_MANAGE = "limits_manage"
    LIMITS_APPROVE = "limits_approve"
    ACCOUNT_CLOSE = "account_close"
    BOSS_VIEW = "boss_view"
    BOSS_SETTLE = "boss_settle"
    STAFF_MANAGE = "staff_manage"


MEANINGS: dict[Permission, str] = {
    Permission.CASH_TOPUP: "take cash at a hall and top a wallet up; undo one's own",
    Permission.PAYEE_MANAGE: "set up and dissolve directed relations of a customer at a hall",
    Permission.CARD_MANAGE: "bind, list and unbind bank cards of a customer at a hall",
    Permission.PASSWORD_RESET: "take a customer's payment password away at a hall and have a link sent for a new one",
    Permission.ACCOUNT_OPEN: "open accounts at a hall; corporate accounts, their members and quotas",
    Permission.IDENTITY_MANAGE: "upgrade accounts to real-name at a hall; see a customer's document masked",
    Permission.IDENTITY_REVIEW: "see names, documents and images in clear; approve or refuse what was submitted",
    Permission.VOUCHER_GENERATE: "have top-up vouchers made (never whoever activates the same batch)",
    Permission.VOUCHER_ACTIVATE: "put a batch of vouchers on sale (never whoever had it made)",
    Permission.VOUCHER_RELEASE: "let a barred number enter voucher passwords again",
    Permission.PRODUCT_REVIEW: "publish, refuse and withdraw goods",
    Permission.MERCHANT_REGISTER: "register, suspend and resume merchants",
    Permission.MERCHANT_LIMITS: "say what a merchant may be paid, at once and in a day",
    Permission.MERCHANT_CLOSE: "propose and approve that a merchant closes, and what is settled with it (two people)",
    Permission.LEDGER_ADJUST: "propose and approve correcting entries (two people for one entry)",
    Permission.LEDGER_VIEW: "read the trial balance",
    Permission.FUNDING_VIEW: "see which calls to banks and the charging system are in doubt",
    Permission.FUNDING_END: "propose and approve how a payout to a phone bill ended that is in doubt (two people)",
    Permission.PAYMENT_ORDERS: "see withdrawals and the files to banks; have one made, and answers read, now",
    Permission.DELIVERY_RESEND: "order a delivery or send a notice again",
    Permission.ACCOUNT_VIEW: "look at any account and its transactions",
    Permission.LOSS_REPORT: "report loss for a caller on the phone (10086)",
    Permission.LOSS_WRITTEN: "report loss in writing, lift reports and release the holder's own freeze, at a hall, the "
    "customer's document in hand",
    Permission.ACCOUNT_FREEZE: "propose and approve freezes for a risk or by law, and their release (two people)",
    Permission.LAW_DEDUCT: "propose and approve what a court has deducted of a frozen account (two people)",
    Permission.RISK_VIEW: "look at the grey and the black list, the risk rules and the queue of reports",
    Permission.RISK_MANAGE: "put on the grey list and release; propose for the black list and its release",
    Permission.RISK_APPROVE: "approve and refuse what another proposed for the black list or its release",
    Permission.RISK_REVIEW: "report or dismiss suspicious transactions; release or refuse what a rule held",
    Permission.LIMITS_VIEW: "look at the versions of the table of limits",
    Permission.LIMITS_MANAGE: "propose a new table of limits",
    Permission.LIMITS_APPROVE: "approve and refuse a table of limits that another proposed",
    Permission.ACCOUNT_CLOSE: "close accounts at a hall and pay what is left of them as cash",
    Permission.BOSS_VIEW: "see what BOSS told of subscriptions, and what it has differently",
    Permission.BOSS_SETTLE: "settle what BOSS has differently: let it take effect, or keep ours with a reason",
    Permission.STAFF_MANAGE: "add and stop members of staff, renew their keys",
}


def parse_permission(text: str, *, field: str = "permissions") -> Permission:
    """
    Raises:
        MalformedField: there is no such permission, naming `field`.
    """
    try:
        return Permission(text)
    except ValueError:
        raise MalformedField(field=field, problem=f"must be of: {', '.join(Permission)}") from None

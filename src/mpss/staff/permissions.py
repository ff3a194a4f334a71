"""What a member of staff may do (系统权限). A permission is given by name; there is no rank that includes others.

    cash_topup          take cash at a hall and top a wallet up; undo one's own
    voucher_generate    have top-up vouchers made                     } never the same person
    voucher_activate    put a batch of vouchers on sale               } for one batch
    voucher_release     let a barred number enter voucher passwords again
    product_review      publish, refuse and withdraw goods
    merchant_register   register, suspend and resume merchants
    ledger_adjust       propose and approve correcting entries        (two people for one entry)
    delivery_resend     order a delivery or send a notice again
    account_view        look at any account and its transactions
    staff_manage        add and stop members of staff, renew their keys

Spec: CT 9.1.1; CM 8.3.
"""

from __future__ import annotations

from enum import StrEnum

from mpss.kernel.errors import MalformedField


class Permission(StrEnum):
    CASH_TOPUP = "cash_topup"
    VOUCHER_GENERATE = "voucher_generate"
    VOUCHER_ACTIVATE = "voucher_activate"
    VOUCHER_RELEASE = "voucher_release"
    PRODUCT_REVIEW = "product_review"
    MERCHANT_REGISTER = "merchant_register"
    LEDGER_ADJUST = "ledger_adjust"
    DELIVERY_RESEND = "delivery_resend"
    ACCOUNT_VIEW = "account_view"
    STAFF_MANAGE = "staff_manage"


def parse_permission(text: str, *, field: str = "permissions") -> Permission:
    """
    Raises:
        MalformedField: there is no such permission, naming `field`.
    """
    try:
        return Permission(text)
    except ValueError:
        raise MalformedField(field=field, problem=f"must be of: {', '.join(Permission)}") from None

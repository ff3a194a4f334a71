"""What a statement calls its columns, the kinds of transactions and their states, in each language."""

from __future__ import annotations

from mpss.desk.model import Funding, TransactionKind, TransactionState

K, S = TransactionKind, TransactionState

COLUMNS: dict[str, tuple[str, ...]] = {
    "zh-CN": (
        "入账日期", "时间", "交易号", "类型", "状态", "商户", "对方号码",
        "收支(元)", "手续费(元)", "渠道", "商户订单号", "金额(元)", "资金来源",
    ),
    "en": (
        "Booked on", "Time", "Transaction", "Kind", "State", "Merchant", "Counterpart", "Change (yuan)", "Fee (yuan)",
        "Channel", "Merchant's order", "Amount (yuan)", "Paid from",
    ),
}  # fmt: skip
"""Heads of a statement's columns, in their order."""

SOURCES: dict[Funding, dict[str, str]] = {
    Funding.WALLET: {"zh-CN": "账户余额", "en": "wallet"},
    Funding.PHONE_BILL: {"zh-CN": "话费", "en": "phone bill"},
    Funding.BANK_CARD: {"zh-CN": "银行卡", "en": "bank card"},
    Funding.GROUP: {"zh-CN": "集团账户", "en": "corporate account"},
}

KINDS: dict[TransactionKind, dict[str, str]] = {
    K.PURCHASE: {"zh-CN": "消费", "en": "Purchase"},
    K.CASH_TOPUP: {"zh-CN": "现金充值", "en": "Cash top-up"},
    K.CASH_TOPUP_UNDO: {"zh-CN": "现金充值撤销", "en": "Cash top-up undone"},
    K.VOUCHER_ACTIVATION: {"zh-CN": "充值凭证激活", "en": "Voucher activation"},
    K.VOUCHER_TOPUP: {"zh-CN": "充值凭证充值", "en": "Voucher top-up"},
    K.RECHARGE_TOPUP: {"zh-CN": "充值卡充值", "en": "Recharge card top-up"},
    K.ONLINE_BANK_TOPUP: {"zh-CN": "网银充值", "en": "Online bank top-up"},
    K.BANK_CARD_TOPUP: {"zh-CN": "银行卡充值", "en": "Bank card top-up"},
    K.BANK_TOPUP: {"zh-CN": "银行转账充值", "en": "Bank transfer top-up"},
    K.BANK_TOPUP_REVERSAL: {"zh-CN": "银行转账充值冲正", "en": "Bank transfer top-up reversed"},
    K.CARD_VERIFICATION: {"zh-CN": "银行卡验证", "en": "Bank card verification"},
    K.CARD_VERIFICATION_RETURN: {"zh-CN": "银行卡验证退回", "en": "Bank card verification returned"},
    K.REVERSAL: {"zh-CN": "冲正", "en": "Reversal"},
    K.ADJUSTMENT: {"zh-CN": "更正", "en": "Correction"},
    K.TRANSFER: {"zh-CN": "转账", "en": "Transfer"},
    K.TRANSFER_CLAIM: {"zh-CN": "转账领取", "en": "Transfer claimed"},
    K.TRANSFER_RETURN: {"zh-CN": "转账退回", "en": "Transfer returned"},
    K.WITHDRAWAL: {"zh-CN": "提现", "en": "Withdrawal"},
    K.WITHDRAWAL_RETURN: {"zh-CN": "提现退回", "en": "Withdrawal returned"},
    K.CLOSING_PAYOUT: {"zh-CN": "销户付款", "en": "Closing payout"},
    K.CLOSING_REST: {"zh-CN": "销户后退回款", "en": "Back after the closing"},
    K.MERCHANT_SETTLEMENT: {"zh-CN": "商户销户结算", "en": "Settlement with a closing merchant"},
    K.LAW_DEDUCTION: {"zh-CN": "司法扣划", "en": "Deduction by law"},
}
STATES: dict[TransactionState, dict[str, str]] = {
    S.CONFIRMING: {"zh-CN": "待确认", "en": "waits for a reply"},
    S.REVIEWING: {"zh-CN": "审核中", "en": "under review"},
    S.FUNDING: {"zh-CN": "处理中", "en": "under way"},
    S.IN_DOUBT: {"zh-CN": "处理中", "en": "under way"},
    S.AUTHORIZED: {"zh-CN": "已授权", "en": "authorized"},
    S.COMPLETING: {"zh-CN": "处理中", "en": "under way"},
    S.RELEASING: {"zh-CN": "处理中", "en": "under way"},
    S.REVERSING: {"zh-CN": "冲正中", "en": "being reversed"},
    S.SUCCEEDED: {"zh-CN": "成功", "en": "succeeded"},
    S.DECLINED: {"zh-CN": "失败", "en": "declined"},
    S.EXPIRED: {"zh-CN": "已过期", "en": "expired"},
    S.CANCELLED: {"zh-CN": "已取消", "en": "cancelled"},
    S.REVERSED: {"zh-CN": "已冲正", "en": "reversed"},
    S.WAITING: {"zh-CN": "待领取", "en": "waits for its payee"},
    S.RETURNED: {"zh-CN": "已退回", "en": "returned"},
}

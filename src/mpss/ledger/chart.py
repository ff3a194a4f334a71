"""The chart of accounts (科目): every ledger account's code, normal side and floor.

Accounts of the house have fixed ids below 1000, made by the first migration of data; a wallet's and a merchant's are
opened with them. Assets and expenses are debit by nature, liabilities and income credit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mpss.ledger.model import Side


class Code(StrEnum):
    """Ledger account codes, by the PBOC's habit: 1 assets, 2 liabilities, 6 income and expense."""

    RESERVE_AT_BANK = "1002"  # 备付金存款: customers' money at the reserve bank
    CASH_IN_TRANSIT = "1003"  # 在途现金: taken at a counter, not yet at the bank
    VOUCHERS_IN_TRANSIT = "1004"  # 在途充值凭证款: sold vouchers' money, not yet at the bank
    ONLINE_BANK_IN_TRANSIT = "1006"  # 在途网银充值款: paid at the online bank, not yet at the reserve bank
    BANK_CARDS_IN_TRANSIT = "1007"  # 在途银行卡充值款: debited from bound cards, not yet at the reserve bank
    BANK_TRANSFERS_IN_TRANSIT = "1009"  # 在途银行转账款: top-ups that banks sent, not yet at the reserve bank
    PHONE_BILL_RECEIVABLE = "1122"  # 应收话费代收款: charged to phone bills, not yet paid over by the operator
    RECHARGE_RECEIVABLE = "1123"  # 应收充值平台款: the recharge platform's cards used up, not yet paid over
    WALLET = "2011"  # 虚拟账户: what we owe subscribers
    VOUCHERS_SOLD = "2012"  # 已售充值凭证: activated, not yet redeemed
    TRANSFERS_HELD = "2031"  # 待领转账款: transfers whose payee has no wallet yet
    WITHDRAWALS_IN_TRANSIT = "2032"  # 在途提现款: paid out by banks, not yet taken from the reserve
    CARD_VERIFICATIONS = "2033"  # 待退验证款: small debits that verify bank cards, on their way back
    LAW_DEDUCTIONS = "2034"  # 待付司法扣划款: deducted by law, not yet paid to the authority
    UNCLAIMED_RESTS = "2035"  # 待领销户余额: came back after an account was closed, not yet fetched
    MERCHANT_PAYABLE = "2021"  # 应付商户款
    FEE_INCOME = "6011"  # 手续费收入


@dataclass(frozen=True, slots=True)
class ChartLine:
    code: Code
    name_zh: str
    name_en: str
    side: Side
    has_floor: bool
    house_account_id: int | None
    """The one account of this code, or None where each party has one of its own."""
    customer_money: bool
    """Whether it counts in the safeguarding check (备付金)."""


CHART: dict[Code, ChartLine] = {
    line.code: line
    for line in (
        ChartLine(Code.RESERVE_AT_BANK, "备付金存款", "Reserve at banks", Side.DEBIT, False, 2, True),
        ChartLine(Code.CASH_IN_TRANSIT, "在途现金", "Cash in transit", Side.DEBIT, False, 3, True),
        ChartLine(Code.VOUCHERS_IN_TRANSIT, "在途充值凭证款", "Voucher money in transit", Side.DEBIT, False, 4, True),
        ChartLine(
            Code.ONLINE_BANK_IN_TRANSIT, "在途网银充值款", "Online-bank money in transit", Side.DEBIT, False, 9, True
        ),
        ChartLine(
            Code.BANK_CARDS_IN_TRANSIT, "在途银行卡充值款", "Bank-card money in transit", Side.DEBIT, False, 10, True
        ),
        ChartLine(
            Code.BANK_TRANSFERS_IN_TRANSIT, "在途银行转账款", "Bank transfers in transit", Side.DEBIT, False, 14, True
        ),
        ChartLine(Code.PHONE_BILL_RECEIVABLE, "应收话费代收款", "Phone-bill receivable", Side.DEBIT, False, 5, True),
        ChartLine(Code.RECHARGE_RECEIVABLE, "应收充值平台款", "Recharge receivable", Side.DEBIT, False, 8, True),
        ChartLine(Code.WALLET, "虚拟账户", "Wallet", Side.CREDIT, True, None, True),
        ChartLine(Code.VOUCHERS_SOLD, "已售充值凭证", "Vouchers sold", Side.CREDIT, False, 12, True),
        ChartLine(Code.TRANSFERS_HELD, "待领转账款", "Transfers waiting for their payee", Side.CREDIT, False, 31, True),
        ChartLine(Code.WITHDRAWALS_IN_TRANSIT, "在途提现款", "Withdrawals in transit", Side.CREDIT, False, 32, True),
        ChartLine(Code.CARD_VERIFICATIONS, "待退验证款", "Card verifications", Side.CREDIT, False, 33, True),
        ChartLine(Code.LAW_DEDUCTIONS, "待付司法扣划款", "Deductions by law", Side.CREDIT, False, 34, True),
        ChartLine(Code.UNCLAIMED_RESTS, "待领销户余额", "Unclaimed rests", Side.CREDIT, False, 35, True),
        ChartLine(Code.MERCHANT_PAYABLE, "应付商户款", "Merchant payable", Side.CREDIT, False, None, True),
        ChartLine(Code.FEE_INCOME, "手续费收入", "Fee income", Side.CREDIT, False, 61, True),
    )
}

RESERVE_AT_BANK = 2
CASH_IN_TRANSIT = 3
VOUCHERS_IN_TRANSIT = 4
PHONE_BILL_RECEIVABLE = 5
RECHARGE_RECEIVABLE = 8
ONLINE_BANK_IN_TRANSIT = 9
BANK_CARDS_IN_TRANSIT = 10
BANK_TRANSFERS_IN_TRANSIT = 14
VOUCHERS_SOLD = 12
TRANSFERS_HELD = 31
WITHDRAWALS_IN_TRANSIT = 32
CARD_VERIFICATIONS = 33
LAW_DEDUCTIONS = 34
UNCLAIMED_RESTS = 35
FEE_INCOME = 61

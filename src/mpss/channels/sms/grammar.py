"""What a subscriber may send to our number. Pure: text → command, or what was wrong with it.

    KT [EN | ZH]                 开通            open a wallet
    YE                           余额            balance
    MM                           密码            a link to set the payment password, which unlocks paying too
    CZ <card password>           充值            top up by voucher card, 16 digits; or by one of the recharge platform
    ZF <product> [quantity]      购买, 支付      buy a product, by its number of six digits or more
    ZF <merchant> <yuan>                         pay a merchant an amount, by its number of four or five digits
    ZZ <number> <yuan>           转账            transfer an amount to a phone number
    TX <yuan> [last four digits] 提现            withdraw an amount to the bound card, or to the one that ends so
    Y <code>                     确认            confirm a purchase, a transfer or a withdrawal
    N <code>                     取消            cancel it
    YHK                          银行卡          the bound bank cards
    JB <last four digits>        解绑            unbind a bank card
    ZT                           状态            the account's type, state, opening time and daily limit
    MX [lines]                   明细, 账单      the last movements
    XE [yuan]                    限额            the daily limit, or set it
    GS                           挂失            report the phone's loss
    JG                           解挂            a link to lift the report
    DJ [days]                    冻结            freeze the account, for so many days or until it is released
    JD                           解冻            a link to release the freeze
    HX                           唤醒            a link to wake a dormant account
    XH                           销户            a link to close the account, or what stands in the way
    YY EN | ZH                   语言            the language of our SMS
    TZ [ON | OFF [group …]]      通知            which notices are sent; switch those of IN, BACK or SETTINGS, or all
    MD <from> <until> | OFF      免打扰          the hours in which only what is urgent is sent
    SJ                           升级, 实名      the real-name level, and how to raise it
    BZ [2]                       帮助            help; 2, of the commands that look after the account

English words do too: OPEN, BALANCE, PASSWORD, TOPUP, PAY, BUY, TRANSFER, WITHDRAW, YES, NO, CARDS, UNBIND, STATE,
HISTORY, LIMITS, LOSS, FOUND, FREEZE, UNFREEZE, WAKE, CLOSE, LANG, NOTICES, QUIET, UPGRADE, HELP. Full-width
characters, capitals or not, separators and the space after the keyword make no difference:
"ＺＦ＃１００００１" is "zf 100001".
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from mpss.accounts.state import Operation
from mpss.channels.sms import arguments as read
from mpss.channels.sms.arguments import Mistake, NotUnderstood
from mpss.channels.sms.commands import (
    AskLink,
    Balance,
    BuyProduct,
    Cancel,
    Command,
    Confirm,
    Freeze,
    Help,
    ListCards,
    Open,
    PayMerchant,
    Recharge,
    RechargeForm,
    ReportLoss,
    SetDailyLimit,
    SetLanguage,
    SetPassword,
    SetQuietHours,
    ShowLimits,
    ShowNotices,
    ShowState,
    ShowStatement,
    ShowUpgrade,
    SwitchNotices,
    TopUp,
    TopUpFromCard,
    Transfer,
    UnbindCard,
    Withdraw,
)
from mpss.desk.model import Funding

FIRST_PRODUCT_CODE = 100_001
"""Numbers from here up are products', below are merchants'."""
_LONGEST = 200
_BANK_CARD = ("YHK", "银行卡", "CARD")
_SOURCES = dict.fromkeys(("HF", "话费", "BILL"), Funding.PHONE_BILL) | dict.fromkeys(_BANK_CARD, Funding.BANK_CARD)
_ACCOUNT_HELP = ("2", "ACCOUNT", "账户")


class _Verb(StrEnum):
    OPEN = "open"
    BALANCE = "balance"
    SET_PASSWORD = "set_password"  # noqa: S105 - a verb, not a password
    TOP_UP = "top_up"
    LIST_CARDS = "list_cards"
    UNBIND_CARD = "unbind_card"
    BUY = "buy"
    TRANSFER = "transfer"
    WITHDRAW = "withdraw"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    REPORT_LOSS = "report_loss"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    LIFT_LOSS = "lift_loss"
    WAKE = "wake"
    CLOSE = "close"
    SHOW_STATE = "show_state"
    LIMITS = "limits"
    STATEMENT = "statement"
    LANGUAGE = "language"
    NOTICES = "notices"
    QUIET_HOURS = "quiet_hours"
    UPGRADE = "upgrade"
    HELP = "help"


_KEYWORDS: dict[str, _Verb] = {
    "KT": _Verb.OPEN, "OPEN": _Verb.OPEN, "开通": _Verb.OPEN, "开户": _Verb.OPEN,
    "YE": _Verb.BALANCE, "BALANCE": _Verb.BALANCE, "余额": _Verb.BALANCE,
    "查询余额": _Verb.BALANCE, "余额查询": _Verb.BALANCE,
    "MM": _Verb.SET_PASSWORD, "PASSWORD": _Verb.SET_PASSWORD, "密码": _Verb.SET_PASSWORD,
    "设置密码": _Verb.SET_PASSWORD, "重置密码": _Verb.SET_PASSWORD,
    "CZ": _Verb.TOP_UP, "TOPUP": _Verb.TOP_UP, "充值": _Verb.TOP_UP,
    "YHK": _Verb.LIST_CARDS, "CARDS": _Verb.LIST_CARDS, "银行卡": _Verb.LIST_CARDS,
    "JB": _Verb.UNBIND_CARD, "UNBIND": _Verb.UNBIND_CARD, "解绑": _Verb.UNBIND_CARD,
    "ZF": _Verb.BUY, "PAY": _Verb.BUY, "BUY": _Verb.BUY, "购买": _Verb.BUY, "支付": _Verb.BUY,
    "ZZ": _Verb.TRANSFER, "TRANSFER": _Verb.TRANSFER, "转账": _Verb.TRANSFER, "转帐": _Verb.TRANSFER,
    "TX": _Verb.WITHDRAW, "WITHDRAW": _Verb.WITHDRAW, "提现": _Verb.WITHDRAW,
    "Y": _Verb.CONFIRM, "YES": _Verb.CONFIRM, "确认": _Verb.CONFIRM, "是": _Verb.CONFIRM,
    "N": _Verb.CANCEL, "NO": _Verb.CANCEL, "取消": _Verb.CANCEL, "否": _Verb.CANCEL,
    "BZ": _Verb.HELP, "HELP": _Verb.HELP, "帮助": _Verb.HELP,
    "GS": _Verb.REPORT_LOSS, "LOSS": _Verb.REPORT_LOSS, "挂失": _Verb.REPORT_LOSS,
    "DJ": _Verb.FREEZE, "FREEZE": _Verb.FREEZE, "冻结": _Verb.FREEZE,
    "JD": _Verb.UNFREEZE, "UNFREEZE": _Verb.UNFREEZE, "解冻": _Verb.UNFREEZE,
    "JG": _Verb.LIFT_LOSS, "FOUND": _Verb.LIFT_LOSS, "解挂": _Verb.LIFT_LOSS,
    "HX": _Verb.WAKE, "WAKE": _Verb.WAKE, "唤醒": _Verb.WAKE,
    "XH": _Verb.CLOSE, "CLOSE": _Verb.CLOSE, "销户": _Verb.CLOSE,
    "ZT": _Verb.SHOW_STATE, "STATE": _Verb.SHOW_STATE, "STATUS": _Verb.SHOW_STATE, "状态": _Verb.SHOW_STATE,
    "XE": _Verb.LIMITS, "LIMITS": _Verb.LIMITS, "LIMIT": _Verb.LIMITS, "限额": _Verb.LIMITS,
    "MX": _Verb.STATEMENT, "HISTORY": _Verb.STATEMENT, "明细": _Verb.STATEMENT, "账单": _Verb.STATEMENT,
    "YY": _Verb.LANGUAGE, "LANG": _Verb.LANGUAGE, "LANGUAGE": _Verb.LANGUAGE, "语言": _Verb.LANGUAGE,
    "TZ": _Verb.NOTICES, "NOTICES": _Verb.NOTICES, "通知": _Verb.NOTICES,
    "MD": _Verb.QUIET_HOURS, "QUIET": _Verb.QUIET_HOURS, "免打扰": _Verb.QUIET_HOURS,
    "SJ": _Verb.UPGRADE, "UPGRADE": _Verb.UPGRADE, "升级": _Verb.UPGRADE, "实名": _Verb.UPGRADE,
}  # fmt: skip

_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff]")
_SEPARATORS = re.compile(r"[\s#*+,;:、。·!?/_=()\[\]{}<>\"']+")
_KEYWORD = re.compile(r"([A-Z]+|[一-鿿]+)(.*)", re.DOTALL)


def parse(text: str, *, recharge: RechargeForm | None = None) -> Command:
    """Read a message. `recharge` is the form of the recharge platform's cards, None where there is no platform.

    Raises:
        NotUnderstood: it is no command, naming what is wrong; nothing else is raised.
    """
    if len(text) > _LONGEST:
        raise NotUnderstood(Mistake.KEYWORD)
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).upper()
    words = _SEPARATORS.sub(" ", plain).strip(" .")
    found = _KEYWORD.fullmatch(words)
    verb = _KEYWORDS.get(found[1]) if found else None
    if found is None or verb is None:
        raise NotUnderstood(Mistake.KEYWORD)
    arguments = found[2].split()
    match verb:
        case _ if verb in _BARE:
            read.alone(arguments)
            return _BARE[verb]
        case _Verb.HELP:
            return Help(account=bool(arguments) and arguments[0] in _ACCOUNT_HELP)
        case _Verb.CONFIRM:
            funding = _SOURCES.get(arguments[-1]) if arguments else None
            return Confirm(read.confirm_code(arguments[:-1] if funding else arguments), funding or Funding.WALLET)
        case _Verb.CANCEL:
            return Cancel(read.confirm_code(arguments))
        case _Verb.TOP_UP:
            return _top_up(arguments, recharge)
        case _Verb.BUY:
            return _buy(arguments)
        case _Verb.TRANSFER:
            return Transfer(*read.payee_and_amount(arguments))
        case _Verb.WITHDRAW:
            return Withdraw(*read.amount_and_card(arguments))
        case _Verb.UNBIND_CARD:
            return UnbindCard(read.last_digits("".join(arguments)))
        case _Verb.OPEN:
            return Open(read.language(arguments, Mistake.LANGUAGE)) if arguments else Open()
        case _:
            return _of_account(verb, arguments)


_BARE: dict[_Verb, Command] = {
    _Verb.BALANCE: Balance(),
    _Verb.SET_PASSWORD: SetPassword(),
    _Verb.LIST_CARDS: ListCards(),
    _Verb.REPORT_LOSS: ReportLoss(),
    _Verb.UNFREEZE: AskLink(Operation.UNFREEZE),
    _Verb.LIFT_LOSS: AskLink(Operation.LIFT_LOSS),
    _Verb.WAKE: AskLink(Operation.WAKE),
    _Verb.CLOSE: AskLink(Operation.CLOSE),
    _Verb.SHOW_STATE: ShowState(),
    _Verb.UPGRADE: ShowUpgrade(),
}
"""The commands of keywords that stand alone."""


def _of_account(verb: _Verb, arguments: list[str]) -> Command:
    match verb:
        case _Verb.FREEZE:
            return Freeze(read.freeze_days(arguments)) if arguments else Freeze()
        case _Verb.LIMITS:
            return SetDailyLimit(read.limit_fen(arguments)) if arguments else ShowLimits()
        case _Verb.STATEMENT:
            return ShowStatement(read.lines(arguments)) if arguments else ShowStatement()
        case _Verb.LANGUAGE:
            return SetLanguage(read.language(arguments, Mistake.NEW_LANGUAGE))
        case _Verb.NOTICES:
            return SwitchNotices(*read.switch(arguments)) if arguments else ShowNotices()
        case _Verb.QUIET_HOURS:
            return SetQuietHours(*(read.quiet_hours(arguments) or (None, None)))
        case _:
            raise AssertionError(verb)


def _top_up(arguments: list[str], recharge: RechargeForm | None) -> TopUp | Recharge | TopUpFromCard:
    if arguments and arguments[0] in _BANK_CARD:
        return TopUpFromCard(*read.amount_and_card(arguments[1:]))
    card_password = "".join(arguments).replace("-", "")
    if recharge is not None and read.is_number(card_password) and recharge.fits(card_password):
        return Recharge(card_password)
    if len(card_password) != 16 or not read.is_number(card_password):
        raise NotUnderstood(Mistake.CARD_PASSWORD)
    return TopUp(card_password)


def _buy(arguments: list[str]) -> BuyProduct | PayMerchant:
    if not arguments or not read.is_number(arguments[0]) or not 4 <= len(arguments[0]) <= 12:
        raise NotUnderstood(Mistake.PRODUCT_OR_MERCHANT)
    sms_code = int(arguments[0])
    if len(arguments) > 2:
        raise NotUnderstood(Mistake.EXTRA)
    if sms_code < FIRST_PRODUCT_CODE:
        return PayMerchant(sms_code, read.amount_fen(arguments[1] if len(arguments) == 2 else ""))
    return BuyProduct(sms_code, read.quantity(arguments[1]) if len(arguments) == 2 else 1)

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
    BZ                           帮助            help

English words do too: OPEN, BALANCE, PASSWORD, TOPUP, PAY, BUY, TRANSFER, WITHDRAW, YES, NO, HELP. Full-width
characters, capitals or not, separators and the space after the keyword make no difference:
"ＺＦ＃１００００１" is "zf 100001".
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from mpss.desk.model import Funding
from mpss.kernel.errors import ErrorCode, MalformedField, MpssError
from mpss.kernel.money import Money
from mpss.kernel.phone import parse_phone

FIRST_PRODUCT_CODE = 100_001
"""Numbers from here up are products', below are merchants'."""
MAX_QUANTITY = 1000
MAX_AMOUNT_FEN = 10**9
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Open:
    """`language` is that of the account's notices; None where the command does not say."""

    language: str | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    pass


@dataclass(frozen=True, slots=True)
class SetPassword:
    """Asks for a one-time link; the password itself is never sent by SMS."""


@dataclass(frozen=True, slots=True)
class TopUp:
    """`card_password` is 16 digits and a secret."""

    card_password: str

    def __repr__(self) -> str:
        return "TopUp(***)"


@dataclass(frozen=True, slots=True)
class RechargeForm:
    """What card numbers of the operator's recharge platform look like."""

    prefix: str
    digits: int

    def fits(self, number: str) -> bool:
        return len(number) == self.digits and number.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Recharge:
    """`card_number` is the recharge platform's, and a secret."""

    card_number: str

    def __repr__(self) -> str:
        return "Recharge(***)"


@dataclass(frozen=True, slots=True)
class TopUpFromCard:
    """From the bound card with these last digits, or from the only one."""

    amount_fen: int
    last_digits: str | None


@dataclass(frozen=True, slots=True)
class ListCards:
    pass


@dataclass(frozen=True, slots=True)
class UnbindCard:
    """The bound card with these last four digits."""

    last_digits: str


@dataclass(frozen=True, slots=True)
class BuyProduct:
    sms_code: int
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class PayMerchant:
    sms_code: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """`payee_phone` is E.164."""

    payee_phone: str
    amount_fen: int


_BANK_CARD = ("YHK", "银行卡", "CARD")
_SOURCES = dict.fromkeys(("HF", "话费", "BILL"), Funding.PHONE_BILL) | dict.fromkeys(_BANK_CARD, Funding.BANK_CARD)


@dataclass(frozen=True, slots=True)
class Withdraw:
    """`last_digits` are the card's last four; None where one bound card is meant."""

    amount_fen: int
    last_digits: str | None = None


@dataclass(frozen=True, slots=True)
class Confirm:
    """`funding` is what pays; a bank card is the one that was bound first."""

    code: str
    funding: Funding = Funding.WALLET


@dataclass(frozen=True, slots=True)
class Cancel:
    code: str


@dataclass(frozen=True, slots=True)
class Help:
    pass


Command = (
    Open
    | Balance
    | SetPassword
    | TopUp
    | Recharge
    | TopUpFromCard
    | ListCards
    | UnbindCard
    | BuyProduct
    | PayMerchant
    | Transfer
    | Withdraw
    | Confirm
    | Cancel
    | Help
)


class Mistake(StrEnum):
    """What is wrong with a message that is no command."""

    KEYWORD = "keyword"
    LANGUAGE = "language"
    CARD_PASSWORD = "card_password"  # noqa: S105 - a name, not a password
    PRODUCT_OR_MERCHANT = "product_or_merchant"
    QUANTITY = "quantity"
    PAYEE = "payee"
    AMOUNT = "amount"
    CARD_DIGITS = "card_digits"
    CONFIRM_CODE = "confirm_code"
    EXTRA = "extra"


class NotUnderstood(MpssError):
    """The message is no command of ours; `mistake` names what is wrong. It does not repeat the message."""

    code = ErrorCode.MALFORMED_REQUEST

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.value)
        self.mistake = mistake


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
}  # fmt: skip
_LANGUAGES = {"EN": "en", "ZH": "zh-CN", "ENGLISH": "en", "英文": "en", "中文": "zh-CN"}

_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff]")
_SEPARATORS = re.compile(r"[\s#*+,;:、。·!?/_=()\[\]{}<>\"']+")
_KEYWORD = re.compile(r"([A-Z]+|[一-鿿]+)(.*)", re.DOTALL)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_AMOUNT = re.compile(r"¥?([0-9.]+)(?:元|块|YUAN|CNY)?", re.ASCII)


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
        case _Verb.OPEN:
            return _open(arguments)
        case _Verb.BALANCE:
            return _alone(Balance(), arguments)
        case _Verb.SET_PASSWORD:
            return _alone(SetPassword(), arguments)
        case _Verb.TOP_UP:
            return _top_up(arguments, recharge)
        case _Verb.LIST_CARDS:
            return _alone(ListCards(), arguments)
        case _Verb.UNBIND_CARD:
            return UnbindCard(_last_digits("".join(arguments)))
        case _Verb.BUY:
            return _buy(arguments)
        case _Verb.TRANSFER:
            return _transfer(arguments)
        case _Verb.WITHDRAW:
            return _withdraw(arguments)
        case _Verb.CONFIRM:
            funding = _SOURCES.get(arguments[-1]) if arguments else None
            return Confirm(_confirm_code(arguments[:-1] if funding else arguments), funding or Funding.WALLET)
        case _Verb.CANCEL:
            return Cancel(_confirm_code(arguments))
        case _Verb.HELP:
            return Help()


def _alone(command: Command, arguments: list[str]) -> Command:
    if arguments:
        raise NotUnderstood(Mistake.EXTRA)
    return command


def _open(arguments: list[str]) -> Open:
    if not arguments:
        return Open()
    language = _LANGUAGES.get(arguments[0])
    if language is None or len(arguments) > 1:
        raise NotUnderstood(Mistake.LANGUAGE)
    return Open(language)


def _top_up(arguments: list[str], recharge: RechargeForm | None) -> TopUp | Recharge | TopUpFromCard:
    if arguments and arguments[0] in _BANK_CARD:
        return _from_card(arguments[1:])
    card_password = "".join(arguments).replace("-", "")
    if recharge is not None and _DIGITS.fullmatch(card_password) and recharge.fits(card_password):
        return Recharge(card_password)
    if len(card_password) != 16 or not _DIGITS.fullmatch(card_password):
        raise NotUnderstood(Mistake.CARD_PASSWORD)
    return TopUp(card_password)


def _from_card(arguments: list[str]) -> TopUpFromCard:
    return TopUpFromCard(*_amount_and_card(arguments))


def _amount_and_card(arguments: list[str]) -> tuple[int, str | None]:
    if len(arguments) > 2:
        raise NotUnderstood(Mistake.EXTRA)
    amount_fen = _amount_fen(arguments[0] if arguments else "")
    return amount_fen, _last_digits(arguments[1]) if len(arguments) == 2 else None


def _last_digits(text: str) -> str:
    if len(text) != 4 or not _DIGITS.fullmatch(text):
        raise NotUnderstood(Mistake.CARD_DIGITS)
    return text


def _buy(arguments: list[str]) -> BuyProduct | PayMerchant:
    if not arguments or not _DIGITS.fullmatch(arguments[0]) or not 4 <= len(arguments[0]) <= 12:
        raise NotUnderstood(Mistake.PRODUCT_OR_MERCHANT)
    sms_code = int(arguments[0])
    if len(arguments) > 2:
        raise NotUnderstood(Mistake.EXTRA)
    if sms_code < FIRST_PRODUCT_CODE:
        return PayMerchant(sms_code, _amount_fen(arguments[1] if len(arguments) == 2 else ""))
    return BuyProduct(sms_code, _quantity(arguments[1]) if len(arguments) == 2 else 1)


def _transfer(arguments: list[str]) -> Transfer:
    if len(arguments) > 1 and arguments[0] in ("86", "0086"):
        # "+86 189…": the plus is a separator.
        del arguments[0]
    try:
        payee_phone = parse_phone(arguments[0] if arguments else "")
    except MalformedField:
        raise NotUnderstood(Mistake.PAYEE) from None
    if len(arguments) > 2:
        raise NotUnderstood(Mistake.EXTRA)
    return Transfer(payee_phone, _amount_fen(arguments[1] if len(arguments) == 2 else ""))


def _withdraw(arguments: list[str]) -> Withdraw:
    return Withdraw(*_amount_and_card(arguments))


def _quantity(text: str) -> int:
    digits = text.removeprefix("X").removesuffix("件").removesuffix("个")
    if not _DIGITS.fullmatch(digits) or len(digits) > 4 or not 1 <= int(digits) <= MAX_QUANTITY:
        raise NotUnderstood(Mistake.QUANTITY)
    return int(digits)


def _amount_fen(text: str) -> int:
    found = _AMOUNT.fullmatch(text)
    try:
        amount_fen = Money.cny(found[1]).fen if found else 0
    except MalformedField:
        amount_fen = 0
    if not 0 < amount_fen <= MAX_AMOUNT_FEN:
        raise NotUnderstood(Mistake.AMOUNT)
    return amount_fen


def _confirm_code(arguments: list[str]) -> str:
    code = "".join(arguments)
    if len(code) != 4 or not _DIGITS.fullmatch(code):
        raise NotUnderstood(Mistake.CONFIRM_CODE)
    return code

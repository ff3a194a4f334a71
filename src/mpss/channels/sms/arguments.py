"""The arguments of an SMS command, read one by one; each reader names what is wrong with its own. Pure."""

from __future__ import annotations

import re
from datetime import time
from enum import StrEnum

from mpss.kernel.errors import ErrorCode, MalformedField, MpssError
from mpss.kernel.money import Money
from mpss.kernel.phone import parse_phone
from mpss.notices.preference_model import Group

MAX_QUANTITY = 1000
MAX_AMOUNT_FEN = 10**9
MAX_FREEZE_DAYS = 9999
MAX_LINES = 5

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_AMOUNT = re.compile(r"¥?([0-9.]+)(?:元|块|YUAN|CNY)?", re.ASCII)
_LANGUAGES = {"EN": "en", "ZH": "zh-CN", "ENGLISH": "en", "CHINESE": "zh-CN", "英文": "en", "中文": "zh-CN"}
_SWITCHES = {
    **dict.fromkeys(("ON", "KAI", "开", "开启", "打开"), True),
    **dict.fromkeys(("OFF", "GUAN", "关", "关闭"), False),
}
_GROUPS = {
    **dict.fromkeys(("IN", "入账", "到账"), Group.MONEY_IN),
    **dict.fromkeys(("BACK", "退款", "退回"), Group.MONEY_BACK),
    **dict.fromkeys(("SETTINGS", "设置"), Group.SETTINGS),
}


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
    FREEZE_DAYS = "freeze_days"
    LIMIT = "limit"
    LINES = "lines"
    NEW_LANGUAGE = "new_language"
    SWITCH = "switch"
    QUIET_HOURS = "quiet_hours"
    EXTRA = "extra"


class NotUnderstood(MpssError):
    """The message is no command of ours; `mistake` names what is wrong. It does not repeat the message."""

    code = ErrorCode.MALFORMED_REQUEST

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.value)
        self.mistake = mistake


def is_number(text: str) -> bool:
    """Whether it is digits of ASCII, one at least."""
    return _DIGITS.fullmatch(text) is not None


def alone(arguments: list[str]) -> None:
    """Nothing may follow the keyword."""
    if arguments:
        raise NotUnderstood(Mistake.EXTRA)


def language(arguments: list[str], mistake: Mistake) -> str:
    """The one language that is named."""
    found = _LANGUAGES.get(arguments[0]) if len(arguments) == 1 else None
    if found is None:
        raise NotUnderstood(mistake)
    return found


def last_digits(text: str) -> str:
    """The last four digits of a bank card."""
    if len(text) != 4 or not is_number(text):
        raise NotUnderstood(Mistake.CARD_DIGITS)
    return text


def amount_and_card(arguments: list[str]) -> tuple[int, str | None]:
    """An amount, and a card's last digits where they are given."""
    if len(arguments) > 2:
        raise NotUnderstood(Mistake.EXTRA)
    found_fen = amount_fen(arguments[0] if arguments else "")
    return found_fen, last_digits(arguments[1]) if len(arguments) == 2 else None


def payee_and_amount(arguments: list[str]) -> tuple[str, int]:
    """A number in E.164, and an amount."""
    if len(arguments) > 1 and arguments[0] in ("86", "0086"):
        # "+86 189…": the plus is a separator.
        del arguments[0]
    try:
        payee_phone = parse_phone(arguments[0] if arguments else "")
    except MalformedField:
        raise NotUnderstood(Mistake.PAYEE) from None
    if len(arguments) > 2:
        raise NotUnderstood(Mistake.EXTRA)
    return payee_phone, amount_fen(arguments[1] if len(arguments) == 2 else "")


def quantity(text: str) -> int:
    """How many pieces of a product."""
    return _count(text.removeprefix("X").removesuffix("件").removesuffix("个"), MAX_QUANTITY, Mistake.QUANTITY)


def amount_fen(text: str) -> int:
    """An amount above zero."""
    found = _fen(text)
    if not 0 < found <= MAX_AMOUNT_FEN:
        raise NotUnderstood(Mistake.AMOUNT)
    return found


def limit_fen(arguments: list[str]) -> int:
    """A limit, which may be zero."""
    found = _fen(arguments[0]) if len(arguments) == 1 else -1
    if not 0 <= found <= MAX_AMOUNT_FEN:
        raise NotUnderstood(Mistake.LIMIT)
    return found


def confirm_code(arguments: list[str]) -> str:
    """The four digits of a reply."""
    code = "".join(arguments)
    if len(code) != 4 or not is_number(code):
        raise NotUnderstood(Mistake.CONFIRM_CODE)
    return code


def freeze_days(arguments: list[str]) -> int:
    """For how many days."""
    text = "".join(arguments).removesuffix("DAYS").removesuffix("DAY").removesuffix("天").removesuffix("日")
    return _count(text, MAX_FREEZE_DAYS, Mistake.FREEZE_DAYS)


def lines(arguments: list[str]) -> int:
    """How many lines of a statement."""
    return _count("".join(arguments).removesuffix("条").removesuffix("笔"), MAX_LINES, Mistake.LINES)


def switch(arguments: list[str]) -> tuple[bool, frozenset[Group]]:
    """On or off, and which groups of notices; all where none is named. The order makes no difference."""
    turned = [_SWITCHES[each] for each in arguments if each in _SWITCHES]
    named = [_GROUPS[each] for each in arguments if each in _GROUPS]
    if len(turned) != 1 or len(turned) + len(named) != len(arguments):
        raise NotUnderstood(Mistake.SWITCH)
    return turned[0], frozenset(named or Group)


def quiet_hours(arguments: list[str]) -> tuple[time, time] | None:
    """From when until when, as "22:00 7:30", "22-7" or "2200 0730"; None where they are switched off."""
    if len(arguments) == 1 and _SWITCHES.get(arguments[0]) is False:
        return None
    # The colon was a separator, so 22:00 7:30 are four words.
    words = " ".join(arguments).replace("-", " ").replace("~", " ").replace("点", " ").replace("到", " ").split()
    if not all(map(is_number, words)):
        raise NotUnderstood(Mistake.QUIET_HOURS)
    if len(words) == 4:
        words = [words[0].zfill(2) + words[1].zfill(2), words[2].zfill(2) + words[3].zfill(2)]
    elif len(arguments) != 1 and any(len(word) < 3 for word in words):
        # "22:15" alone would read as from 22 to 15 o'clock.
        raise NotUnderstood(Mistake.QUIET_HOURS)
    found = [_clock_time(word) for word in words]
    if len(found) != 2 or found[0] == found[1]:
        raise NotUnderstood(Mistake.QUIET_HOURS)
    return found[0], found[1]


def _clock_time(word: str) -> time:
    hour, minute = (word, "0") if len(word) <= 2 else (word[:-2], word[-2:])
    if len(word) > 4 or int(hour) > 23 or int(minute) > 59:
        raise NotUnderstood(Mistake.QUIET_HOURS)
    return time(int(hour), int(minute))


def _count(digits: str, most: int, mistake: Mistake) -> int:
    if not is_number(digits) or len(digits) > 4 or not 1 <= int(digits) <= most:
        raise NotUnderstood(mistake)
    return int(digits)


def _fen(text: str) -> int:
    found = _AMOUNT.fullmatch(text)
    try:
        return Money.cny(found[1]).fen if found else -1
    except MalformedField:
        return -1

"""The text of a notice from its event and facts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mpss.kernel.language import LANGUAGES
from mpss.kernel.money import Money
from mpss.notices.model import DEFAULT_LANGUAGE, Event
from mpss.notices.templates import CHANGES, FREE, PARTS, PURPOSES, REASONS, SERIAL, SOURCES, TEMPLATES

_NAME_LENGTH = 40
_CONTENT_LENGTH = 300
_REPLY_LENGTH = 600
_WITH_REASON = frozenset(
    {Event.REVERSED, Event.BILL_REFUNDED, Event.CARD_REFUNDED, Event.REFUNDED_TO_WALLET, Event.GROUP_REVERSED}
)
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def compose(event: str, language: str, params: Mapping[str, str | int], serial: int) -> str:
    """The whole text, the serial at its end. A language without texts becomes Chinese.

    Names and content come from CP/SPs: they are cut to a length, on one line, without invisible characters.

    Raises:
        ValueError: there is no such event.
        KeyError: a fact the text needs is missing.
    """
    language = language if language in LANGUAGES else DEFAULT_LANGUAGE
    known = Event(event)
    text = TEMPLATES[known][language].format_map(_values(known, language, params))
    return text + SERIAL[language].format(serial=serial)


def _values(event: Event, language: str, params: Mapping[str, str | int]) -> dict[str, str]:
    values = {name: _line(str(value), _NAME_LENGTH) for name, value in params.items()}
    for name in ("amount", "balance", "left"):
        if f"{name}_fen" in params:
            values[name] = str(Money(int(params[f"{name}_fen"])))
    if event is Event.DAILY_LIMIT_SET:
        values["limit"] = str(Money(int(params["daily_limit_fen"])))
    if "fee_fen" in params:
        fee_fen = int(params["fee_fen"])
        values["fee"] = _part("fee", language, str(Money(fee_fen)) if fee_fen else "")
        if event in (Event.CONFIRM_PURCHASE, Event.CONFIRM_WITHDRAWAL) and not fee_fen:
            values["fee"] = FREE[language]
    if event is Event.CONFIRM_PURCHASE:
        values["by_bill"] = _part("by_bill", language, values["bill_code"])
    if event in (Event.PAID, Event.BILL_PAID, Event.CARD_PAID, Event.GROUP_PAID, Event.CONFIRM_PURCHASE):
        values["goods"] = _part("goods", language, values["product"])
    if event is Event.TOPPED_UP:
        values["source"] = _word(SOURCES, params["source"], language)
    if event is Event.CODE:
        values["purpose"] = _word(PURPOSES, params["purpose"], language)
    if event in _WITH_REASON:
        values["reason"] = _part("reason", language, _line(_word(REASONS, params["reason"], language), _NAME_LENGTH))
    if event is Event.DELIVERED:
        values["content"] = _part("content", language, _line(str(params["content"]), _CONTENT_LENGTH))
    if event is Event.FROZEN:
        values["until"] = _part("until", language, values["until"])
    if event is Event.REPLY:
        values["text"] = str(params["text"])[:_REPLY_LENGTH]
    if event is Event.ACCOUNT_LINK:
        values["purpose"] = _word(CHANGES, params["purpose"], language)
    if event in (Event.PASSWORD_LINK, Event.ACCOUNT_LINK):
        values["url"] = str(params["url"])
    return values


def _part(name: str, language: str, value: str) -> str:
    return PARTS[name][language].format(value=value) if value else ""


def _word(words: Mapping[str, Mapping[str, str]], code: str | int, language: str) -> str:
    """Our word for a code, or the code itself where it is somebody's own words."""
    known = words.get(str(code))
    return known[language] if known else str(code)


def _line(text: str, length: int) -> str:
    line = _BLANKS.sub(" ", text).strip()
    return line if len(line) <= length else line[: length - 1] + "…"

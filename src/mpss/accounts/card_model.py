"""Bound bank cards as values, and the forms of what is asked for."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from mpss.kernel.errors import MalformedField

_NUMBER = re.compile(r"[0-9]{12,19}", re.ASCII)
_LONGEST_NAME = 40


class CardState(StrEnum):
    REQUESTED = "requested"
    VERIFIED = "verified"
    REFUSED = "refused"
    BOUND = "bound"
    UNBOUND = "unbound"


class CardPurpose(StrEnum):
    """What a bound card may be used for."""

    TOP_UP = "top_up"
    PAY = "pay"
    WITHDRAW = "withdraw"


class CardRow(NamedTuple):
    """A card as it is kept; number and name are sealed."""

    id: UUID
    account_id: UUID
    bank: str
    number_sealed: bytes
    masked: str
    name_sealed: bytes
    purposes: list[str]
    state: CardState
    requested_at: datetime
    bound_at: datetime | None


def parse_card_number(text: str, *, field: str = "card_number") -> str:
    """The digits; blanks between them are passed over.

    Raises:
        MalformedField: it is no card number, or its check digit is another.
    """
    digits = text.replace(" ", "")
    if _NUMBER.fullmatch(digits) is None or not _luhn(digits):
        raise MalformedField(field=field, problem="must be a bank card number of 12 to 19 digits")
    return digits


def parse_holder_name(text: str, *, field: str = "holder_name") -> str:
    """The name without blanks around it.

    Raises:
        MalformedField: it is empty, too long or not printable.
    """
    name = text.strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise MalformedField(field=field, problem=f"must be 1 to {_LONGEST_NAME} characters")
    return name


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return (sum(int(digit) for digit in digits[-1::-2]) + sum(sum(divmod(part, 10)) for part in doubled)) % 10 == 0

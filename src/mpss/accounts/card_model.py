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
    EXPIRED = "expired"


class CardPurpose(StrEnum):
    """What a bound card may be used for."""

    TOP_UP = "top_up"
    PAY = "pay"
    WITHDRAW = "withdraw"


class VerifyBy(StrEnum):
    """How the owner shows that the card is theirs, once its bank knows card, name and phone."""

    SMS_CODE = "sms_code"  # the account's phone is sent a code
    DEBIT = "debit"  # a small amount is debited; who sees the card's account can name it
    COUNTER = "counter"  # the clerk of a service hall has looked at card and identity document


class CardRow(NamedTuple):
    """A card as it is kept; number and name are sealed.

    Of one verified by a debit, `verification_id` is the debit's transaction and `tries_left` how often an amount may
    still be named.
    """

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
    verify_by: VerifyBy = VerifyBy.SMS_CODE
    verification_id: UUID | None = None
    tries_left: int = 0


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

"""Grey and black list (灰名单, 黑名单) as values: what may be listed, how it is read and how much of it is shown.

Grey is watched; black is refused. Invariants: (1) a person's document and a bank card are kept as keyed digests and
shown by their last four characters; (2) a value is standing on a list of one colour at most once.
Spec: CM 9.6, 9.8.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from mpss.kernel.errors import MalformedField
from mpss.kernel.ids import AccountId, MerchantId
from mpss.kernel.masking import mask_tail
from mpss.kernel.phone import parse_phone

_DOCUMENT = re.compile(r"[0-9A-Z()]{5,32}", re.ASCII)
_BANK_CARD = re.compile(r"[0-9]{12,19}", re.ASCII)
_CARD = re.compile(r"[0-9A-F]{8,20}", re.ASCII)
_TERMINAL = re.compile(r"[0-9A-Za-z-]{1,16}(/[0-9A-Za-z-]{1,16})?", re.ASCII)


class Colour(StrEnum):
    GREY = "grey"
    BLACK = "black"


class Scope(StrEnum):
    """What an entry names: a phone number, a person by an identity document, an account, a card purse, a merchant, a
    terminal (the counters of a hall, "H09", or one clerk's, "H09/C02"), a bank card, an internet address."""

    NUMBER = "number"
    PERSON = "person"
    ACCOUNT = "account"
    CARD = "card"
    MERCHANT = "merchant"
    TERMINAL = "terminal"
    BANK_CARD = "bank_card"
    ADDRESS = "address"


SECRET = frozenset({Scope.PERSON, Scope.BANK_CARD})
"""Scopes whose values are kept as digests alone."""


class EntryState(StrEnum):
    """Leaving: in force, and its release waits for a second person."""

    PROPOSED = "proposed"
    LISTED = "listed"
    LEAVING = "leaving"
    RELEASED = "released"
    REFUSED = "refused"


class ReportState(StrEnum):
    """Open: nobody has said yet whether it is made to the authority."""

    OPEN = "open"
    REPORTED = "reported"
    DISMISSED = "dismissed"


class ReviewState(StrEnum):
    """Of what a rule held. Expired: nobody released it in time."""

    OPEN = "open"
    RELEASED = "released"
    REFUSED = "refused"
    EXPIRED = "expired"


class Order(StrEnum):
    """How a list that people work through is ordered."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LARGEST = "largest"


Place = tuple[int, UUID]
"""Where such a list goes on: the last line's amount in fen, and its id."""


class Named(NamedTuple):
    """What an entry names, read: `text` in its one form, `subject_id` of a thing of ours, what is `shown` to people."""

    text: str
    subject_id: UUID | None
    shown: str


class Entry(NamedTuple):
    """A line of a list. Columns of table `risk_entry`, in its order, without `aliases`."""

    id: UUID
    colour: Colour
    scope: Scope
    value: str
    subject_id: UUID | None
    shown: str
    state: EntryState
    reason: str
    evidence: str
    entered_by: str
    entered_at: datetime
    listed_at: datetime | None
    until: datetime | None
    approval_id: UUID | None
    released_by: str | None
    released_at: datetime | None
    release_reason: str


class Listed(NamedTuple):
    """On which lists a party of a transaction is."""

    black: bool
    grey: bool


def read_value(scope: Scope, text: str, *, field: str = "value") -> Named:
    """The value in the one form that it is compared in.

    Raises:
        MalformedField: `text` is not of the scope's form, naming `field`.
    """
    match scope:
        case Scope.NUMBER:
            phone = parse_phone(text, field=field)
            return Named(phone, None, phone)
        case Scope.ACCOUNT:
            account_id = AccountId.parse(text, field=field)
            return Named(str(account_id), account_id, str(account_id))
        case Scope.MERCHANT:
            merchant_id = MerchantId.parse(text, field=field)
            return Named(str(merchant_id), merchant_id, str(merchant_id))
        case Scope.ADDRESS:
            try:
                address = str(ipaddress.ip_address(text))
            except ValueError:
                raise MalformedField(field=field, problem="must be an internet address") from None
            return Named(address, None, address)
        case Scope.PERSON:
            number = _of_form(_DOCUMENT, text.replace(" ", "").upper(), "must be a document's number", field)
            return Named(number, None, mask_tail(number))
        case Scope.BANK_CARD:
            number = _of_form(_BANK_CARD, text.replace(" ", ""), "must be a bank card number", field)
            return Named(number, None, mask_tail(number))
        case Scope.CARD:
            number = _of_form(_CARD, text.upper(), "must be a card's number", field)
            return Named(number, None, number)
        case Scope.TERMINAL:
            number = _of_form(_TERMINAL, text, "must be a hall, or a hall/clerk", field)
            return Named(number, None, number)


def _of_form(form: re.Pattern[str], text: str, problem: str, field: str) -> str:
    if form.fullmatch(text) is None:
        raise MalformedField(field=field, problem=problem)
    return text

"""Who somebody says they are: the forms of names, documents and images. Pure.

Invariants: (1) a resident's number and a company's credit code have their check digit, a resident's also a birthday
that was and a sex that agrees; (2) a document that has run out is none; (3) an identity prints itself masked.
Spec: CM 7.2.1, 7.2.2, 8.2.1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

from mpss.accounts.customer_model import CustomerKind, DocumentKind, ImageKind, Sex
from mpss.kernel.errors import MalformedField
from mpss.kernel.masking import mask_name, mask_tail

MAX_IMAGE_BYTES = 240_000
"""Three of them, in base64, stay below what one request may hold."""
_LONGEST_NAME = {CustomerKind.INDIVIDUAL: 50, CustomerKind.CORPORATE: 100}
_LONGEST_TEXT = 40
_LONGEST_ADDRESS = 200
_IN_NAMES = frozenset("·. '-〇")
_WRITTEN_ALIKE = str.maketrans(
    {
        **dict.fromkeys("\u2022\u30fb\uff65\u2027\u2219\u22c5\uff0e", "·"),
        **dict.fromkeys("\u2019\u2018\u02bc\uff07", "'"),
        **dict.fromkeys("\u2010\u2011\uff0d", "-"),
    }
)
"""What keyboards and fonts make of the signs in names: a document's name is one, however it was keyed in."""
_NATIONALITY = re.compile(r"[A-Z]{3}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
RESIDENT = frozenset({DocumentKind.RESIDENT_ID, DocumentKind.TEMPORARY_ID})
_WITHOUT_END = frozenset({DocumentKind.RESIDENT_ID, DocumentKind.MILITARY_ID, DocumentKind.BUSINESS_LICENCE})
_FORMS = {
    DocumentKind.PASSPORT: (re.compile(r"[A-Z0-9]{5,15}", re.ASCII), "5 to 15 letters and digits"),
    DocumentKind.HK_MACAU_PERMIT: (re.compile(r"[HM]\d{8}(\d{2})?", re.ASCII), "H or M and 8 or 10 digits"),
    DocumentKind.TAIWAN_PERMIT: (re.compile(r"\d{8}(\d{2})?", re.ASCII), "8 or 10 digits"),
    DocumentKind.FOREIGNER_RESIDENCE: (
        re.compile(r"[A-Z]{3}\d{12}|9\d{17}", re.ASCII),
        "3 letters and 12 digits, or 18 digits that begin with 9",
    ),
    DocumentKind.MILITARY_ID: (
        re.compile(r"([\u4e00-\u9fff]{1,4}字第)?[0-9]{6,10}号?"),
        'digits such as "军字第2001988号"',
    ),
}
_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


class IdentityClaim(NamedTuple):
    """What was told of a customer, not yet looked at. `valid_until` is "2030-12-31", None: without end.

    `former_number` is of the document on record, where this one replaces it under another number.
    """

    kind: CustomerKind
    name: str
    document_kind: DocumentKind
    document_number: str
    valid_until: str | None = None
    sex: Sex | None = None
    nationality: str = "CHN"
    occupation: str = ""
    address: str = ""
    contact: str = ""
    former_number: str | None = None

    def __repr__(self) -> str:
        return f"IdentityClaim({self.document_kind})"


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """A customer's name and document, of form; in clear, so never logged."""

    kind: CustomerKind
    name: str
    document_kind: DocumentKind
    number: str
    valid_until: date | None
    sex: Sex | None
    nationality: str
    occupation: str
    address: str
    contact: str

    def __repr__(self) -> str:
        return f"Identity({mask_name(self.name)} {self.document_kind} {mask_tail(self.number)})"


@dataclass(frozen=True, slots=True, repr=False)
class Image:
    """A picture of a document."""

    kind: ImageKind
    media_type: str
    content: bytes

    def __repr__(self) -> str:
        return f"Image({self.kind} {self.media_type} {len(self.content)} bytes)"


def parse_identity(claim: IdentityClaim, *, today: date) -> Identity:
    """The claim, looked at field by field.

    Raises:
        MalformedField: names the first field that is not of its form: `name`, `document_kind`, `document_number`,
            `valid_until`, `sex`, `nationality`, `occupation`, `address` or `contact`.

    Spec: CM 7.2.1, 8.2.1.
    """
    corporate = claim.kind is CustomerKind.CORPORATE
    if corporate != (claim.document_kind is DocumentKind.BUSINESS_LICENCE):
        wanted = "must be business_licence" if corporate else "must be a person's document"
        raise MalformedField(field="document_kind", problem=wanted)
    if corporate and claim.sex is not None:
        raise MalformedField(field="sex", problem="must be left out of a company")
    number = parse_document_number(claim.document_kind, claim.document_number, today=today)
    sex = claim.sex
    if claim.document_kind in RESIDENT:
        told = Sex.MALE if int(number[16]) % 2 else Sex.FEMALE
        if sex not in (None, told):
            raise MalformedField(field="sex", problem="must agree with the document's number")
        sex = told
    if _NATIONALITY.fullmatch(claim.nationality) is None:
        raise MalformedField(field="nationality", problem='must be three letters of ISO 3166, such as "CHN"')
    return Identity(
        claim.kind, parse_name(claim.name, claim.kind), claim.document_kind, number,
        parse_validity(claim.document_kind, claim.valid_until, today=today), sex, claim.nationality,
        _text("occupation", claim.occupation, _LONGEST_TEXT), _text("address", claim.address, _LONGEST_ADDRESS),
        _text("contact", claim.contact, _LONGEST_TEXT),
    )  # fmt: skip


def parse_name(text: str, kind: CustomerKind, *, field: str = "name") -> str:
    """The name in Unicode's composed form, one blank between its parts, each sign in it written one way.

    Raises:
        MalformedField: empty, too long or with signs that are in no name of a person (of a company: not printable).
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if kind is CustomerKind.INDIVIDUAL:
        name = name.translate(_WRITTEN_ALIKE)
    longest = _LONGEST_NAME[kind]
    if not (2 if kind is CustomerKind.INDIVIDUAL else 4) <= len(name) <= longest or not name.isprintable():
        raise MalformedField(field=field, problem=f"must be a whole name of at most {longest} characters")
    if kind is CustomerKind.INDIVIDUAL and not all(
        sign in _IN_NAMES or unicodedata.category(sign)[0] in "LM" for sign in name
    ):
        raise MalformedField(field=field, problem="must hold letters and · . ' - alone")
    return name


def is_one_name(one: str, other: str) -> bool:
    """Whether two names, as `parse_name` gives them, are one: a passport has capitals alone, a form has not."""
    return one.casefold() == other.casefold()


def parse_document_number(kind: DocumentKind, text: str, *, today: date, field: str = "document_number") -> str:
    """The number without blanks, its letters capital.

    Raises:
        MalformedField: it is none of this kind; a check digit is wrong; a birthday is to come.
    """
    number = unicodedata.normalize("NFKC", text).replace(" ", "").upper()
    if kind is DocumentKind.BUSINESS_LICENCE:
        return parse_credit_code(number, field=field)
    if kind in RESIDENT:
        try:
            ric.validate(number)
            born = ric.get_birth_date(number)
        except ValidationError:
            born = date.max
        if born > today or not number.isascii() or len(number) != 18:
            raise MalformedField(field=field, problem="must be a resident's number of 18 digits, its check digit right")
        return number
    form, meaning = _FORMS[kind]
    if form.fullmatch(number) is None:
        raise MalformedField(field=field, problem=f"must be {meaning}")
    return number


def parse_credit_code(text: str, *, field: str = "credit_code") -> str:
    """A company's unified social credit code (统一社会信用代码).

    Raises:
        MalformedField: it is none, or its check digit is another.
    """
    code = text.strip().upper()
    if not code.isascii() or len(code) != 18 or not uscc.is_valid(code):
        raise MalformedField(
            field=field, problem="must be a unified social credit code of 18 signs, its check digit right"
        )
    return code


def parse_validity(kind: DocumentKind, text: str | None, *, today: date, field: str = "valid_until") -> date | None:
    """The last day a document counts; None where it has no end (长期).

    Raises:
        MalformedField: no date, or a day that has passed; None of a document that always has an end.
    """
    if text is None:
        if kind not in _WITHOUT_END:
            raise MalformedField(field=field, problem="must be given: such a document has an end")
        return None
    try:
        until = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        until = None
    if until is None:
        raise MalformedField(field=field, problem='must be a date such as "2030-12-31"')
    if until < today:
        raise MalformedField(field=field, problem="must not have passed: the document has run out")
    return until


def parse_image(kind: ImageKind, content: bytes) -> Image:
    """
    Raises:
        MalformedField: `images`, it is neither JPEG nor PNG, or too large.
    """
    for magic, media_type in _MAGIC.items():
        if content.startswith(magic):
            if len(content) > MAX_IMAGE_BYTES:
                raise MalformedField(field="images", problem=f"must be at most {MAX_IMAGE_BYTES} bytes each")
            return Image(kind, media_type, content)
    raise MalformedField(field="images", problem="must be JPEG or PNG")


def check_images(identity: Identity, images: Sequence[Image]) -> None:
    """Whether the images are those of the document: both sides of a card, a passport's page, a licence.

    Raises:
        MalformedField: `images`, one is missing, twice or not of this document.
    """
    wanted = {ImageKind.FRONT}
    if identity.kind is CustomerKind.CORPORATE:
        wanted = {ImageKind.LICENCE}
    elif identity.document_kind is not DocumentKind.PASSPORT:
        wanted |= {ImageKind.BACK}
    if sorted(image.kind for image in images) != sorted(wanted):
        raise MalformedField(field="images", problem=f"must be one of each: {', '.join(sorted(wanted))}")


def _text(field: str, text: str, longest: int) -> str:
    trimmed = text.strip()
    if len(trimmed) > longest or not trimmed.isprintable():
        raise MalformedField(field=field, problem=f"must be at most {longest} printable characters")
    return trimmed

"""The types of what comes from outside: amounts, phones, ids, texts. Strict: nothing is read as what it is not.

A wrong field that has a code of its own (a currency, an amount out of range) raises an error of pydantic whose type is
that code; every other is MALFORMED_REQUEST.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, StrictInt, WithJsonSchema
from pydantic_core import PydanticCustomError

from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.kernel.ids import (
    AccountId,
    ApprovalId,
    BossQuestionId,
    CardId,
    FreezeId,
    FundingId,
    Id,
    MerchantId,
    OutboxId,
    PayeeId,
    ProductId,
    RiskEntryId,
    RiskReportId,
    RiskRuleId,
    StaffId,
    SubmissionId,
    TransactionId,
    VoucherBatchId,
)
from mpss.kernel.money import MAX_FEN
from mpss.kernel.phone import PROVINCES, parse_phone

T = TypeVar("T")
I = TypeVar("I", bound=Id)  # noqa: E741

MAX_PAGE = 100
PROVINCE_CODES = frozenset(PROVINCES.values())
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e]{1,64}", re.ASCII)


class Body(BaseModel):
    """A request's body: fields that are not named here are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """A response's body."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def malformed(problem: str) -> PydanticCustomError:
    """An error that says what the field must be; `problem` is ours and holds nothing of what was sent."""
    return PydanticCustomError("malformed_request", "{problem}", {"problem": problem})


def coded(code: ErrorCode, problem: str) -> PydanticCustomError:
    """As `malformed`, with a code of its own."""
    return PydanticCustomError(code.value, "{problem}", {"problem": problem})


def of_form(read: Callable[..., T]) -> Callable[[Any], T]:
    """A validator from a kernel's parser, which takes a text and `field`."""

    def validate(value: Any) -> T:
        if not isinstance(value, str):
            raise malformed("must be a text")
        try:
            return read(value, field="")
        except MalformedField as problem:
            raise malformed(problem.problem) from None

    return validate


def _id(kind: type[I]) -> tuple[Any, ...]:
    example = f"{kind.prefix}_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"
    schema = {"type": "string", "pattern": f"^{kind.prefix}_[0-9a-f]{{32}}$", "examples": [example]}
    return PlainValidator(of_form(kind.parse)), WithJsonSchema(schema)


AccountIdField = Annotated[AccountId, *_id(AccountId)]
TransactionIdField = Annotated[TransactionId, *_id(TransactionId)]
FreezeIdField = Annotated[FreezeId, *_id(FreezeId)]
CardIdField = Annotated[CardId, *_id(CardId)]
MerchantIdField = Annotated[MerchantId, *_id(MerchantId)]
ProductIdField = Annotated[ProductId, *_id(ProductId)]
VoucherBatchIdField = Annotated[VoucherBatchId, *_id(VoucherBatchId)]
ApprovalIdField = Annotated[ApprovalId, *_id(ApprovalId)]
RiskEntryIdField = Annotated[RiskEntryId, *_id(RiskEntryId)]
RiskRuleIdField = Annotated[RiskRuleId, *_id(RiskRuleId)]
RiskReportIdField = Annotated[RiskReportId, *_id(RiskReportId)]
StaffIdField = Annotated[StaffId, *_id(StaffId)]
PayeeIdField = Annotated[PayeeId, *_id(PayeeId)]
SubmissionIdField = Annotated[SubmissionId, *_id(SubmissionId)]
FundingIdField = Annotated[FundingId, *_id(FundingId)]
BossQuestionIdField = Annotated[BossQuestionId, *_id(BossQuestionId)]
OutboxIdField = Annotated[OutboxId, *_id(OutboxId)]


def _amount(lowest_fen: int) -> Any:
    def check(value: int) -> int:
        if not lowest_fen <= value <= MAX_FEN:
            raise coded(ErrorCode.AMOUNT_OUT_OF_RANGE, f"must be from {lowest_fen} to {MAX_FEN} fen")
        return value

    return AfterValidator(check)


_WHOLE_FEN = "a whole number of fen"
AmountFen = Annotated[
    StrictInt,
    _amount(1),
    WithJsonSchema(
        {"type": "integer", "minimum": 1, "maximum": MAX_FEN, "description": _WHOLE_FEN, "examples": [2500]}
    ),
]
LeastFen = Annotated[
    Annotated[int, Field(ge=0, le=MAX_FEN)] | None, Field(description="the least amount, in fen", examples=[2500])
]
"""Of a query, which is text."""
FeeFen = Annotated[
    StrictInt,
    _amount(0),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_FEN, "description": _WHOLE_FEN, "examples": [0]}),
]


def _cny(value: Any) -> str:
    if value != "CNY":
        raise coded(ErrorCode.UNSUPPORTED_CURRENCY, 'must be "CNY"')
    return "CNY"


Currency = Annotated[str, PlainValidator(_cny), WithJsonSchema({"type": "string", "const": "CNY", "examples": ["CNY"]})]

_PHONE_SCHEMA = {
    "type": "string",
    "pattern": r"^(\+?86|0086)?1[0-9]{10}$",
    "description": "a mobile number of the mainland",
    "examples": ["18912340001"],
}
Phone = Annotated[str, PlainValidator(of_form(parse_phone)), WithJsonSchema(_PHONE_SCHEMA)]


def _province(value: Any) -> str:
    if not isinstance(value, str) or value not in PROVINCE_CODES:
        raise malformed('must be a province\'s letter code, such as "GD"')
    return value


Province = Annotated[
    str,
    PlainValidator(_province),
    WithJsonSchema({"type": "string", "enum": sorted(PROVINCE_CODES), "examples": ["GD"]}),
]


def _exact_date(value: Any) -> date:
    if not isinstance(value, str) or _DATE.fullmatch(value) is None:
        raise malformed('must be a date such as "2026-03-01"')
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise malformed("must be a day of the calendar") from None


BusinessDate = Annotated[
    date,
    PlainValidator(_exact_date),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-03-01"]}),
]


def _printable(value: str) -> str:
    if not value.isprintable():
        raise malformed("must not hold control characters")
    if not value.strip():
        raise malformed("must not be blank")
    return value


def _paragraphs(value: str) -> str:
    if not value.replace("\n", "").isprintable():
        raise malformed("must not hold control characters except line feeds")
    return value


def text(longest: int) -> tuple[Any, ...]:
    """For `Annotated[str, *text(60)]`: one line of at most that many characters, none of them a control character."""
    return Field(min_length=1, max_length=longest), AfterValidator(_printable)


def one_of(names: Iterable[str]) -> tuple[Any, ...]:
    """For `Annotated[str, *one_of(RULES)]`: one of these names, told as an enumeration."""
    known = tuple(names)
    return Field(pattern=f"^({'|'.join(known)})$"), WithJsonSchema({"type": "string", "enum": list(known)})


def paragraphs(longest: int) -> tuple[Any, ...]:
    """For `Annotated[str, *paragraphs(500)]`: lines of text, at most that many characters in all."""
    return Field(max_length=longest), AfterValidator(_paragraphs)


def _digits(count: int, example: str) -> Any:
    return Field(pattern=rf"^[0-9]{{{count}}}$", max_length=count, examples=[example])


PaymentPassword = Annotated[str, _digits(6, "495173")]
SmsCode = Annotated[str, _digits(6, "071625")]
LoginPassword = Annotated[
    str, Field(min_length=8, max_length=64, pattern=r"^[\x20-\x7e]{8,64}$", examples=["brook-7-lantern"])
]
OrderNo = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._:-]{1,64}$",
        max_length=64,
        description="the merchant's own number of the sale",
        examples=["K-20260301-0042"],
    ),
]
PageLimit = Annotated[int, Field(ge=1, le=MAX_PAGE, description="most items in the page")]


def check_idempotency_key(key: str | None) -> str | None:
    """The key itself where it is 1 to 64 printable ASCII characters without a blank; else None."""
    return key if key is not None and _KEY.fullmatch(key) else None

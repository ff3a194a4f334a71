"""What a customer showed at a counter, as a body."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mpss.accounts.counter_check import Shown
from mpss.accounts.customer_model import DocumentKind
from mpss.channels.http.fields import Body, Phone, SmsCode, text
from mpss.kernel.errors import ErrorCode

SHOWN_ERRORS = (
    ErrorCode.IDENTITY_MISMATCH,
    ErrorCode.RATE_LIMITED,
    ErrorCode.WRONG_CODE,
    ErrorCode.CODE_EXPIRED,
    ErrorCode.SIM_COOLING,
)
"""What the check of the holder may answer."""


class ShownBody(Body):
    """Kind and number are needed where the holder's document is on record; else the code, where the phone proves."""

    document: Annotated[str, *text(200)] = Field(
        description="what the customer showed, without its number", examples=["resident ID, seen"]
    )
    document_kind: DocumentKind | None = Field(default=None, examples=["resident_id"])
    document_number: Annotated[str, *text(40)] | None = Field(default=None, examples=["11010519491231002X"])
    code: SmsCode | None = Field(
        default=None, description="an `account` code sent to the phone, without a document on record", examples=[None]
    )

    def shown(self) -> Shown:
        return Shown(self.document, self.document_kind, self.document_number, self.code)


class CustomerShownBody(ShownBody):
    phone: Phone = Field(description="the customer's number")

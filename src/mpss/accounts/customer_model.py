"""Customers (客户) as values: who holds an account, by which document, and how well that is known."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from mpss.accounts.model import AccountClass


class CustomerKind(StrEnum):
    INDIVIDUAL = "individual"
    CORPORATE = "corporate"


class DocumentKind(StrEnum):
    """What a customer shows."""

    RESIDENT_ID = "resident_id"  # 居民身份证
    TEMPORARY_ID = "temporary_id"  # 临时居民身份证
    PASSPORT = "passport"
    HK_MACAU_PERMIT = "hk_macau_permit"  # 港澳居民来往内地通行证
    TAIWAN_PERMIT = "taiwan_permit"  # 台湾居民来往大陆通行证
    FOREIGNER_RESIDENCE = "foreigner_residence"  # 外国人永久居留身份证
    MILITARY_ID = "military_id"  # 军官证
    BUSINESS_LICENCE = "business_licence"  # 营业执照, by its unified social credit code


class Sex(StrEnum):
    MALE = "male"
    FEMALE = "female"


class NameLevel(StrEnum):
    """How well a name is known: as it was told (弱实名), or verified (实名)."""

    WEAK = "weak"
    REAL = "real"


class ImageKind(StrEnum):
    FRONT = "front"
    BACK = "back"
    LICENCE = "licence"


class Verification(StrEnum):
    """An external channel that confirmed a name; what an account may do grows with their number."""

    POLICE = "police"  # 公安身份核查
    BANK_CARD = "bank_card"  # 银行卡鉴权
    OPERATOR = "operator"  # 运营商实名
    SOCIAL_SECURITY = "social_security"
    TAX = "tax"
    EDUCATION = "education"
    HOUSING_FUND = "housing_fund"
    BUSINESS_REGISTRY = "business_registry"  # 工商登记


class SubmissionState(StrEnum):
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REFUSED = "refused"


class CustomerRow(NamedTuple):
    """A customer as kept: name, number, address and contact are sealed."""

    id: UUID
    kind: CustomerKind
    name_sealed: bytes
    document_kind: DocumentKind
    number_sealed: bytes
    number_digest: bytes
    valid_until: date | None
    sex: Sex | None
    nationality: str
    occupation: str
    address_sealed: bytes
    contact_sealed: bytes
    level: NameLevel
    face_to_face: bool
    verifications: list[str]
    verified_at: datetime | None
    created_at: datetime


class SubmissionRow(NamedTuple):
    """A subscriber's word about themselves, and what staff decided; `reason` is told to them."""

    id: UUID
    account_id: UUID
    customer_id: UUID
    state: SubmissionState
    submitted_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    reason: str


class MemberRow(NamedTuple):
    """A member of a corporate account; `used_fen` is of the month that begins on `used_month`."""

    id: UUID
    master_account_id: UUID
    member_account_id: UUID
    phone: str
    quota_month_fen: int
    quota_single_fen: int
    used_month: date
    used_fen: int
    added_at: datetime

    def used_in(self, day: date) -> int:
        """What was used in the month of `day`."""
        return self.used_fen if self.used_month == day.replace(day=1) else 0


_CLASSES = (AccountClass.WEAK, AccountClass.CLASS_1, AccountClass.CLASS_2, AccountClass.CLASS_3)
_CLASS_2_CHANNELS, _CLASS_3_CHANNELS = 3, 5


def class_earned(*, face_to_face: bool, channels: Collection[str]) -> AccountClass:
    """The class of account that a verification earns (PBOC announcement 43 of 2015); WEAK: none.

    Class I by one external channel, II face to face or by three, III by five. Who was seen face to face has class II
    until five channels confirm them, which is stricter than the rule.
    """
    count = len(set(channels))
    if count >= _CLASS_3_CHANNELS:
        return AccountClass.CLASS_3
    if face_to_face or count >= _CLASS_2_CHANNELS:
        return AccountClass.CLASS_2
    return AccountClass.CLASS_1 if count else AccountClass.WEAK


def higher_class(one: AccountClass, other: AccountClass) -> AccountClass:
    """The higher of two classes of an individual's account."""
    return max(one, other, key=_CLASSES.index)

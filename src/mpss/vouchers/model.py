"""Top-up vouchers (充值凭证): cards with an open serial and a secret password, made and sold in batches.

Invariants: (1) a card password is in the database as a keyed digest alone; (2) a voucher is redeemed once; (3) only
vouchers of an activated batch are money, and they are a liability from the activation on.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from mpss.kernel.errors import ErrorCode, MalformedField

_SEPARATORS = re.compile(r"[ -]")
_CARD_PASSWORD = re.compile(r"[0-9]{16}", re.ASCII)


class BatchState(StrEnum):
    GENERATED = "generated"
    ACTIVATED = "activated"
    VOID = "void"


class BatchRow(NamedTuple):
    """A batch as the desk sees it. `valid_until` is the last day its vouchers are good for."""

    id: UUID
    face_fen: int
    quantity: int
    state: BatchState
    valid_until: date
    created_by: str
    activated_by: str | None
    activated_at: datetime | None


class VoucherRow(NamedTuple):
    """A voucher joined with its batch; `redeemed_by` is an account."""

    digest: bytes
    batch_id: UUID
    serial: str
    face_fen: int
    batch_state: BatchState
    valid_until: date
    redeemed_by: UUID | None
    transaction_id: UUID | None
    redeemed_at: datetime | None


def check_voucher(voucher: VoucherRow, today: date) -> ErrorCode | None:
    """Whether the voucher is good on business date `today`: activated, not expired, not redeemed."""
    if voucher.redeemed_by is not None:
        return ErrorCode.VOUCHER_USED
    if voucher.batch_state is not BatchState.ACTIVATED or today > voucher.valid_until:
        return ErrorCode.VOUCHER_NOT_ACTIVE
    return None


def parse_card_password(text: str, *, field: str = "voucher_password") -> str:
    """The 16 digits of a card password; spaces and hyphens between them are taken out.

    Raises:
        MalformedField: it is something else, naming `field`.
    """
    digits = _SEPARATORS.sub("", text) if len(text) <= 40 else ""
    if _CARD_PASSWORD.fullmatch(digits) is None:
        raise MalformedField(field=field, problem="must be 16 digits")
    return digits

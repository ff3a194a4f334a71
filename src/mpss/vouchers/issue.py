"""Making a batch of vouchers for the printer (充值凭证管理), and throwing one away that never went on sale.

The card passwords exist in clear once, in what `generate_batch` returns; the database gets digests. A batch is worth
nothing until somebody else activates it (transactions/topups/voucher_activation.py). Spec: CM 8.5.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from mpss.kernel.clock import business_date
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import VoucherBatchId
from mpss.ports.key_store import KeyStore
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from mpss.vouchers import store
from mpss.vouchers.digests import VOUCHER_KEY, voucher_digest

MAX_QUANTITY = 100_000
PASSWORDS = 10**16


class Card(NamedTuple):
    """A card as it is printed: the serial openly (18 digits), the password under the scratch field (16 digits)."""

    serial: str
    password: str


class GeneratedBatch(NamedTuple):
    """A new batch and its cards, which are shown this once."""

    id: VoucherBatchId
    face_fen: int
    valid_until: date
    cards: tuple[Card, ...]

    def csv(self) -> Iterator[str]:
        """The printer's file, line by line with a header: serial, password, face in fen, last day."""
        yield "serial,password,face_fen,valid_until\r\n"
        for card in self.cards:
            yield f"{card.serial},{card.password},{self.face_fen},{self.valid_until.isoformat()}\r\n"


async def generate_batch(
    runtime: Runtime, *, face_fen: int, quantity: int, valid_until: date, staff: StaffMember
) -> GeneratedBatch:
    """Make `quantity` vouchers of `face_fen` each, good up to and including business date `valid_until`.

    Raises:
        MalformedField: `face_fen` is not from 1 to `policy.topup_single_limit_fen`, `quantity` not from 1 to 100,000,
            or `valid_until` is past.
        Refused: FORBIDDEN, needs voucher_generate.

    Spec: CM 8.5.
    """
    staff.require(Permission.VOUCHER_GENERATE)
    now, highest_fen = runtime.clock.now(), runtime.policy.topup_single_limit_fen
    if not 1 <= face_fen <= highest_fen:
        raise MalformedField(field="face_fen", problem=f"must be from 1 to {highest_fen}")
    if not 1 <= quantity <= MAX_QUANTITY:
        raise MalformedField(field="quantity", problem=f"must be from 1 to {MAX_QUANTITY}")
    if valid_until < business_date(now, cut=runtime.settings.day_cut):
        raise MalformedField(field="valid_until", problem="must not be in the past")
    batch_id = VoucherBatchId.new(now)
    # Tens of thousands of digests take a moment of CPU; the event loop serves payments meanwhile.
    made = await asyncio.to_thread(_make_passwords, runtime.ports.key_store, quantity)
    async with runtime.database.transaction() as uow:
        number = await store.insert_batch(
            uow, batch_id, face_fen=face_fen, quantity=quantity, valid_until=valid_until,
            created_by=str(staff.id), now=now,
        )  # fmt: skip
        cards = tuple(Card(f"{number:09d}{place:09d}", password) for place, (password, _) in enumerate(made, start=1))
        digests = (digest for _, digest in made)
        await store.insert_vouchers(uow, batch_id, zip(digests, (card.serial for card in cards), strict=True))
        detail = {"face_fen": face_fen, "quantity": quantity, "valid_until": valid_until.isoformat()}
        await record(
            uow, at=now, actor=str(staff.id), action="voucher_batch.generate", subject=str(batch_id), detail=detail
        )
    return GeneratedBatch(batch_id, face_fen, valid_until, cards)


async def discard_batch(runtime: Runtime, *, batch_id: VoucherBatchId, staff: StaffMember) -> None:
    """Throw away a batch that was not activated: its cards are worth nothing for good.

    Raises:
        Refused: FORBIDDEN, needs voucher_generate; ILLEGAL_STATE, there is no such batch that waits.
    """
    staff.require(Permission.VOUCHER_GENERATE)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        if not await store.discard(uow, batch_id):
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="no such batch waits to be activated")
        await record(uow, at=now, actor=str(staff.id), action="voucher_batch.discard", subject=str(batch_id))


def _make_passwords(key_store: KeyStore, quantity: int) -> list[tuple[str, bytes]]:
    """Distinct random passwords with their digests under the current key."""
    passwords: set[str] = set()
    while len(passwords) < quantity:
        passwords.add(f"{secrets.randbelow(PASSWORDS):016d}")
    version = key_store.current(VOUCHER_KEY)
    return [(password, voucher_digest(key_store, password, version=version)) for password in passwords]

"""Top-up cards on sale."""

from __future__ import annotations

from datetime import date, timedelta

from mpss.runtime import Runtime
from mpss.staff.permissions import Permission
from mpss.transactions.topups.voucher_activation import activate_batch
from mpss.vouchers.issue import Card, GeneratedBatch, generate_batch
from tests.support.house import employee
from tests.support.instants import TODAY

A_YEAR = TODAY + timedelta(days=365)


async def batch_of(
    runtime: Runtime, *, quantity: int = 3, face_fen: int = 5_000, valid_until: date = A_YEAR, name: str = "wang"
) -> GeneratedBatch:
    """Cards made by one person, not yet on sale."""
    maker = await employee(runtime, f"{name} makes", Permission.VOUCHER_GENERATE)
    return await generate_batch(runtime, face_fen=face_fen, quantity=quantity, valid_until=valid_until, staff=maker)


async def cards_on_sale(
    runtime: Runtime, *, quantity: int = 3, face_fen: int = 5_000, valid_until: date = A_YEAR, name: str = "wang"
) -> tuple[Card, ...]:
    """Cards made by one person and activated by another."""
    batch = await batch_of(runtime, quantity=quantity, face_fen=face_fen, valid_until=valid_until, name=name)
    seller = await employee(runtime, f"{name} sells", Permission.VOUCHER_ACTIVATE)
    answer = await activate_batch(runtime, staff=seller, key=f"activate {name}", batch_id=batch.id)
    assert answer.transaction.refusal is None
    return batch.cards

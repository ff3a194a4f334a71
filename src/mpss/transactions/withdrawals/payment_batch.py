"""Payment-order files: what waits for a bank without real-time credit, gathered once a day into one file.

    waiting orders ──► rendered and checked ──► written down, orders taken ──► placed ──► marked as placed

Invariants: (1) an order belongs to exactly one file; (2) a file is written down whole, with its digest, before it is
placed, and what is placed is what was written down; (3) a crash between two steps loses and doubles nothing: what is
not written down is gathered again, what is not marked is placed again, and the bank knows a file by its message id and
an order by its end-to-end id. Spec: CM 5.3.3, 6.6. Decision: ADR-0020.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from datetime import date, datetime, timedelta
from uuid import UUID

import psycopg

from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import MpssError
from mpss.kernel.ids import PaymentBatchId
from mpss.observability import log
from mpss.ports.key_store import KeyStore
from mpss.ports.payment_files import NotPlaced
from mpss.runtime import Runtime
from mpss.transactions.withdrawals.payment_store import (
    NewBatch,
    UnplacedBatch,
    WaitingOrder,
    mark_placed,
    next_number,
    unplaced_batches,
    waiting_banks,
    waiting_orders,
    write_batch,
)
from mpss.wire.pain import Orders, PaymentOrder, read_orders, write_orders


class BatchDamaged(MpssError):
    """A file is not what was written down; it is not placed."""


class _TakenMeanwhile(Exception):
    """Another process has put one of the orders into its file."""


def last_cut(runtime: Runtime, now: datetime) -> datetime:
    """The latest instant of the cut that is not after `now`; every day at `settings.payment_cut` in Shanghai."""
    local = now.astimezone(SHANGHAI)
    cut = datetime.combine(local.date(), runtime.settings.payment_cut, SHANGHAI)
    return cut if cut <= local else cut - timedelta(days=1)


async def make_due_batches(runtime: Runtime) -> int:
    """For each bank the file of the last cut, once; then place what is not placed. How many files were made. For a job.

    An order that is written down after its cut's file waits for the next day's.
    """
    if runtime.ports.payment_files is None:
        return 0
    cut = last_cut(runtime, runtime.clock.now())
    async with runtime.database.read() as uow:
        banks = [
            bank
            for bank in await waiting_banks(uow, until=cut)
            if await next_number(uow, bank=bank, cut_date=cut.date()) == 0
        ]
    made = [await _make(runtime, bank, cut.date(), 0, until=cut) for bank in banks]
    await place_batches(runtime)
    return sum(batch is not None for batch in made)


async def make_batches_now(runtime: Runtime, *, bank: str | None = None) -> list[UUID]:
    """At an operator's word: a file of what waits now, for each bank or for one; and place it. The files' ids."""
    now = runtime.clock.now()
    cut_date = now.astimezone(SHANGHAI).date()
    async with runtime.database.read() as uow:
        banks = [each for each in await waiting_banks(uow, until=None) if bank in (None, each)]
        numbers = {each: max(1, await next_number(uow, bank=each, cut_date=cut_date)) for each in banks}
    made = [await _make(runtime, each, cut_date, number, until=None) for each, number in numbers.items()]
    await place_batches(runtime)
    return [batch for batch in made if batch is not None]


async def place_batches(runtime: Runtime) -> int:
    """Place every file that is not known to be placed; how many were."""
    port, placed = runtime.ports.payment_files, 0
    async with runtime.database.read() as uow:
        batches = await unplaced_batches(uow)
    for batch in batches:
        assert port is not None
        try:
            content = await asyncio.to_thread(_opened, runtime.ports.key_store, batch)
            await port.place(batch.bank, batch.file_name, content)
        except (NotPlaced, BatchDamaged) as problem:
            log.error("payment_batch.not_placed", bank=batch.bank, file=batch.file_name, problem=str(problem))
            continue
        async with runtime.database.transaction() as uow:
            await mark_placed(uow, batch.id, now=runtime.clock.now())
        log.info("payment_batch.placed", bank=batch.bank, file=batch.file_name)
        placed += 1
    return placed


async def _make(runtime: Runtime, bank: str, cut_date: date, number: int, *, until: datetime | None) -> UUID | None:
    async with runtime.database.read() as uow:
        orders = await waiting_orders(uow, bank=bank, until=until)
    if not orders:
        return None
    batch = await asyncio.to_thread(_rendered, runtime, bank, cut_date, number, orders)
    try:
        async with runtime.database.transaction() as uow:
            if not await write_batch(uow, batch, [order.transaction_id for order in orders]):
                raise _TakenMeanwhile
    except (_TakenMeanwhile, psycopg.errors.UniqueViolation):
        # Another process was quicker; what it left waits for the next turn.
        return None
    log.info("payment_batch.made", bank=bank, file=batch.file_name, orders=batch.orders)
    return batch.id


def _rendered(runtime: Runtime, bank: str, cut_date: date, number: int, orders: list[WaitingOrder]) -> NewBatch:
    """The file, checked against its schema, its count and its sum; sealed as it is written down."""
    key_store, settings, now = runtime.ports.key_store, runtime.settings, runtime.clock.now()
    message_id = f"MPSS-{bank}-{cut_date:%Y%m%d}-{number}"
    file = Orders(
        message_id,
        now,
        now.astimezone(SHANGHAI).date(),
        bank,
        settings.payment_debtor_name,
        settings.payment_debtor_account,
        tuple(
            PaymentOrder(
                order.transaction_id.hex,
                key_store.unseal(order.number_sealed).decode(),
                key_store.unseal(order.name_sealed).decode(),
                order.amount_fen,
            )
            for order in orders
        ),
    )
    content = write_orders(file)
    assert read_orders(content).orders == file.orders
    total_fen = sum(order.amount_fen for order in orders)
    return NewBatch(
        PaymentBatchId.new(now), bank, cut_date, number, message_id, len(orders), total_fen, f"{message_id}.xml",
        hashlib.sha256(content).digest(), key_store.seal(zlib.compress(content)), now,
    )  # fmt: skip


def _opened(key_store: KeyStore, batch: UnplacedBatch) -> bytes:
    content = zlib.decompress(key_store.unseal(batch.content_sealed))
    if hashlib.sha256(content).digest() != batch.digest:
        raise BatchDamaged("the file is not what was written down")
    return content

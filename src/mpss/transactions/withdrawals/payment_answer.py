"""Answers to payment-order files: read, matched with their orders, carried out (pain.002).

    ACSC                the order is paid           FUNDING ──► SUCCEEDED
    RJCT                the bank refused            FUNDING ──► DECLINED
    RJCT, after ACSC    the bank gave it back       SUCCEEDED ──► RETURNED, by a transaction of its own
    any other           the order is on its way     noted

A file is taken whole or refused whole: what is malformed, answers no file of ours at this bank, or names an order that
is not in it, moves nothing and is kept aside. Read twice, or late behind a newer one, a file changes nothing: an
order's state and the instant the bank made the file are what counts. Spec: CM 5.3.3, 6.6. Decision: ADR-0020.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.ids import FundingId, PaymentAnswerId, TransactionId
from mpss.observability import log
from mpss.ports.payment_files import AnswerFile, NotPlaced, PaymentFilesPort
from mpss.runtime import Runtime
from mpss.transactions.model import Asked
from mpss.transactions.queries import get_transactions
from mpss.transactions.withdrawals.end import OfWithdrawal, ReturnWithdrawal
from mpss.transactions.withdrawals.model import WithdrawalRow
from mpss.transactions.withdrawals.payment_store import AnswerRow, batch_of, insert_answer, mark_placed, orders_of
from mpss.transactions.withdrawals.queries import get_withdrawal
from mpss.transactions.withdrawals.store import WITHDRAWALS
from mpss.wire.pain import PAID, REJECTED, BadFile, OrderStatus, Statuses, read_statuses

CALLER = "platform:withdrawal"
CHANNEL = "job"
_AT_ONCE = 256
_FILES = 20
_LONGEST_PROBLEM = 500
_PAID, _REJECTED, _RETURNED = "paid", "rejected", "returned"


@dataclass(frozen=True, slots=True)
class AnswerOrder(OfWithdrawal):
    """Record what a bank's file says of one order, unless a newer one has said something."""

    said: OrderStatus
    said_at: datetime

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        return self.own_rows()

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 6.6. A paid order that comes back needs a transaction of its own: `ReturnWithdrawal`."""
        withdrawal, row = snapshot[TRANSACTIONS][self.earlier.id], snapshot[WITHDRAWALS][self.earlier.id]
        if withdrawal.state is not TransactionState.FUNDING or older(self.said_at, row):
            return Decision(withdrawal, recorded=False)
        if self.said.status == PAID:
            return self.paid(withdrawal, snapshot)
        if self.said.status == REJECTED:
            return self.refused(withdrawal, snapshot, self.said.reason)
        noted = self.row_in(snapshot)._replace(reason=self.said.reason)
        return Decision(withdrawal, puts=[(WITHDRAWALS, withdrawal.id, noted)], recorded=False)

    def row_in(self, snapshot: Snapshot) -> WithdrawalRow:
        """The row with what the bank says now."""
        row = snapshot[WITHDRAWALS][self.earlier.id]
        return row._replace(bank_status=self.said.status, bank_said_at=self.said_at)


def older(said_at: datetime, row: WithdrawalRow) -> bool:
    """Whether the bank has said something newer of the order."""
    return row.bank_said_at is not None and said_at < row.bank_said_at


async def read_answers(runtime: Runtime, *, bank: str | None = None) -> list[AnswerRow]:
    """Read every answer that a bank has placed, and put it away; what was read of each. For a job and for operators."""
    port, banks = runtime.ports.payment_files, runtime.ports.banks
    if port is None or banks is None:
        return []
    read = []
    for code in [profile.code for profile in banks.banks() if bank in (None, profile.code)]:
        try:
            for file in await port.answers(code, limit=_FILES):
                read.append(await _read_one(runtime, port, code, file))
        except NotPlaced as problem:
            # One bank's folder is no other's; what was not put away is offered again.
            log.error("payment_answer.not_read", bank=code, problem=str(problem))
    return read


async def _read_one(runtime: Runtime, port: PaymentFilesPort, bank: str, file: AnswerFile) -> AnswerRow:
    answer = await take_answer(runtime, bank, file)
    async with runtime.database.transaction() as uow:
        await insert_answer(uow, answer)
    event = log.warning if answer.problem else log.info
    event("payment_answer.read", bank=bank, file=file.name, outcome=answer.outcome, problem=answer.problem)
    await port.put_away(bank, file.name, refused=answer.outcome == "refused")
    return answer


async def take_answer(runtime: Runtime, bank: str, file: AnswerFile) -> AnswerRow:
    """Carry out what a file says; what was read of it. Reading it again changes nothing more."""
    now = runtime.clock.now()
    blank = AnswerRow(
        PaymentAnswerId.new(now),
        bank,
        file.name,
        hashlib.sha256(file.content).digest(),
        None,
        "taken",
        "",
        0,
        0,
        0,
        now,
    )
    try:
        said = await asyncio.to_thread(read_statuses, file.content)
    except BadFile as problem:
        return blank._replace(outcome="refused", problem=str(problem)[:_LONGEST_PROBLEM])
    async with runtime.database.read() as uow:
        batch_id = await batch_of(uow, bank=bank, message_id=said.original_message_id)
        orders = {} if batch_id is None else await orders_of(uow, batch_id)
        transactions = await get_transactions(uow, list(orders))
    if batch_id is None:
        return blank._replace(outcome="refused", problem="it answers no file of ours at this bank")
    named = _named(said, orders)
    if named is None:
        return blank._replace(batch_id=batch_id, outcome="refused", problem="it names an order that is not in the file")
    async with runtime.database.transaction() as uow:
        # Who answers it has it, even if we did not live to note that it was placed.
        await mark_placed(uow, batch_id, now=now)
    counts: Counter[str] = Counter()
    problems: list[str] = []
    for start in range(0, len(named), _AT_ONCE):
        part = named[start : start + _AT_ONCE]
        told = await asyncio.gather(
            *(_carry_out(runtime, transactions[key], orders[key], said.created_at, status) for key, status in part)
        )
        counts.update(change for change, _ in told if change)
        problems += [problem for _, problem in told if problem]
    return blank._replace(
        batch_id=batch_id,
        problem="; ".join(problems)[:_LONGEST_PROBLEM],
        paid=counts[_PAID],
        rejected=counts[_REJECTED],
        returned=counts[_RETURNED],
    )


def _named(said: Statuses, orders: dict[UUID, WithdrawalRow]) -> Sequence[tuple[UUID, OrderStatus]] | None:
    """What is said of each order; None where one is not of the file. A status of the group speaks of all of them."""
    if not said.orders:
        if not said.group_status:
            return []
        return [(key, OrderStatus(key.hex, said.group_status, said.group_reason)) for key in orders]
    by_id = {key.hex: key for key in orders}
    if any(status.end_to_end_id not in by_id for status in said.orders):
        return None
    return [(by_id[status.end_to_end_id], status) for status in said.orders]


async def _carry_out(
    runtime: Runtime, withdrawal: Transaction, row: WithdrawalRow, said_at: datetime, status: OrderStatus
) -> tuple[str, str]:
    """What changed of the order, or '', and what cannot be, or ''."""
    now = runtime.clock.now()
    command = AnswerOrder(withdrawal, now, row, FundingId.new(now), status, said_at)
    told = (await runtime.desk.submit(command)).transaction
    name = TransactionId.outside(withdrawal.id)
    if told.state is TransactionState.SUCCEEDED and status.status == REJECTED:
        return await _bring_back(runtime, told, said_at, status)
    if told.state is TransactionState.DECLINED and status.status == PAID:
        return "", f"{name} was rejected, and is said to be paid"
    if withdrawal.state is told.state:
        return "", ""
    return (_PAID if told.state is TransactionState.SUCCEEDED else _REJECTED), ""


async def _bring_back(
    runtime: Runtime, withdrawal: Transaction, said_at: datetime, status: OrderStatus
) -> tuple[str, str]:
    now = runtime.clock.now()
    name = TransactionId.outside(withdrawal.id)
    async with runtime.database.read() as uow:
        row = await get_withdrawal(uow, withdrawal.id)
    assert row is not None
    if row.bank_said_at is None or said_at <= row.bank_said_at:
        return "", f"{name} was paid, and an older file says that it was rejected"
    body = digest_of(TransactionKind.WITHDRAWAL_RETURN, withdrawal.id.hex)
    asked = Asked(TransactionId.new(now), CALLER, name, body, now, CHANNEL)
    answer = await runtime.desk.submit(ReturnWithdrawal(asked, withdrawal, row, status, said_at))
    returned = answer.transaction.refusal is None and not answer.repeated
    return (_RETURNED if returned else ""), ""

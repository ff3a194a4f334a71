"""Carries out what a bank asks: request → flow → response code.

A bank is who its session key says it is, and has asked its customer; it names wallets by phone. Of a top-up it hears
00 done, 22 taken back, 25 never came, 12 nothing to take back, 51 spent meanwhile, 94 other facts under one reference;
the rest is in `replies`. Spec: CM 5.3.1. Decision: ADR-0019.
"""

from __future__ import annotations

from typing import assert_never

from mpss.accounts.bank_binding import bind_by_bank, unbind_by_bank
from mpss.channels.bank.replies import ANOTHER_AMOUNT, APPROVED, NEVER_CAME, RESPONSES, REVERSED
from mpss.desk.model import Transaction, TransactionState
from mpss.kernel.errors import ErrorCode, MalformedField, MpssError
from mpss.kernel.ids import TransactionId
from mpss.observability import log
from mpss.ports.bank import BankQuestion, BankReply, InboundBankRequest
from mpss.runtime import Runtime
from mpss.transactions.topups.bank import AnotherAmount, find_bank_topup, reverse_by_bank, top_up_by_bank


async def handle(runtime: Runtime, asked: InboundBankRequest) -> BankReply:
    """The answer to one request; a refusal is logged with the field at fault."""
    try:
        return await _carry_out(runtime, asked)
    except AnotherAmount:
        return BankReply(ANOTHER_AMOUNT)
    except MpssError as refused:
        if refused.code is ErrorCode.INTERNAL:
            raise
        field = refused.field if isinstance(refused, MalformedField) else ""
        log.info("bank.request_refused", bank=asked.bank, question=asked.question, code=refused.code, field=field)
        return BankReply(RESPONSES[refused.code])


async def _carry_out(runtime: Runtime, asked: InboundBankRequest) -> BankReply:
    match asked.question:
        case BankQuestion.BIND:
            await bind_by_bank(
                runtime, bank=asked.bank, phone=asked.phone, card_number=asked.card_number,
                holder_name=asked.holder_name,
            )  # fmt: skip
            return BankReply(APPROVED)
        case BankQuestion.UNBIND:
            await unbind_by_bank(runtime, bank=asked.bank, phone=asked.phone, card_number=asked.card_number)
            return BankReply(APPROVED)
        case BankQuestion.TOP_UP:
            topup = await top_up_by_bank(
                runtime, bank=asked.bank, reference=asked.reference, phone=asked.phone, amount_fen=asked.amount_fen,
                card=asked.card_number,
            )  # fmt: skip
            return _said_of(topup)
        case BankQuestion.REVERSE:
            reversal = await reverse_by_bank(
                runtime, bank=asked.bank, reference=asked.reference, original_reference=asked.original_reference,
                amount_fen=asked.amount_fen,
            )  # fmt: skip
            return _said_of(reversal)
        case BankQuestion.INQUIRE:
            found = await find_bank_topup(runtime, bank=asked.bank, reference=asked.original_reference)
            return _said_of(found)
        case _ as never:
            assert_never(never)


def _said_of(transaction: Transaction | None) -> BankReply:
    """What became of a top-up or of its reversal."""
    if transaction is None:
        return BankReply(NEVER_CAME)
    reference = TransactionId.outside(transaction.id)
    if transaction.refusal is not None:
        return BankReply(RESPONSES[transaction.refusal], reference)
    taken_back = transaction.state in (TransactionState.REVERSED, TransactionState.CANCELLED)
    return BankReply(REVERSED if taken_back else APPROVED, reference)

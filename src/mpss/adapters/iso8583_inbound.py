"""What a bank asks on a connection, on its way to the handler and back.

Invariants: (1) only a request with a right MAC under the session's key comes here; (2) an answer goes back on the
connection that its request came by, or nowhere: the bank asks again, or takes back; (3) at most `AT_ONCE` requests are
carried out at once, and beyond `MOST_WAITING` one is refused with 96 before anything is done; (4) what the handler
raises is answered 96, since the bank cannot know what was done. Decision: ADR-0019.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from mpss.observability import OUTSIDE_CALLS, OUTSIDE_SECONDS, log
from mpss.ports.bank import BankQuestion, BankReply, InboundBankHandler, InboundBankRequest
from mpss.wire.iso8583.messages import APPROVED, BankMessage, Service

AT_ONCE, MOST_WAITING = 32, 256
FAILED, NOT_SUPPORTED = "96", "12"
QUESTIONS = {
    Service.BIND: BankQuestion.BIND,
    Service.UNBIND: BankQuestion.UNBIND,
    Service.TOP_UP: BankQuestion.TOP_UP,
    Service.REVERSE: BankQuestion.REVERSE,
    Service.INQUIRE: BankQuestion.INQUIRE,
}
Answer = Callable[[BankMessage], Awaitable[None]]
"""Sends a reply on the connection that the request came by."""


class InboundRequests:
    """The requests of one bank that are being carried out."""

    def __init__(self, bank: str, handler: InboundBankHandler | None) -> None:
        self._bank = bank
        self._handler = handler
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        return len(self._tasks)

    def take(self, asked: BankMessage, answer: Answer) -> None:
        """Carry one request out and answer it, without keeping the caller."""
        full = len(self._tasks) >= MOST_WAITING
        if full:
            log.warning("bank.too_many_requests", bank=self._bank, trace=asked.trace)
        task = asyncio.create_task(self._refuse(asked, answer) if full else self._serve(asked, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self, *, timeout_seconds: float) -> None:
        """Wait for what is being carried out; what takes longer ends by itself."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_seconds)

    async def _refuse(self, asked: BankMessage, answer: Answer) -> None:
        await answer(asked.reply(FAILED))

    async def _serve(self, asked: BankMessage, answer: Answer) -> None:
        async with self._at_once:
            reply = await self._carry_out(asked)
        await answer(asked.reply(reply.response, bank_reference=reply.reference))

    async def _carry_out(self, asked: BankMessage) -> BankReply:
        question = QUESTIONS.get(asked.service)
        if question is None:
            log.warning("bank.request_not_supported", bank=self._bank, request=repr(asked))
            return BankReply(NOT_SUPPORTED)
        if self._handler is None:
            # Not 12, which a bank would take for "nothing to take back": another process of ours may have it.
            return BankReply(FAILED)
        begun, reply = time.monotonic(), BankReply(FAILED)
        try:
            reply = await self._handler(_request(self._bank, question, asked))
        except Exception:
            log.exception("bank.request_failed", bank=self._bank, request=repr(asked))
        finally:
            counterpart, operation = f"bank:{self._bank}", f"inbound_{question}"
            outcome = {APPROVED: "approved", FAILED: "in_doubt"}.get(reply.response, "declined")
            OUTSIDE_CALLS.labels(counterpart, operation, outcome).inc()
            OUTSIDE_SECONDS.labels(counterpart, operation).observe(time.monotonic() - begun)
        return reply


def _request(bank: str, question: BankQuestion, asked: BankMessage) -> InboundBankRequest:
    return InboundBankRequest(
        bank,
        question,
        asked.reference,
        amount_fen=asked.amount_fen,
        phone=asked.phone,
        card_number=asked.card_number or asked.masked_card,
        holder_name=asked.holder_name,
        original_reference="" if asked.original is None else asked.original.reference,
    )

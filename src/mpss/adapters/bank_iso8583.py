"""The banks over ISO 8583: one session for each, and what their answers mean.

An answer is Approved or Declined only where the response code says for certain what became of the request: a code that
`REFUSALS` does not have (09, 68, 96, 98, A0, 06, or one nobody heard of) does not, and neither does silence. A refusal
names its code: "51 insufficient funds".
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from mpss.adapters.iso8583_session import SHANGHAI, Line, Reply, Session
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.kernel.unit_flag import refuse_inside_unit_of_work
from mpss.observability import OUTSIDE_CALLS, OUTSIDE_SECONDS
from mpss.ports.bank import BankOperation, BankProfile, BankRequest, InboundBankHandler
from mpss.wire.iso8583.messages import APPROVED, BankMessage, Original, Service

_REVERSED = {"00", "12", "25"}
REFUSALS = {
    "01": "ask the issuer",
    "02": "ask the issuer",
    "03": "merchant unknown",
    "04": "card withdrawn",
    "05": "refused",
    "12": "invalid transaction",
    "13": "invalid amount",
    "14": "no such card",
    "15": "no such bank",
    "22": "reversed",
    "25": "the bank never had it",
    "30": "format error",
    "31": "bank not supported",
    "33": "card expired",
    "34": "fraud suspected",
    "36": "card restricted",
    "38": "too many tries",
    "40": "not supported",
    "41": "card lost",
    "42": "no account",
    "43": "card stolen",
    "51": "insufficient funds",
    "54": "card expired",
    "55": "wrong PIN",
    "57": "not permitted to the holder",
    "58": "not permitted here",
    "61": "amount limit",
    "62": "card restricted",
    "63": "name or phone is another",
    "64": "amount is not the original's",
    "65": "too often",
    "75": "too many tries",
    "91": "bank down",
    "94": "another request has its reference",
}
_TYPES = {BankOperation.FREEZE: "0100", BankOperation.UNFREEZE: "0100", BankOperation.VERIFY: "0100"}


@dataclass(frozen=True, slots=True)
class BankLine:
    """A bank as the house knows it, and how to reach it."""

    profile: BankProfile
    line: Line


class UnknownBank(LookupError):
    """No bank of this code is connected."""


class Iso8583Banks:
    """The `BankPort` over ISO 8583."""

    def __init__(self, lines: Sequence[BankLine]) -> None:
        self._profiles = tuple(sorted((line.profile for line in lines), key=lambda profile: profile.code))
        self._sessions = {line.profile.code: Session(line.line) for line in lines}

    def banks(self) -> Sequence[BankProfile]:
        """The banks that are connected, by code."""
        return self._profiles

    def session(self, bank: str) -> Session:
        """
        Raises:
            UnknownBank: there is none of this code.
        """
        try:
            return self._sessions[bank]
        except KeyError:
            raise UnknownBank(bank) from None

    async def start(self, on_request: InboundBankHandler | None = None) -> None:
        """Begin to connect, as `BankPort.start` says; a bank that is down does not keep us from starting."""
        for session in self._sessions.values():
            session.start(on_request)

    async def stop(self) -> None:
        for session in self._sessions.values():
            await session.stop()

    async def ask(self, request: BankRequest, *, timeout_seconds: float) -> Outcome:
        """Carry out one request, as `BankPort.ask` says."""
        message = _message(request)
        reply = await self._call(request.bank, message, request.operation.value, timeout_seconds)
        if request.operation is BankOperation.REVERSE:
            return _reversal(reply)
        return _outcome(reply, freeze=request.operation is BankOperation.FREEZE)

    async def inquire(self, request: BankRequest, *, timeout_seconds: float) -> Outcome:
        """What became of `request`, as `BankPort.inquire` says; the bank does not carry it out now."""
        message = BankMessage(
            Service.INQUIRE,
            request.trace,
            _sent_at(request),
            request.reference,
            card_number=request.card_number,
            original=_original(request),
        )
        reply = await self._call(request.bank, message, "inquire", timeout_seconds)
        if request.operation is BankOperation.REVERSE:
            return _reversal(reply) if isinstance(reply, InDoubt) or reply.response != "25" else _outcome(reply)
        return _outcome(reply, freeze=request.operation is BankOperation.FREEZE)

    async def balance(self, bank: str, card_number: str, *, timeout_seconds: float) -> Outcome:
        """Approved(content: the available balance in fen, as digits)."""
        session = self.session(bank)
        # Moves nothing, so its trace and time need not outlive the connection.
        now = time.strftime("%m%d%H%M%S", time.gmtime())
        message = BankMessage(Service.BALANCE, session.trace(), now, card_number=card_number)
        reply = await self._call(bank, message, "balance", timeout_seconds)
        if isinstance(reply, InDoubt) or reply.response != APPROVED:
            return _outcome(reply)
        if reply.available_fen is None:
            return InDoubt("the answer has no balance")
        return Approved(reply.bank_reference, content=str(reply.available_fen))

    async def _call(self, bank: str, message: BankMessage, operation: str, timeout_seconds: float) -> Reply:
        refuse_inside_unit_of_work()
        session, begun, outcome = self.session(bank), time.monotonic(), "in_doubt"
        try:
            reply = await session.ask(message, timeout_seconds=timeout_seconds)
            if not isinstance(reply, InDoubt) and reply.response in (APPROVED, *REFUSALS):
                outcome = "approved" if reply.response == APPROVED else "declined"
        finally:
            counterpart = f"bank:{bank}"
            OUTSIDE_CALLS.labels(counterpart, operation, outcome).inc()
            OUTSIDE_SECONDS.labels(counterpart, operation).observe(time.monotonic() - begun)
        return reply


def _message(request: BankRequest) -> BankMessage:
    return BankMessage(
        Service(request.operation.value),
        request.trace,
        _sent_at(request),
        request.reference,
        card_number=request.card_number,
        amount_fen=request.amount_fen,
        holder_name=request.holder_name,
        phone=request.phone,
        original=None if request.original is None else _original(request.original),
    )


def _original(request: BankRequest) -> Original:
    message_type = _TYPES.get(request.operation, "0400" if request.operation is BankOperation.REVERSE else "0200")
    return Original(request.reference, request.trace, _sent_at(request), message_type)


def _sent_at(request: BankRequest) -> str:
    return request.at.astimezone(SHANGHAI).strftime("%m%d%H%M%S")


def _outcome(reply: Reply, *, freeze: bool = False) -> Outcome:
    if isinstance(reply, InDoubt):
        return reply
    if reply.response == APPROVED:
        return Approved(reply.authorization if freeze else reply.bank_reference)
    if reply.response in REFUSALS:
        return Declined(f"{reply.response} {REFUSALS[reply.response]}")
    return InDoubt(f"the bank does not say what it did: {reply.response}")


def _reversal(reply: Reply) -> Outcome:
    """00: undone; 12 and 25: there is nothing to undo, and a late one will be refused."""
    if not isinstance(reply, InDoubt) and reply.response in _REVERSED:
        return Approved(reply.bank_reference or reply.response)
    return _outcome(reply)

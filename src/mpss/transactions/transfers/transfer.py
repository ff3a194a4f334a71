"""Transfer (转账) from wallet to wallet, with the payment password or by the payer's SMS reply.

    asked by SMS   CONFIRMING ──yes──► as below, decided anew       ──no, too late──► CANCELLED, EXPIRED
    a risk rule says so            ──► REVIEWING    held; released by staff ──► as below, decided anew, or DECLINED
    payee's wallet is active       ──► SUCCEEDED    Dr payer's wallet   Cr payee's wallet
    payee has none                 ──► WAITING      Dr payer's wallet   Cr transfers held
                                       ──the number opens one──► SUCCEEDED      ──policy.transfer_hold_days──► RETURNED

A directed transfer (定向转账) goes by a relation that the payer set up (accounts/payees.py), a free one without, within
limits of its own or not at all. Only withdrawable money is transferred, and it stays withdrawable.
Spec: CM 5.3.2, 6.5. Decision: ADR-0015.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from mpss.accounts.payee_store import find_payee
from mpss.accounts.store import USAGE, find_wallet
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.kernel.ids import TransactionId
from mpss.kernel.masking import mask_phone
from mpss.kernel.phone import parse_phone
from mpss.observability import TRANSACTIONS
from mpss.risk.screen import remember
from mpss.runtime import Runtime
from mpss.transactions.model import Asked, Asking, Proof, transaction
from mpss.transactions.notify import Facts, tell
from mpss.transactions.pay import with_password
from mpss.transactions.proof import authenticate, unauthenticated
from mpss.transactions.reply_code import NO_CODE, with_reply_code
from mpss.transactions.store import CONFIRMATIONS, ConfirmationRow
from mpss.transactions.transfers.store import TRANSFERS, TransferRow
from mpss.transactions.transfers.terms import (
    Order,
    Parties,
    carry_out,
    find_parties,
    keep_for_review,
    order_touches,
    settle_terms,
    state_of,
)


@dataclass(frozen=True, slots=True)
class TransferCommand(Asking):
    """A transfer to decide. With `proof` it is carried out; with `confirm_code` it waits for the payer's reply."""

    order: Order
    policy: Policy
    proof: Proof | None = None
    confirm_code: str | None = None

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        return order_touches(self.order, self.asked.channel)

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        return remember(self._decide(snapshot), snapshot)

    def _decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 5.3.2. Order of checks: ARCHITECTURE §2."""
        asked, order, today = self.asked, self.order, snapshot.business_date
        parties = find_parties(order, snapshot, self.policy, at=asked.at)
        if isinstance(parties, ErrorCode):
            return Decision(self.declined(parties, today))
        payer, before = parties.payer, parties.usage
        usage = before
        if self.proof is not None:
            refusal, usage = authenticate(asked, self.proof, payer, usage, today, self.policy)
            if refusal is not None:
                declined = self.declined(refusal, today)
                return unauthenticated(asked, self.proof, declined, payer, before, usage, self.policy)
        if self.confirm_code == NO_CODE:
            return Decision(self.declined(ErrorCode.RATE_LIMITED, today), recorded=False)
        parties = parties._replace(usage=usage)
        terms = settle_terms(
            order, parties, snapshot, today, self.policy, at=asked.at, channel=asked.channel,
            province=asked.province, proven=self.proof is None or self.proof.proven, watched=asked.watched,
        )  # fmt: skip
        if isinstance(terms, ErrorCode):
            decision = Decision(self.declined(terms, today), recorded=terms is not ErrorCode.CHALLENGE_REQUIRED)
        elif self.confirm_code is not None:
            decision = self._ask_payer(self.confirm_code, parties, today)
        elif terms.finding is not None:
            held = Decision(self._transaction(TransactionState.REVIEWING, today))
            decision = keep_for_review(held, order, parties, terms.finding, self.policy, at=asked.at)
        else:
            moved = Decision(self._transaction(state_of(parties), today))
            return carry_out(moved, order, parties, terms, self.policy, at=asked.at)
        if usage is not before:
            decision.puts.append((USAGE, payer.id, usage))
        return decision

    def _ask_payer(self, code: str, parties: Parties, today: date) -> Decision:
        """CONFIRMING: nothing moves until the payer replies with the code."""
        at, payer, order = self.asked.at, parties.payer, self.order
        waiting = self._transaction(TransactionState.CONFIRMING, today)
        expires_at = at + timedelta(seconds=self.policy.confirmation_ttl_seconds)
        row = TransferRow(payer.id, payer.phone, order.payee_phone, None, None, order.amount_fen, None, None)
        decision = Decision(
            waiting,
            puts=[
                (CONFIRMATIONS, waiting.id, ConfirmationRow(payer.phone, code, expires_at, None)),
                (TRANSFERS, waiting.id, row),
            ],
        )
        question: Facts = {"amount_fen": order.amount_fen, "counterpart": mask_phone(order.payee_phone), "code": code}
        tell(decision, payer, "confirm_transfer", question, at=at)
        return decision

    def _transaction(
        self, state: TransactionState, business_date: date, *, refusal: ErrorCode | None = None
    ) -> Transaction:
        return transaction(
            self.asked,
            TransactionKind.TRANSFER,
            state,
            business_date,
            amount_fen=self.order.amount_fen,
            refusal=refusal,
            account_id=self.order.payer_id,
        )


async def transfer(
    runtime: Runtime,
    *,
    caller: str,
    key: str,
    channel: str,
    account_id: UUID,
    phone: str,
    payee_phone: str,
    amount_fen: int,
    password: str,
    source: str,
    sms_code: str | None = None,
    province: str | None = None,
    watched: bool = False,
) -> Answer:
    """Transfer now, with the payment password; `phone` is the payer's, `source` where the password came from, `watched`
    whether that is on the grey list, `province` where the payer is, if that was told.

    A refusal is the answer's transaction, DECLINED with a code: UNKNOWN_ACCOUNT, SELF_TRANSFER, ACCOUNT_NOT_ACTIVE,
    PAYEE_REQUIRED, PAYEE_COOLING, what a wrong password brings, SINGLE_LIMIT_EXCEEDED, DAILY_LIMIT_EXCEEDED,
    BALANCE_LIMIT_EXCEEDED (the payee's), INSUFFICIENT_FUNDS (of withdrawable money), KEY_REUSED.

    Raises:
        MalformedField: `payee_phone`, `password`, `sms_code`, or `amount_fen` is not above zero.
        Refused: WRONG_CODE, CODE_EXPIRED.

    Spec: CM 5.3.2, 6.5.
    """
    order = await _order(runtime, account_id, payee_phone, amount_fen)

    async def submit(proof: Proof) -> Answer:
        asked = _asked(runtime, caller, key, channel, order, by_reply=False)._replace(
            province=province, watched=watched
        )
        return _counted(await runtime.desk.submit(TransferCommand(asked, order, runtime.policy, proof)))

    return await with_password(
        runtime, account_id=account_id, phone=phone, password=password, source=source, sms_code=sms_code, submit=submit
    )


async def request_transfer(
    runtime: Runtime,
    *,
    caller: str,
    key: str,
    channel: str,
    account_id: UUID,
    phone: str,
    payee_phone: str,
    amount_fen: int,
) -> Answer:
    """Ask the payer: the transaction waits, CONFIRMING, and an SMS asks `phone` to reply with a code.

    Raises:
        MalformedField: `payee_phone`, or `amount_fen` is not above zero.

    Spec: CM 5.3.2, 6.5. Decision: ADR-0008.
    """
    order = await _order(runtime, account_id, payee_phone, amount_fen)

    async def submit(code: str) -> Answer:
        asked = _asked(runtime, caller, key, channel, order, by_reply=True)
        return _counted(await runtime.desk.submit(TransferCommand(asked, order, runtime.policy, None, code)))

    return await with_reply_code(runtime, phone=phone, submit=submit)


async def find_order(runtime: Runtime, *, payer_id: UUID, payee_phone: str, amount_fen: int) -> Order:
    """The order, with the wallet and the relation that are there for the number now; both are E.164."""
    async with runtime.database.read() as uow:
        payee_id = await find_wallet(uow, phone=payee_phone)
        relation_id = await find_payee(uow, account_id=payer_id, phone=payee_phone)
    return Order(payer_id, payee_phone, payee_id, relation_id, amount_fen)


async def _order(runtime: Runtime, payer_id: UUID, payee_phone: str, amount_fen: int) -> Order:
    payee_phone = parse_phone(payee_phone, field="payee_phone")
    if amount_fen <= 0:
        raise MalformedField(field="amount_fen", problem="must be above zero")
    return await find_order(runtime, payer_id=payer_id, payee_phone=payee_phone, amount_fen=amount_fen)


def _asked(runtime: Runtime, caller: str, key: str, channel: str, order: Order, *, by_reply: bool) -> Asked:
    now = runtime.clock.now()
    # Without what was found for the number: a repeat may find more.
    body = digest_of(TransactionKind.TRANSFER, order.payer_id.hex, order.payee_phone, order.amount_fen, by_reply)
    return Asked(TransactionId.new(now), caller, key, body, now, channel)


def _counted(answer: Answer) -> Answer:
    TRANSACTIONS.labels(kind="transfer", result=answer.transaction.refusal or answer.transaction.state).inc()
    return answer

"""Withdrawal (提现) to a bound card of the payer's own, with the payment password or by the payer's SMS reply.

    amount and fee are held ──► real-time: the bank is asked to credit the card     FUNDING
                            ──► batch: the order waits for the bank's next file     FUNDING
    the bank paid           ──► SUCCEEDED   Dr wallet, withdrawable    Cr withdrawals in transit, Cr fee income
    the bank refused        ──► DECLINED    the hold is released
    paid, and given back    ──► RETURNED    the entry, turned round, by a transaction of its own

Invariants: (1) amount and fee are held from the moment a bank may pay until it is known whether it did; (2) the card is
bound, for withdrawals, and its holder is that of the account's other cards; (3) money out is never reversed in doubt:
the bank is asked, and told again, with the same reference. Spec: CM 5.3.3, 6.6. Decision: ADR-0020.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from mpss.accounts.card_model import CardPurpose, CardRow, CardState
from mpss.accounts.card_store import bound_cards, find_card
from mpss.accounts.checks import check_payout, check_state
from mpss.accounts.state import Operation
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.fees.quote import quote
from mpss.fees.store import schedule_at
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId, CardId, TransactionId
from mpss.observability import TRANSACTIONS
from mpss.risk.screen import remember
from mpss.runtime import Runtime
from mpss.transactions.funding.bank_request import NewRequest, new_request
from mpss.transactions.model import Asked, Asking, Proof, transaction
from mpss.transactions.notify import Facts, tell
from mpss.transactions.pay import with_password
from mpss.transactions.proof import authenticate, unauthenticated
from mpss.transactions.reply_code import NO_CODE, with_reply_code
from mpss.transactions.store import CONFIRMATIONS, ConfirmationRow, key_taken
from mpss.transactions.withdrawals.answer import ask_credit
from mpss.transactions.withdrawals.model import Mode, WithdrawalOrder, WithdrawalRow
from mpss.transactions.withdrawals.store import WITHDRAWALS
from mpss.transactions.withdrawals.terms import (
    FEE_KIND,
    hold_back,
    keep_for_review,
    order_touches,
    settle_terms,
)

_NO_CARD = UUID(int=0)
_NOWHERE = ("", "", Mode.BATCH)
"""Card, last digits, bank and mode of a repeat, which is answered by its key alone."""


class WithdrawalQuote(NamedTuple):
    """What a withdrawal costs; amounts in fen."""

    amount_fen: int
    fee_fen: int
    total_fen: int


@dataclass(frozen=True, slots=True)
class WithdrawCommand(Asking):
    """A withdrawal to decide. With `proof` it is carried out; with `confirm_code` it waits for the payer's reply.

    `credit` is what the bank will know the request by.
    """

    order: WithdrawalOrder
    credit: NewRequest
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
        """Spec: CM 5.3.3. Order of checks: ARCHITECTURE §2."""
        asked, order, today = self.asked, self.order, snapshot.business_date
        account = snapshot[ACCOUNTS].get(order.account_id)
        if order.closing:
            refusal = check_payout(account, at=self.asked.at)
        else:
            refusal = check_state(account, Operation.WITHDRAW, at=self.asked.at)
        if account is None or refusal is not None:
            return Decision(self.declined(refusal or ErrorCode.UNKNOWN_ACCOUNT, today))
        before = usage = snapshot[USAGE][account.id]
        if self.proof is not None:
            refusal, usage = authenticate(asked, self.proof, account, before, today, self.policy)
            if refusal is not None:
                declined = self.declined(refusal, today)
                return unauthenticated(asked, self.proof, declined, account, before, usage, self.policy)
        if self.confirm_code == NO_CODE:
            return Decision(self.declined(ErrorCode.RATE_LIMITED, today), recorded=False)
        terms = settle_terms(
            order, account, snapshot, today, self.policy, quoted_at=asked.at, channel=asked.channel,
            province=asked.province, proven=self.proof is None or self.proof.proven, watched=asked.watched,
        )  # fmt: skip
        if isinstance(terms, ErrorCode):
            decision = Decision(self.declined(terms, today), recorded=terms is not ErrorCode.CHALLENGE_REQUIRED)
        elif self.confirm_code is not None:
            waiting = self._transaction(TransactionState.CONFIRMING, today, fee_fen=terms.fee_fen)
            decision = Decision(waiting)
            expires_at = asked.at + timedelta(seconds=self.policy.confirmation_ttl_seconds)
            row = WithdrawalRow(
                account.id, order.card_id, order.card, order.bank, order.mode, order.amount_fen, terms.fee_fen
            )
            decision.puts += [
                (CONFIRMATIONS, waiting.id, ConfirmationRow(account.phone, self.confirm_code, expires_at, None)),
                (WITHDRAWALS, waiting.id, row),
            ]
            facts: Facts = {
                "amount_fen": order.amount_fen, "fee_fen": terms.fee_fen, "card": order.card, "code": self.confirm_code,
            }  # fmt: skip
            tell(decision, account, "confirm_withdrawal", facts, at=asked.at)
        elif terms.finding is not None:
            held = Decision(self._transaction(TransactionState.REVIEWING, today, fee_fen=terms.fee_fen))
            decision = keep_for_review(held, order, account, terms, terms.finding, self.policy, at=asked.at)
        else:
            decision = Decision(self._transaction(TransactionState.FUNDING, today, fee_fen=terms.fee_fen))
            hold_back(decision, order, account, terms, self.credit, self.policy, at=asked.at)
        if usage is not before:
            decision.puts.append((USAGE, account.id, usage))
        return decision

    def _transaction(
        self, state: TransactionState, business_date: date, *, refusal: ErrorCode | None = None, fee_fen: int = 0
    ) -> Transaction:
        return transaction(
            self.asked,
            TransactionKind.WITHDRAWAL,
            state,
            business_date,
            amount_fen=self.order.amount_fen,
            fee_fen=fee_fen,
            refusal=refusal,
            account_id=self.order.account_id,
        )


async def withdraw(
    runtime: Runtime,
    *,
    account_id: UUID,
    phone: str,
    key: str,
    card_id: UUID,
    amount_fen: int,
    fee_fen: int | None,
    password: str,
    source: str,
    channel: str,
    sms_code: str | None = None,
    province: str | None = None,
    watched: bool = False,
) -> Answer:
    """Withdraw to a bound card; `phone` is the account's, `source` the password's, `fee_fen` the fee shown, if any.
    `province` is where the payer is, if that was told; `watched` says that `source` is on the grey list.

    FUNDING: the order waits for its bank's next file; IN_DOUBT: the bank has not said yet. The payer is told by SMS.

    Refusals: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, what a wrong password brings, SINGLE_LIMIT_EXCEEDED,
    DAILY_LIMIT_EXCEEDED, PRICE_CHANGED, INSUFFICIENT_FUNDS (of withdrawable money), FUNDING_DECLINED, KEY_REUSED.

    Raises:
        MalformedField: `password`, `sms_code`, or `amount_fen` is not above zero.
        Refused: NOT_FOUND, no bank is connected; UNKNOWN_CARD; ILLEGAL_STATE, the card is not bound; CARD_REFUSED, not
            bound for withdrawals or another holder's; BUSY, its bank is not connected; WRONG_CODE, CODE_EXPIRED.

    Spec: CM 5.3.3, 6.6.
    """
    _check_amount(amount_fen)
    caller = f"account:{AccountId.from_uuid(account_id)}"
    order = await _order(runtime, caller, key, account_id, card_id, amount_fen, fee_fen)
    credit = await new_request(runtime)

    async def submit(proof: Proof) -> Answer:
        asked = _asked(runtime, caller, key, channel, order, by_reply=False)._replace(
            province=province, watched=watched
        )
        return _counted(await runtime.desk.submit(WithdrawCommand(asked, order, credit, runtime.policy, proof)))

    answer = await with_password(
        runtime, account_id=account_id, phone=phone, password=password, source=source, sms_code=sms_code, submit=submit
    )
    return await _asked_of_bank(runtime, answer, order, credit)


async def check_card(runtime: Runtime, *, account_id: UUID, card_id: UUID) -> None:
    """Whether the rest of the account may be paid out to the card.

    Raises:
        Refused: as `withdraw` of the card and its bank.
    """
    await _order(runtime, "", "", account_id, card_id, 0, None)


async def pay_out(runtime: Runtime, *, account_id: UUID, card_id: UUID, amount_fen: int) -> Answer:
    """Withdraw the rest of an account that is being closed, without fee and beyond the limits, once for an account.

    Raises:
        Refused: as `withdraw` of the card and its bank.

    Spec: CM 5.2.3.4.
    """
    caller, key = f"closing:{AccountId.from_uuid(account_id)}", "pay-out"
    order = (await _order(runtime, caller, key, account_id, card_id, amount_fen, None))._replace(closing=True)
    credit = await new_request(runtime)
    asked = _asked(runtime, caller, key, "closing", order, by_reply=False)
    answer = _counted(await runtime.desk.submit(WithdrawCommand(asked, order, credit, runtime.policy)))
    return await _asked_of_bank(runtime, answer, order, credit)


async def _asked_of_bank(runtime: Runtime, answer: Answer, order: WithdrawalOrder, credit: NewRequest) -> Answer:
    """The answer after the bank was asked, where it is asked at once."""
    if answer.repeated or answer.transaction.state is not TransactionState.FUNDING or order.mode is Mode.BATCH:
        return answer
    told = await ask_credit(runtime, credit.id, first=True)
    return answer if told is None else answer._replace(transaction=told)


async def request_withdrawal(
    runtime: Runtime,
    *,
    caller: str,
    key: str,
    channel: str,
    account_id: UUID,
    phone: str,
    amount_fen: int,
    last_digits: str | None = None,
) -> Answer:
    """Ask the payer: the withdrawal waits, CONFIRMING, and an SMS asks `phone` to reply with a code.

    It goes to the bound card with these last four digits, or to the only one.

    Raises:
        MalformedField: `amount_fen` is not above zero.
        Refused: as `withdraw`; UNKNOWN_CARD also where several cards would do.

    Spec: CM 5.3.3, 6.6. Decision: ADR-0008.
    """
    _check_amount(amount_fen)
    async with runtime.database.read() as uow:
        repeated = await key_taken(uow, caller, key)
        cards = await bound_cards(uow, account_id)
    fitting = [card for card in cards if _fits(card, last_digits)]
    if len(fitting) != 1 and not repeated:
        raise Refused(ErrorCode.UNKNOWN_CARD)
    card_id = fitting[0].id if fitting else _NO_CARD
    order = await _order(runtime, caller, key, account_id, card_id, amount_fen, None)
    credit = await new_request(runtime)

    async def submit(code: str) -> Answer:
        asked = _asked(runtime, caller, key, channel, order, by_reply=True)
        return _counted(await runtime.desk.submit(WithdrawCommand(asked, order, credit, runtime.policy, None, code)))

    return await with_reply_code(runtime, phone=phone, submit=submit)


async def quote_withdrawal(runtime: Runtime, *, amount_fen: int) -> WithdrawalQuote:
    """The fee on a withdrawal now, to be shown before the payer confirms."""
    async with runtime.database.read() as uow:
        fee_fen = quote(await schedule_at(uow, FEE_KIND, at=runtime.clock.now()), amount_fen)
    return WithdrawalQuote(amount_fen, fee_fen, amount_fen + fee_fen)


async def _order(
    runtime: Runtime,
    caller: str,
    key: str,
    account_id: UUID,
    card_id: UUID,
    amount_fen: int,
    fee_fen: int | None,
) -> WithdrawalOrder:
    """The order, once the card may be withdrawn to. A repeat needs no card: it may be unbound since."""
    if runtime.ports.banks is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="no bank is connected")
    async with runtime.database.read() as uow:
        if await key_taken(uow, caller, key):
            return WithdrawalOrder(account_id, card_id, *_NOWHERE, amount_fen, fee_fen)
        card = await find_card(uow, card_id, account_id=account_id)
        others = await bound_cards(uow, account_id)
    if card is None:
        raise Refused(ErrorCode.UNKNOWN_CARD)
    if card.state is not CardState.BOUND:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail=f"the card is {card.state}")
    if CardPurpose.WITHDRAW not in card.purposes:
        raise Refused(ErrorCode.CARD_REFUSED, detail="the card is not bound for withdrawals")
    _check_holder(runtime, card, others)
    profiles = {profile.code: profile for profile in runtime.ports.banks.banks()}
    if card.bank not in profiles:
        raise Refused(ErrorCode.BUSY, detail="the card's bank is not connected")
    mode = Mode.REAL_TIME if profiles[card.bank].real_time_credit else Mode.BATCH
    if mode is Mode.BATCH and runtime.ports.payment_files is None:
        raise Refused(ErrorCode.BUSY, detail="no files are exchanged with the card's bank")
    return WithdrawalOrder(account_id, card_id, card.masked[-4:], card.bank, mode, amount_fen, fee_fen)


def _check_holder(runtime: Runtime, card: CardRow, others: list[CardRow]) -> None:
    """Same name only (同名): what is known of the account's owner are the holders of its bound cards."""
    unseal = runtime.ports.key_store.unseal
    if len({unseal(each.name_sealed) for each in (card, *others)}) > 1:
        raise Refused(ErrorCode.CARD_REFUSED, detail="the account's cards must have one holder")


def _fits(card: CardRow, last_digits: str | None) -> bool:
    return CardPurpose.WITHDRAW in card.purposes and last_digits in (None, card.masked[-4:])


def _check_amount(amount_fen: int) -> None:
    if amount_fen <= 0:
        raise MalformedField(field="amount_fen", problem="must be above zero")


def _asked(runtime: Runtime, caller: str, key: str, channel: str, order: WithdrawalOrder, *, by_reply: bool) -> Asked:
    now = runtime.clock.now()
    # By SMS the card is found by what is bound; over HTTP it is named.
    card = "" if by_reply else CardId.outside(order.card_id)
    body = digest_of(TransactionKind.WITHDRAWAL, order.account_id.hex, card, order.amount_fen, order.fee_fen)
    return Asked(TransactionId.new(now), caller, key, body, now, channel)


def _counted(answer: Answer) -> Answer:
    TRANSACTIONS.labels(kind="withdrawal", result=answer.transaction.refusal or answer.transaction.state).inc()
    return answer

"""Top-up from a bound bank card over the air (银行卡空中充值), debited in real time (实时方式).

    Dr bank-card money in transit   Cr wallet, withdrawable

Password, limits and the balance's cap are checked, and the debit written down with its trace and reference, before the
bank is asked. What the bank does not answer is asked about, then reversed (`card_answer`).
Spec: CT 5.1; CM 6.4.2.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from mpss.accounts.card_store import find_card
from mpss.accounts.cards import card_in_hand
from mpss.accounts.checks import check_state
from mpss.accounts.model import AccountRow
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId, CardId, FundingId, TransactionId
from mpss.risk.screen import remember, screen
from mpss.risk.store import LISTED, blacklisted, greylisted
from mpss.runtime import Runtime
from mpss.transactions.funding.bank_request import NewRequest, connected, new_request
from mpss.transactions.funding.store import get_request, taking_request
from mpss.transactions.model import Asked, Proof
from mpss.transactions.pay import with_password
from mpss.transactions.proof import authenticate, unauthenticated
from mpss.transactions.queries import get_transaction
from mpss.transactions.store import key_taken
from mpss.transactions.topups.card_answer import AnswerCardTopup, debit
from mpss.transactions.topups.card_call import ask_of_debit
from mpss.transactions.topups.command import ToppingUp, ToppingUpBy
from mpss.transactions.topups.limits import Puts, check_topup


@dataclass(frozen=True, slots=True)
class CardTopupCommand(ToppingUpBy):
    """`bank` is the card's; `debit` what the bank will know the request by."""

    kind: ClassVar = TransactionKind.BANK_CARD_TOPUP

    card_id: UUID
    bank: str
    debit: NewRequest
    proof: Proof
    policy: Policy

    @property
    def metadata(self) -> str | None:
        return card_memo(self.card_id, self.bank)

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield from ToppingUp.touches(self)
        yield LISTED, self.card_id

    def decide(self, snapshot: Snapshot) -> Decision:
        return remember(self._decide(snapshot), snapshot)

    def _decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CT 5.1; CM 6.4.2."""
        today, policy = snapshot.business_date, self.policy
        account = None if self.account_id is None else snapshot[ACCOUNTS].get(self.account_id)
        refusal = check_state(account, self.operation, at=self.asked.at)
        if account is None or refusal is not None:
            return Decision(self.declined(refusal or ErrorCode.UNKNOWN_ACCOUNT, today))
        before = snapshot[USAGE][account.id]
        refusal, usage = authenticate(self.asked, self.proof, account, before, today, policy)
        if refusal is not None:
            declined = self.declined(refusal, today)
            return unauthenticated(self.asked, self.proof, declined, account, before, usage, policy)
        at = self.asked.at
        counts = check_card_topup(
            account, self.card_id, self.bank, self.amount_fen, snapshot, policy, at=at, channel=self.asked.channel,
            proven=self.proof.proven, watched=self.asked.watched,
        )  # fmt: skip
        if isinstance(counts, ErrorCode):
            decision = Decision(self.declined(counts, today), recorded=counts is not ErrorCode.CHALLENGE_REQUIRED)
        else:
            intent = self.made(TransactionState.FUNDING, today, self.amount_fen)
            decision = debit(Decision(intent), self.bank, self.card_id, self.debit, counts, policy, at=at)
        if usage is not before:
            decision.puts.append((USAGE, account.id, usage))
        return decision


def card_memo(card_id: UUID, bank: str) -> str:
    """What is kept with a top-up from a bound card: which one."""
    return json.dumps({"card_id": CardId.outside(card_id), "bank": bank})


def check_card_topup(
    account: AccountRow,
    card_id: UUID,
    bank: str,
    amount_fen: int,
    snapshot: Snapshot,
    policy: Policy,
    *,
    at: datetime,
    channel: str,
    proven: bool,
    watched: bool = False,
) -> Puts | ErrorCode:
    """Lists → limits → risk rules: what a top-up from this card leaves of the counters, or why it may not be.

    `proven` that the phone was shown to be in the customer's hand. Pure. Spec: CM 9.3, 9.8.
    """
    if blacklisted(snapshot, (account.id, card_id)):
        return ErrorCode.BLACKLISTED
    watched = watched or greylisted(snapshot, (card_id,))
    counts = check_topup(account, amount_fen, snapshot, policy, at=at, channel=channel, watched=watched)
    if isinstance(counts, ErrorCode):
        return counts
    refusal = screen(
        snapshot, account.id, TransactionKind.BANK_CARD_TOPUP, amount_fen, at=at, proven=proven,
        metadata=card_memo(card_id, bank),
    )  # fmt: skip
    return refusal or counts


async def top_up_from_card(
    runtime: Runtime,
    *,
    account_id: UUID,
    phone: str,
    key: str,
    card_id: UUID,
    amount_fen: int,
    password: str,
    source: str,
    channel: str,
    sms_code: str | None = None,
    watched: bool = False,
) -> Answer:
    """Debit a bound card and put the money into the wallet; `phone` is the account's, `source` the password's,
    `watched` whether that is on the grey list.

    IN_DOUBT and RELEASING mean that the bank has not said yet; the customer is told by SMS.

    Refusals: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, what a wrong password brings, BLACKLISTED, SINGLE_LIMIT_EXCEEDED,
    BALANCE_LIMIT_EXCEEDED, RISK_REFUSED, FUNDING_DECLINED, KEY_REUSED.

    Raises:
        MalformedField: `password`, `sms_code`, or `amount_fen` is not above zero.
        Refused: NOT_FOUND, no bank is connected; UNKNOWN_CARD; ILLEGAL_STATE, the card is not bound; BUSY, its bank is
            not connected; WRONG_CODE, CODE_EXPIRED.

    Spec: CT 5.1; CM 6.4.2.
    """
    if amount_fen <= 0:
        raise MalformedField(field="amount_fen", problem="must be above zero")
    if runtime.ports.banks is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="no bank is connected")
    account, now = str(AccountId.from_uuid(account_id)), runtime.clock.now()
    caller = f"account:{account}"
    async with runtime.database.read() as uow:
        repeated = await key_taken(uow, caller, key)
    bank = ""
    if not repeated:
        bank = (await card_in_hand(runtime, account_id=account_id, card_id=card_id)).bank
        if connected(runtime, bank) is None:
            raise Refused(ErrorCode.BUSY, detail="the card's bank is not connected")
    new = await new_request(runtime)
    digest = digest_of(TransactionKind.BANK_CARD_TOPUP, account, str(CardId.from_uuid(card_id)), amount_fen)

    async def submit(proof: Proof) -> Answer:
        asked = Asked(TransactionId.new(now), caller, key, digest, now, channel, watched=watched)
        command = CardTopupCommand(asked, account_id, amount_fen, card_id, bank, new, proof, runtime.policy)
        return await runtime.desk.submit(command)

    answer = await with_password(
        runtime, account_id=account_id, phone=phone, password=password, source=source, sms_code=sms_code, submit=submit
    )
    if answer.repeated or answer.transaction.state is not TransactionState.FUNDING:
        return answer
    told = await ask_bank(runtime, new.id, first=True)
    return answer if told is None else answer._replace(transaction=told)


async def ask_bank(runtime: Runtime, request_id: UUID, *, first: bool = False) -> Transaction | None:
    """Send a card top-up's request, or ask what became of it, and record the answer; the top-up as it stands then.

    None where there is no such request, or it is settled.
    """
    async with runtime.database.read() as uow:
        request = await get_request(uow, request_id)
        if request is None or request.settled:
            return None
        topup = await get_transaction(uow, request.transaction_id)
        assert topup is not None
        assert topup.account_id is not None
        card = await find_card(uow, CardId.parse(request.subject, field="subject"), account_id=topup.account_id)
        debit = await taking_request(uow, topup.id)
    assert card is not None
    told = await ask_of_debit(runtime, request, debit, card, first=first, event="topup.not_approved")
    command = AnswerCardTopup(
        topup, told.at, request_id, told.outcome, told.due_at, FundingId.new(told.at), give_up=told.give_up
    )
    answered = (await runtime.desk.submit(command)).transaction
    if told.give_up is not None and answered.state is TransactionState.RELEASING:
        return await ask_bank(runtime, told.give_up.id) or answered
    return answered

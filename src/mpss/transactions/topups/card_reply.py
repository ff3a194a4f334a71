"""Top-up from a bound bank card asked for by SMS: the payer is asked, and replies with a code, before the bank is.

The question names the amount and the card's last digits; what is known then is decided anew on the yes.
Spec: CT 5.1; CM 6.4.2. Decision: ADR-0008, ADR-0017.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from mpss.accounts.card_model import CardPurpose
from mpss.accounts.checks import check_state
from mpss.accounts.state import Operation
from mpss.accounts.store import ACCOUNTS
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import CardId, TransactionId
from mpss.kernel.machine import Machine
from mpss.risk.screen import remember, risk_touches
from mpss.risk.store import LISTED
from mpss.runtime import Runtime
from mpss.transactions.funding.bank_request import NewRequest, first_card, new_request
from mpss.transactions.machine import TOPUP, Event
from mpss.transactions.model import Asked, Asking, transaction
from mpss.transactions.notify import Facts, tell
from mpss.transactions.reply import Replying
from mpss.transactions.reply_code import NO_CODE, with_reply_code
from mpss.transactions.store import CONFIRMATIONS, ConfirmationRow, key_taken
from mpss.transactions.topups.card import ask_bank, card_memo, check_card_topup
from mpss.transactions.topups.card_answer import debit
from mpss.transactions.topups.limits import topup_touches

_NO_CARD = UUID(int=0)
"""Of a repeat, which is answered by its key alone."""


class TopupOrder(NamedTuple):
    """What is asked for: into whose wallet, from which card of which bank. Kept with the waiting top-up."""

    account_id: UUID
    amount_fen: int
    card_id: UUID
    bank: str
    last_digits: str


@dataclass(frozen=True, slots=True)
class AskForCardTopup(Asking):
    """A top-up that waits, CONFIRMING, for its payer's reply with `code`."""

    order: TopupOrder
    code: str
    policy: Policy

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield from topup_touches(self.order.account_id, self.asked.channel)
        yield LISTED, self.order.account_id
        yield from risk_touches(self.order.account_id)
        yield LISTED, self.order.card_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        return remember(self._decide(snapshot), snapshot)

    def _decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 6.4.2."""
        order, today, at = self.order, snapshot.business_date, self.asked.at
        account = snapshot[ACCOUNTS].get(order.account_id)
        refusal = check_state(account, Operation.TOP_UP, at=at)
        if account is None or refusal is not None:
            return Decision(self.declined(refusal or ErrorCode.UNKNOWN_ACCOUNT, today))
        if self.code == NO_CODE:
            return Decision(self.declined(ErrorCode.RATE_LIMITED, today), recorded=False)
        counts = check_card_topup(
            account, order.card_id, order.bank, order.amount_fen, snapshot, self.policy, at=at,
            channel=self.asked.channel, proven=True,
        )  # fmt: skip
        if isinstance(counts, ErrorCode):
            return Decision(self.declined(counts, today))
        waiting = self._transaction(TransactionState.CONFIRMING, today)
        expires_at = at + timedelta(seconds=self.policy.confirmation_ttl_seconds)
        confirmation = ConfirmationRow(account.phone, self.code, expires_at, None)
        decision = Decision(waiting, puts=[(CONFIRMATIONS, waiting.id, confirmation)])
        question: Facts = {"amount_fen": order.amount_fen, "card": order.last_digits, "code": self.code}
        tell(decision, account, "confirm_card_topup", question, at=at)
        return decision

    def _transaction(
        self, state: TransactionState, business_date: date, *, refusal: ErrorCode | None = None
    ) -> Transaction:
        order = self.order
        return transaction(
            self.asked,
            TransactionKind.BANK_CARD_TOPUP,
            state,
            business_date,
            amount_fen=order.amount_fen,
            refusal=refusal,
            account_id=order.account_id,
            metadata=card_memo(order.card_id, order.bank),
        )


@dataclass(frozen=True, slots=True)
class ReplyToCardTopup(Replying):
    """Move a top-up that waits for its payer; `new` names the debit that a yes writes down."""

    new: NewRequest

    @property
    def machine(self) -> Machine[TransactionState, Event]:
        return TOPUP

    def own_rows(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        assert self.earlier.account_id is not None
        yield from topup_touches(self.earlier.account_id, self.earlier.channel)
        yield LISTED, self.earlier.account_id
        yield from risk_touches(self.earlier.account_id)
        yield LISTED, self._card[0]

    @property
    def _card(self) -> tuple[UUID, str]:
        """The card that was asked about, and its bank."""
        kept = json.loads(self.earlier.metadata or "{}")
        return CardId.parse(kept["card_id"], field="card_id"), kept["bank"]

    def confirmed(self, waiting: Transaction, snapshot: Snapshot) -> Decision:
        """Spec: CM 6.4.2."""
        assert waiting.account_id is not None
        account = snapshot[ACCOUNTS].get(waiting.account_id)
        refusal = check_state(account, Operation.TOP_UP, at=self.at)
        if account is None or refusal is not None:
            return self.moved(waiting, Event.REFUSE, snapshot, refusal or ErrorCode.UNKNOWN_ACCOUNT)
        card_id, bank = self._card
        counts = check_card_topup(
            account, card_id, bank, waiting.amount_fen, snapshot, self.policy, at=self.at, channel=waiting.channel,
            proven=True,
        )  # fmt: skip
        if isinstance(counts, ErrorCode):
            return self.moved(waiting, Event.REFUSE, snapshot, counts)
        decision = self.moved(waiting, Event.CONFIRM, snapshot)
        return debit(decision, bank, card_id, self.new, counts, self.policy, at=self.at)


async def request_card_topup(
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
    """Ask the payer: the top-up waits, CONFIRMING, and an SMS asks `phone` to reply with a code.

    The money is to come from the bound card with these last four digits, or from the one that was bound first.

    Refusals: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, RATE_LIMITED, BLACKLISTED, SINGLE_LIMIT_EXCEEDED,
    BALANCE_LIMIT_EXCEEDED, RISK_REFUSED, KEY_REUSED.

    Raises:
        Refused: NOT_FOUND, no bank is connected; UNKNOWN_CARD; BUSY, its bank is not connected.

    Spec: CT 5.1; CM 6.4.2.
    """
    async with runtime.database.read() as uow:
        repeated = await key_taken(uow, caller, key)
    order = TopupOrder(account_id, amount_fen, _NO_CARD, "", last_digits or "")
    if not repeated:
        card, bank = await first_card(runtime, account_id, purpose=CardPurpose.TOP_UP, last_digits=last_digits)
        order = TopupOrder(account_id, amount_fen, card.id, bank.code, card.masked[-4:])
    now = runtime.clock.now()
    body = digest_of(TransactionKind.BANK_CARD_TOPUP, account_id.hex, amount_fen, last_digits)

    async def submit(code: str) -> Answer:
        asked = Asked(TransactionId.new(now), caller, key, body, now, channel)
        return await runtime.desk.submit(AskForCardTopup(asked, order, code, runtime.policy))

    return await with_reply_code(runtime, phone=phone, submit=submit)


async def reply_to_card_topup(
    runtime: Runtime, waiting: Transaction, event: Event, *, at: datetime
) -> ReplyToCardTopup:
    """The command for a payer's answer to a top-up."""
    return ReplyToCardTopup(waiting, at, event, runtime.policy, await new_request(runtime))


async def after_topup_reply(runtime: Runtime, command: ReplyToCardTopup, told: Transaction) -> Transaction:
    """Send what a yes wrote down; the top-up as it stands then."""
    if told.state is not TransactionState.FUNDING:
        return told
    return await ask_bank(runtime, command.new.id, first=True) or told

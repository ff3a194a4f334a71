"""Top-up by a card of the operator's recharge platform (充值平台), beside our own vouchers.

    Dr recharge platform receivable   Cr wallet, restricted (as from our own cards)

The card's worth is looked up first, so that the balance's limit is kept before the card is used up; then the intent is
committed, the card consumed, the answer recorded (`outside`). A wrong card counts as a wrong voucher password.
Spec: CT 5.1, 5.2; CM 6.4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from mpss.accounts.checks import check_voucher_tries
from mpss.accounts.model import AccountRow
from mpss.accounts.queries import overview
from mpss.accounts.state import Operation, refusal_in
from mpss.accounts.store import USAGE
from mpss.config import Policy
from mpss.desk.model import Answer, Decision, Snapshot, TransactionKind, TransactionState, digest_of
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId, FundingId, TransactionId
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.ledger.post import BALANCES
from mpss.ports.recharge_card import UNKNOWN_CARD, CardConsumption, RechargeCardPort
from mpss.runtime import Runtime
from mpss.transactions.funding.again import leased_until
from mpss.transactions.funding.store import FUNDING_REQUESTS, get_request
from mpss.transactions.model import Asked
from mpss.transactions.store import key_taken
from mpss.transactions.topups.ask import record_answer
from mpss.transactions.topups.command import ToppingUp, count_wrong_card, forget_wrong_cards
from mpss.transactions.topups.limits import check_topup
from mpss.transactions.topups.outside import RECHARGE, REFUSALS, new_topup_request
from mpss.vouchers.digests import candidate_digests

_LONGEST = 40


@dataclass(frozen=True, slots=True)
class RechargeTopupCommand(ToppingUp):
    """`worth` is what the platform said of the card, None where it was not asked."""

    kind: ClassVar = TransactionKind.RECHARGE_TOPUP

    worth: Outcome | None
    request_id: UUID
    policy: Policy

    def topped_up(self, account: AccountRow, snapshot: Snapshot) -> Decision:
        """Spec: CT 5.2; CM 6.4.3."""
        today = snapshot.business_date
        refusal = check_voucher_tries(snapshot[USAGE][account.id], self.policy)
        if refusal is not None:
            return Decision(self.declined(refusal, today), recorded=False)
        balance_fen = snapshot[BALANCES][account.ledger_account_id].balance_fen
        match self.worth:
            case Approved(content=face):
                return self._intend(account, int(face), snapshot)
            case Declined(reason=reason) if reason == UNKNOWN_CARD:
                declined = self.declined(ErrorCode.UNKNOWN_VOUCHER, today)
                return count_wrong_card(declined, account, snapshot, self.policy, at=self.asked.at)
            case Declined(reason=reason):
                return Decision(self.declined(REFUSALS.get(reason, ErrorCode.FUNDING_DECLINED), today))
            case InDoubt():
                return Decision(self.declined(ErrorCode.BUSY, today), recorded=False)
            case None:
                full = balance_fen >= self.policy.balance_limit_fen
                code = ErrorCode.BALANCE_LIMIT_EXCEEDED if full else ErrorCode.BUSY
                return Decision(self.declined(code, today), recorded=False)

    def _intend(self, account: AccountRow, face_fen: int, snapshot: Snapshot) -> Decision:
        counts = check_topup(account, face_fen, snapshot, self.policy, at=self.asked.at, channel=self.asked.channel)
        if isinstance(counts, ErrorCode):
            return Decision(self.declined(counts, snapshot.business_date))
        topup = self.made(TransactionState.FUNDING, snapshot.business_date, face_fen)
        due_at = leased_until(self.asked.at, self.policy)
        request = new_topup_request(topup, account.phone, due_at=due_at)
        decision = Decision(topup, puts=[(FUNDING_REQUESTS, self.request_id, request), *counts])
        return forget_wrong_cards(decision, account, snapshot)


async def top_up_by_recharge_card(
    runtime: Runtime, *, account_id: UUID, key: str, card_number: str, channel: str, caller: str | None = None
) -> Answer:
    """Turn a card of the recharge platform into money in the wallet.

    FUNDING and IN_DOUBT mean that the platform has not said yet; the customer is told by SMS. `caller` scopes the key;
    None is the account itself.

    Refusals: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, VOUCHER_BARRED, UNKNOWN_VOUCHER, VOUCHER_USED, VOUCHER_NOT_ACTIVE,
    BALANCE_LIMIT_EXCEEDED, FUNDING_DECLINED, KEY_REUSED; BUSY where the platform does not answer, nothing used up.

    Raises:
        MalformedField: `card_number` is not of the form that the settings say.
        Refused: NOT_FOUND, no recharge platform is connected.

    Spec: CT 5.2; CM 6.4.3.
    """
    number = parse_card_number(runtime, card_number)
    port = runtime.ports.recharge_card
    if port is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="no recharge platform is connected")
    now = runtime.clock.now()
    account = str(AccountId.from_uuid(account_id))
    asked = Asked(
        TransactionId.new(now),
        f"account:{account}" if caller is None else caller,
        key,
        digest_of(TransactionKind.RECHARGE_TOPUP, account, candidate_digests(runtime.ports.key_store, number)[0]),
        now,
        channel,
    )
    worth = await _worth(runtime, port, asked, account_id, number)
    command = RechargeTopupCommand(asked, account_id, worth, FundingId.new(now), runtime.policy)
    answer = await runtime.desk.submit(command)
    if answer.repeated or answer.transaction.state is not TransactionState.FUNDING:
        return answer
    topup = answer.transaction
    assert isinstance(worth, Approved)
    async with runtime.database.read() as uow:
        request = await get_request(uow, command.request_id)
    assert request is not None
    outcome = await port.consume(
        CardConsumption(request.session, number, request.subject, request.amount_fen),
        timeout_seconds=runtime.policy.recharge_timeout_seconds,
    )
    told = await record_answer(runtime, topup, command.request_id, outcome, counterpart=RECHARGE, attempts=1)
    return answer._replace(transaction=told)


async def _worth(
    runtime: Runtime, port: RechargeCardPort, asked: Asked, account_id: UUID, number: str
) -> Outcome | None:
    """What the card is worth; None where the answer is known without asking: a repeat, a full or barred wallet."""
    async with runtime.database.read() as uow:
        if await key_taken(uow, asked.caller, asked.key):
            return None
    seen = await overview(runtime, account_id=account_id)
    full = seen.balance_fen >= runtime.policy.balance_limit_fen
    if full or seen.voucher_barred or refusal_in(seen.state, Operation.TOP_UP):
        return None
    return await port.check(
        number, reference=TransactionId.outside(asked.id), timeout_seconds=runtime.policy.recharge_timeout_seconds
    )


def parse_card_number(runtime: Runtime, text: str, *, field: str = "card_number") -> str:
    """The digits of a card of the recharge platform's form; spaces and hyphens between them are taken out.

    Raises:
        MalformedField: it is something else, naming `field`.
    """
    settings = runtime.settings
    digits = text.replace(" ", "").replace("-", "") if len(text) <= _LONGEST else ""
    right = digits.isascii() and digits.isdigit() and len(digits) == settings.recharge_card_digits
    if not right or not digits.startswith(settings.recharge_card_prefix):
        problem = f"must be {settings.recharge_card_digits} digits that begin with {settings.recharge_card_prefix}"
        raise MalformedField(field=field, problem=problem)
    return digits

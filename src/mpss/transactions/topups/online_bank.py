"""Top-up by online banking (网银转账充值): the browser goes to the bank's gateway, the money comes by callback.

    Dr online-bank money in transit   Cr wallet, withdrawable

The balance's limit is checked before the browser is sent. Whoever comes first says what became of the order: the
gateway's signed callback, or the job's inquiry; past its end the order is closed at the gateway. Where the browser
lands says nothing. Spec: CT 5.1, 5.2; CM 6.4.5, 9.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, NamedTuple
from uuid import UUID

from mpss.accounts.model import AccountRow
from mpss.config import Policy
from mpss.desk.model import Answer, Decision, Snapshot, TransactionKind, TransactionState, digest_of
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId, FundingId, TransactionId
from mpss.kernel.outcome import Approved, Outcome
from mpss.observability import log
from mpss.ports.online_bank import OnlineBankOrder
from mpss.runtime import Runtime
from mpss.transactions.funding.store import FUNDING_REQUESTS, get_request
from mpss.transactions.model import Asked
from mpss.transactions.queries import get_transaction
from mpss.transactions.topups.ask import record_answer
from mpss.transactions.topups.command import ToppingUpBy
from mpss.transactions.topups.limits import check_topup
from mpss.transactions.topups.outside import ONLINE_BANK, new_topup_request
from mpss.transactions.topups.store import request_by_session

_FIRST_INQUIRY = timedelta(seconds=30)
_DESCRIPTION = "手机支付账户充值"


@dataclass(frozen=True, slots=True)
class OnlineBankTopupCommand(ToppingUpBy):
    kind: ClassVar = TransactionKind.ONLINE_BANK_TOPUP

    request_id: UUID
    policy: Policy

    def topped_up(self, account: AccountRow, snapshot: Snapshot) -> Decision:
        """Spec: CM 6.4.5, 9.3."""
        today = snapshot.business_date
        counts = check_topup(
            account, self.amount_fen, snapshot, self.policy, at=self.asked.at, channel=self.asked.channel,
            watched=self.asked.watched,
        )  # fmt: skip
        if isinstance(counts, ErrorCode):
            return Decision(self.declined(counts, today))
        topup = self.made(TransactionState.FUNDING, today, self.amount_fen)
        request = new_topup_request(topup, account.phone, due_at=self.asked.at + _FIRST_INQUIRY)
        return Decision(topup, puts=[(FUNDING_REQUESTS, self.request_id, request), *counts])


class Redirected(NamedTuple):
    """`address` is where to send the browser, None where there is nothing to pay, or no more time to."""

    answer: Answer
    address: str | None


async def request_online_bank_topup(
    runtime: Runtime, *, account_id: UUID, key: str, amount_fen: int, channel: str, watched: bool = False
) -> Redirected:
    """Write the order down and sign the address that the browser is sent to.

    A repeat signs the same order again while it can be paid. `watched`: it comes from an address on the grey list.

    Refusals: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, SINGLE_LIMIT_EXCEEDED, BALANCE_LIMIT_EXCEEDED, KEY_REUSED.

    Raises:
        MalformedField: `amount_fen` is not above zero.
        Refused: NOT_FOUND, no online bank is connected.

    Spec: CM 6.4.5.
    """
    if amount_fen <= 0:
        raise MalformedField(field="amount_fen", problem="must be above zero")
    port = runtime.ports.online_bank
    if port is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="no online bank is connected")
    now = runtime.clock.now()
    account = str(AccountId.from_uuid(account_id))
    digest = digest_of(TransactionKind.ONLINE_BANK_TOPUP, account, amount_fen)
    asked = Asked(TransactionId.new(now), f"account:{account}", key, digest, now, channel, watched=watched)
    answer = await runtime.desk.submit(
        OnlineBankTopupCommand(asked, account_id, amount_fen, FundingId.new(now), runtime.policy)
    )
    topup = answer.transaction
    left = topup.created_at + timedelta(seconds=runtime.policy.online_bank_order_seconds) - now
    if topup.state is not TransactionState.FUNDING or left <= timedelta():
        return Redirected(answer, None)
    order = OnlineBankOrder(TransactionId.outside(topup.id), topup.amount_fen, _DESCRIPTION, int(left.total_seconds()))
    return Redirected(answer, port.address_of(order))


async def take_callback(runtime: Runtime, headers: Mapping[str, str], body: bytes) -> None:
    """Record what the gateway says became of an order; said again, it changes nothing.

    An order that we do not know, or that was paid by another amount, moves nothing: it is logged, and the inquiry and
    an operator see to it.

    Raises:
        SignatureInvalid: the gateway did not sign it.
        MalformedField: it says nothing that can be understood.
        Refused: NOT_FOUND, no online bank is connected.

    Spec: CM 6.4.5.
    """
    port = runtime.ports.online_bank
    if port is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="no online bank is connected")
    told = port.read_callback(headers, body)
    async with runtime.database.read() as uow:
        request_id = await request_by_session(uow, ONLINE_BANK, told.order_no)
        request = None if request_id is None else await get_request(uow, request_id)
        topup = None if request is None else await get_transaction(uow, request.transaction_id)
    if request_id is None or request is None or topup is None:
        log.warning("online_bank.unknown_order", order_no=told.order_no)
        return
    if told.amount_fen != topup.amount_fen:
        log.warning("online_bank.other_amount", order_no=told.order_no, said_fen=told.amount_fen)
        return
    outcome: Outcome = told.outcome
    if request.settled:
        if isinstance(outcome, Approved) and topup.state is TransactionState.DECLINED:
            log.warning("online_bank.paid_after_all", order_no=told.order_no)
        return
    await record_answer(runtime, topup, request_id, outcome, counterpart=ONLINE_BANK, attempts=request.attempts)

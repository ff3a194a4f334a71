"""Withdrawals under random requests and answers, without a database: what an auditor asks of any walk (CM 5.3.3)."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import NamedTuple

from hypothesis import given
from hypothesis.strategies import SearchStrategy, builds, integers, lists, one_of, sampled_from

from mpss.accounts.limit_store import WITHDRAWN
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.desk.batch import decide_all
from mpss.desk.model import Command, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.desk.store import TRANSACTIONS
from mpss.fees.model import Schedule
from mpss.fees.store import FEES
from mpss.kernel.ids import CardId, FundingId, TransactionId
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.ledger.chart import FEE_INCOME, WITHDRAWALS_IN_TRANSIT
from mpss.ledger.holds import HOLDS
from mpss.ledger.machine import HoldState
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES
from mpss.transactions.funding.bank_request import NewRequest, reference_of
from mpss.transactions.funding.store import FUNDING_REQUESTS
from mpss.transactions.model import Asked, Proof
from mpss.transactions.transfers.terms import Order
from mpss.transactions.transfers.transfer import TransferCommand
from mpss.transactions.withdrawals.answer import AnswerCredit
from mpss.transactions.withdrawals.end import ReturnWithdrawal
from mpss.transactions.withdrawals.model import Mode, WithdrawalOrder
from mpss.transactions.withdrawals.payment_answer import AnswerOrder
from mpss.transactions.withdrawals.store import WITHDRAWALS
from mpss.transactions.withdrawals.withdrawal import WithdrawCommand
from mpss.wire.pain import OrderStatus
from tests.support.clauses import clause
from tests.support.instants import NOON, TODAY
from tests.support.sales import KEY_VERSION, PAYER, RIGHT, USED, WRONG

POLICY = Policy(withdrawal_single_limit_fen=400, withdrawal_daily_limit_fen=900, free_transfer_single_limit_fen=1_000)
START = Balance(1_500, 500, 0)
CARD = CardId.new(NOON)
PENDING = (TransactionState.FUNDING, TransactionState.IN_DOUBT)
OUTCOMES: list[Outcome] = [Approved("1"), Declined("62 restricted"), InDoubt("no answer")]


class Ask(NamedTuple):
    """A request for a withdrawal, or, without a mode, for a transfer to somebody else."""

    amount_fen: int
    mode: Mode | None
    key: int
    right: bool


class Say(NamedTuple):
    """What the bank says of one of the withdrawals there are, the `which`-th."""

    which: int
    outcome: int
    minute: int


class Walk:
    """A wallet's snapshot, every withdrawal on record, and what was posted."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(TODAY)
        self.snapshot[ACCOUNTS][PAYER.id] = PAYER
        self.snapshot[USAGE][PAYER.id] = USED
        self.snapshot[BALANCES][PAYER.ledger_account_id] = START
        self.snapshot[FEES]["withdrawal"] = ((NOON - timedelta(days=1), Schedule(3, 100, 0, 100)),)
        self.known: dict[tuple[str, str], Transaction] = {}
        self.requests: dict[TransactionId, NewRequest] = {}
        self.posted = {WITHDRAWALS_IN_TRANSIT: 0, FEE_INCOME: 0}
        self.sent_fen = 0
        self.numbers = count(1)

    def submit(self, command: Command) -> Transaction:
        (answer,), effects = decide_all([command], self.snapshot, self.known)
        done = answer.transaction
        if not answer.repeated and answer.recorded:
            self.snapshot[TRANSACTIONS][done.id] = done
        for entry, _ in effects.entries:
            for account, amount_fen, _ in entry.postings:
                if account in self.posted:
                    self.posted[account] -= amount_fen
            if entry.kind == TransactionKind.TRANSFER:
                self.sent_fen += max(amount_fen for _, amount_fen, _ in entry.postings)
        return done

    def do(self, step: Ask | Say) -> None:
        if isinstance(step, Ask):
            self.ask(step)
        elif self.requests:
            self.say(step)

    def ask(self, step: Ask) -> None:
        number = next(self.numbers)
        at = NOON + timedelta(milliseconds=number)
        proof = Proof({KEY_VERSION: RIGHT if step.right else WRONG}, False, b"f" * 32, "127.0.0.1")
        body = digest_of(step.amount_fen, step.mode)
        asked = Asked(TransactionId.new(at), "account", str(step.key), body, at, "http")
        if step.mode is None:
            order = Order(PAYER.id, "+8618900000000", None, None, step.amount_fen)
            self.submit(TransferCommand(asked, order, POLICY, proof))
            return
        credit = NewRequest(FundingId.new(at), reference_of(number))
        wanted = WithdrawalOrder(PAYER.id, CARD, "0015", "BEIHU", step.mode, step.amount_fen, None)
        done = self.submit(WithdrawCommand(asked, wanted, credit, POLICY, proof))
        if done.state is TransactionState.FUNDING:
            self.requests.setdefault(done.id, credit)

    def say(self, step: Say) -> None:
        made = list(self.requests)
        identity = made[step.which % len(made)]
        withdrawal, row = self.snapshot[TRANSACTIONS][identity], self.snapshot[WITHDRAWALS][identity]
        at = NOON + timedelta(hours=1, seconds=next(self.numbers))
        command_id = FundingId.new(at)
        if row.mode is Mode.REAL_TIME:
            request_id = self.requests[identity].id
            self.submit(AnswerCredit(withdrawal, at, row, command_id, request_id, OUTCOMES[step.outcome], at))
            return
        said_at = NOON + timedelta(minutes=step.minute)
        status = OrderStatus(identity.hex, ("ACSC", "RJCT", "ACCP")[step.outcome], "")
        told = self.submit(AnswerOrder(withdrawal, at, row, command_id, status, said_at))
        if told.state is TransactionState.SUCCEEDED and status.status == "RJCT":
            asked = Asked(TransactionId.new(at), "platform", str(identity), digest_of(identity.hex), at, "job")
            self.submit(ReturnWithdrawal(asked, told, self.snapshot[WITHDRAWALS][identity], status, said_at))


ASKS: SearchStrategy[Ask | Say] = builds(
    Ask, integers(1, 450), sampled_from([*Mode, *Mode, None]), integers(0, 20), sampled_from([True, True, True, False])
)
SAYS: SearchStrategy[Ask | Say] = builds(Say, integers(0, 9), integers(0, 2), integers(0, 3))


@clause("CM 5.3.3")
@given(steps=lists(one_of(ASKS, SAYS), max_size=40))
def test_held_paid_and_returned_money_is_the_wallets_to_the_fen(steps: list[Ask | Say]) -> None:
    walk = Walk()
    for step in steps:
        walk.do(step)
        balance = walk.snapshot[BALANCES][PAYER.ledger_account_id]
        made = {each: walk.snapshot[TRANSACTIONS][each] for each in walk.requests}
        pending = [each for each in made.values() if each.state in PENDING]
        paid = [each for each in made.values() if each.state is TransactionState.SUCCEEDED]
        open_holds = {
            hold.transaction_id: hold for hold in walk.snapshot[HOLDS].values() if hold.state is HoldState.OPEN
        }
        assert {key: hold.amount_fen for key, hold in open_holds.items()} == {
            each.id: each.amount_fen + each.fee_fen for each in pending
        }
        assert balance.held_fen == sum(hold.amount_fen for hold in open_holds.values())
        # What is held stays there, in the part that may be withdrawn; what may not be is not touched.
        assert balance.restricted_fen == START.restricted_fen
        assert balance.balance_fen - balance.restricted_fen >= balance.held_fen
        assert walk.posted[WITHDRAWALS_IN_TRANSIT] == sum(each.amount_fen for each in paid)
        assert walk.posted[FEE_INCOME] == sum(each.fee_fen for each in paid)
        assert START.balance_fen - balance.balance_fen == sum(walk.posted.values()) + walk.sent_fen
        counted = walk.snapshot[WITHDRAWN].get(PAYER.id)
        asked_fen = sum(each.amount_fen for each in (*pending, *paid))
        assert (0 if counted is None else counted.day_fen) == asked_fen <= POLICY.withdrawal_daily_limit_fen
    for identity, credit in walk.requests.items():
        row, state = walk.snapshot[WITHDRAWALS][identity], walk.snapshot[TRANSACTIONS][identity].state
        assert (row.ended_at is None) == (state in PENDING)
        request = walk.snapshot[FUNDING_REQUESTS].get(credit.id)
        assert (request is None) == (row.mode is Mode.BATCH)
        assert request is None or request.settled == (state not in PENDING)

"""What a transfer is refused with: the order of the checks, and that only withdrawable money goes (CM 5.3.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mpss.accounts.model import AccountRow, Life
from mpss.accounts.payee_model import PayeeRow
from mpss.accounts.payee_store import PAYEES
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.desk.model import Snapshot, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, PayeeId, TransactionId
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES
from mpss.transactions.model import Asked, Proof
from mpss.transactions.transfers.store import SENT, SentRow
from mpss.transactions.transfers.terms import Order
from mpss.transactions.transfers.transfer import TransferCommand
from tests.support.clauses import clause
from tests.support.instants import NOON, TODAY
from tests.support.sales import KEY_VERSION, PAYER, RIGHT, USED, WRONG

PAYEE = PAYER._replace(id=AccountId.new(NOON + timedelta(seconds=1)), phone="+8618912340002", ledger_account_id=100_002)
RELATION = PayeeId.new(NOON)
C = ErrorCode


class Case:
    """A transfer on its way from wholly wrong to right."""

    def __init__(self) -> None:
        self.payer: AccountRow | None = None
        self.phone = PAYER.phone
        self.relation: PayeeRow | None = None
        self.usage = USED._replace(locked_until=NOON + timedelta(hours=1))
        self.digest, self.challenged = WRONG, True
        self.amount_fen = 900
        self.watched = False
        self.sent = SentRow(TODAY, 400, 0)
        self.balance, self.payee_balance = Balance(499, 400, 0), Balance(700, 0, 0)
        self.policy = Policy(
            transfer_single_limit_fen=800,
            transfer_daily_limit_fen=850,
            free_transfer_single_limit_fen=0,
            free_transfer_daily_limit_fen=0,
            balance_limit_fen=1_000,
        )

    def refusal(self) -> ErrorCode | None:
        snapshot = Snapshot(TODAY)
        if self.payer is not None:
            snapshot[ACCOUNTS][PAYER.id] = self.payer
        snapshot[ACCOUNTS][PAYEE.id] = PAYEE
        snapshot[USAGE].update({PAYER.id: self.usage, PAYEE.id: USED})
        snapshot[BALANCES].update({PAYER.ledger_account_id: self.balance, PAYEE.ledger_account_id: self.payee_balance})
        snapshot[SENT][PAYER.id] = self.sent
        if self.relation is not None:
            snapshot[PAYEES][RELATION] = self.relation
        order = Order(PAYER.id, self.phone, PAYEE.id, RELATION, self.amount_fen)
        proof = Proof({KEY_VERSION: self.digest}, self.challenged, b"f" * 32, "127.0.0.1")
        asked = Asked(TransactionId.new(NOON), "account:payer", "k", b"", NOON, "http", watched=self.watched)
        decision = TransferCommand(asked, order, self.policy, proof).decide(snapshot)
        assert (decision.entry is None) == (decision.transaction.state is TransactionState.DECLINED)
        return decision.transaction.refusal

    def relate(self, *, cooling: bool) -> None:
        from_ = NOON + timedelta(hours=1 if cooling else 0)
        self.relation = PayeeRow(PAYER.id, PAYEE.phone, 300, 350, from_, None, TODAY, 100)


def sets(**values: object) -> Callable[[Case], None]:
    def mend(case: Case) -> None:
        for name, value in values.items():
            setattr(case, name, value)

    return mend


STEPS: list[tuple[ErrorCode, Callable[[Case], None]]] = [
    (C.UNKNOWN_ACCOUNT, sets(payer=PAYER._replace(life=Life.PENDING))),
    (C.SELF_TRANSFER, sets(phone=PAYEE.phone)),
    (C.ACCOUNT_NOT_ACTIVE, sets(payer=PAYER)),
    (C.PAYEE_REQUIRED, lambda case: case.relate(cooling=True)),
    (C.PAYEE_COOLING, lambda case: case.relate(cooling=False)),
    (C.PASSWORD_LOCKED, sets(usage=USED)),
    (C.CHALLENGE_REQUIRED, sets(challenged=False)),
    (C.WRONG_PASSWORD, sets(digest=RIGHT)),
    (C.SINGLE_LIMIT_EXCEEDED, sets(amount_fen=500)),
    (C.SINGLE_LIMIT_EXCEEDED, sets(amount_fen=300)),
    (C.DAILY_LIMIT_EXCEEDED, sets(amount_fen=250, sent=SentRow(TODAY, 601, 0))),
    (C.DAILY_LIMIT_EXCEEDED, sets(amount_fen=251, sent=SentRow(TODAY - timedelta(days=1), 800, 800))),
    (C.DAILY_LIMIT_EXCEEDED, sets(amount_fen=250, payee_balance=Balance(751, 0, 0))),
    (C.BALANCE_LIMIT_EXCEEDED, sets(payee_balance=Balance(750, 0, 0))),
    (C.INSUFFICIENT_FUNDS, sets(balance=Balance(650, 400, 0))),
]


@clause("CM 5.3.2")
class TestRefusals:
    def test_come_in_the_order_of_the_checks(self) -> None:
        case, refusals = Case(), []
        for _, mend in STEPS:
            refusals.append(case.refusal())
            mend(case)
        assert refusals == [code for code, _ in STEPS]
        assert case.refusal() is None

    @clause("CM 9.6")
    def test_take_a_share_of_the_limit_at_once_from_a_place_on_the_grey_list(self) -> None:
        case = Case()
        for _, mend in STEPS:
            mend(case)
        case.watched, case.policy = True, replace(case.policy, grey_limit_percent=31)
        refusals = []
        for case.amount_fen in (248, 249):  # 31 % of 800 is 248.
            refusals.append(case.refusal())
        assert refusals == [None, C.SINGLE_LIMIT_EXCEEDED]

    @pytest.mark.parametrize(
        ("balance", "refusal"),
        [
            (Balance(250, 0, 0), None),
            (Balance(10_000, 9_751, 0), C.INSUFFICIENT_FUNDS),
            (Balance(10_000, 9_750, 0), None),
            (Balance(10_000, 0, 9_751), C.INSUFFICIENT_FUNDS),
            (Balance(10_000, 9_750, 1), C.INSUFFICIENT_FUNDS),
            (Balance(10_000, 5_000, 4_750), None),
        ],
    )
    def test_take_no_money_that_may_not_be_withdrawn_or_is_held(
        self, balance: Balance, refusal: ErrorCode | None
    ) -> None:
        case = Case()
        for _, mend in STEPS:
            mend(case)
        case.balance = balance
        assert case.refusal() is refusal

    def test_let_a_relation_of_somebody_else_or_a_dissolved_one_count_for_nothing(self) -> None:
        case = Case()
        for _, mend in STEPS:
            mend(case)
        assert case.relation is not None
        for wrong in (
            case.relation._replace(account_id=PAYEE.id),
            case.relation._replace(phone="+8618912340003"),
            case.relation._replace(dissolved_at=NOON),
        ):
            case.relation = wrong
            assert case.refusal() is C.PAYEE_REQUIRED
        case.policy = replace(case.policy, free_transfer_single_limit_fen=250, free_transfer_daily_limit_fen=250)
        assert case.refusal() is None

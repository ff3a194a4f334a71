"""The order of the checks is one list for all flows (docs/architecture.md, 2): the first that fails is the answer.

A sale with everything wrong is mended one thing at a time; what it is refused with must be the list, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from mpss.accounts.model import FreezeKind, Life, Loss
from mpss.catalog.model import ProductState, Scope, StockRow
from mpss.desk.batch import decide_all
from mpss.desk.model import Snapshot, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.ledger.model import Balance
from mpss.merchants.model import MerchantState
from mpss.risk.model import Listed
from mpss.risk.rule_store import EVERY_RULE, RECENT, RULE_VERSIONS, Recent
from mpss.risk.rules import Action, RuleBook, RuleVersion, milliseconds
from mpss.risk.store import LISTED
from mpss.transactions.purchases.purchase import PurchaseCommand
from mpss.transactions.store import MERCHANT_ORDERS, MerchantOrderRow, order_key
from tests.support.clauses import clause
from tests.support.instants import NOON
from tests.support.sales import KIOSK, PAYER, POLICY, RIGHT, TEA, TEA_FOR_PAYER, USED, WRONG, World, purchase_of

C = ErrorCode
ORDER_NO = "A-1"
LOCKED = USED._replace(locked_until=NOON + timedelta(hours=1))

ALL_WRONG = World(
    account=PAYER._replace(
        life=Life.CLOSED,
        freezes=(FreezeKind.LAW, FreezeKind.RISK, FreezeKind.USER),
        loss=Loss.WRITTEN,
        boss_stopped=True,
        document_expired_since=NOON,
        dormant_since=NOON,
        daily_limit_fen=100,
        home_province="BJ",
    ),
    usage=LOCKED,
    balance=Balance(0, 0, 0),
    merchant=KIOSK._replace(state=MerchantState.SUSPENDED, single_limit_fen=100),
    product=TEA._replace(state=ProductState.WITHDRAWN, scope=Scope.LOCAL, price_fen=600_000),
    stock=StockRow(0, True),
)
WRONG_SALE = TEA_FOR_PAYER._replace(price_fen=1, fee_fen=1, merchant_order_no=ORDER_NO)


class Case:
    """A sale on its way from wholly wrong to right."""

    def __init__(self) -> None:
        self.world = ALL_WRONG.but(account=None, merchant=None, product=None)
        self.account, self.merchant, self.product = ALL_WRONG.account, ALL_WRONG.merchant, ALL_WRONG.product
        self.sale = WRONG_SALE
        self.digest = WRONG
        self.challenged = True
        self.order_taken = True
        self.listed = True
        self.risky = True

    def snapshot(self) -> Snapshot:
        snapshot = self.world.snapshot()
        if self.order_taken:
            snapshot[MERCHANT_ORDERS][order_key(KIOSK.id, ORDER_NO)] = MerchantOrderRow(TEA.id, NOON)
        if self.listed:
            snapshot[LISTED][PAYER.id] = Listed(black=True, grey=False)
        if self.risky:
            always = RuleVersion("velocity", Action.REFUSE, True, {"count": 1, "minutes": 1}, NOON)
            snapshot[RULE_VERSIONS][EVERY_RULE] = RuleBook((always,))
            snapshot[RECENT][PAYER.id] = Recent(milliseconds(NOON), None, ())
        return snapshot

    def command(self) -> PurchaseCommand:
        return purchase_of(self.sale, digest=self.digest, challenged=self.challenged)

    def set_world(self, **changes: object) -> None:
        self.world = self.world.but(**changes)

    def account_is(self, **changes: object) -> None:
        assert self.account is not None
        self.account = self.account._replace(**changes)  # type: ignore[arg-type]
        self.set_world(account=self.account)

    def merchant_is(self, **changes: object) -> None:
        assert self.merchant is not None
        self.merchant = self.merchant._replace(**changes)  # type: ignore[arg-type]
        self.set_world(merchant=self.merchant)

    def product_is(self, **changes: object) -> None:
        assert self.product is not None
        self.product = self.product._replace(**changes)  # type: ignore[arg-type]
        self.set_world(product=self.product)

    def sale_is(self, **changes: object) -> None:
        self.sale = self.sale._replace(**changes)  # type: ignore[arg-type]

    def mend_digest(self) -> None:
        self.digest = RIGHT

    def free_order(self) -> None:
        self.order_taken = False

    def calm(self) -> None:
        self.risky = False

    def unlist(self) -> None:
        self.listed = False

    def unchallenge(self) -> None:
        self.challenged = False


Mend = Callable[[Case], None]

STEPS: list[tuple[ErrorCode, Mend]] = [
    (C.DUPLICATE_ORDER, Case.free_order),
    (C.UNKNOWN_ACCOUNT, Case.account_is),
    (C.UNKNOWN_MERCHANT, Case.merchant_is),
    (C.UNKNOWN_PRODUCT, Case.product_is),
    (C.OUT_OF_SCOPE, lambda case: case.account_is(home_province="GD")),
    (C.ACCOUNT_CLOSED, lambda case: case.account_is(life=Life.PRE_CLOSED)),
    (C.ACCOUNT_CLOSING, lambda case: case.account_is(life=Life.PENDING)),
    (C.FROZEN_BY_LAW, lambda case: case.account_is(freezes=(FreezeKind.RISK, FreezeKind.USER))),
    (C.LOSS_WRITTEN, lambda case: case.account_is(loss=Loss.ORAL, loss_until=NOON + timedelta(days=5))),
    (C.LOSS_ORAL, lambda case: case.account_is(loss=Loss.NONE, loss_until=None)),
    (C.FROZEN_FOR_RISK, lambda case: case.account_is(freezes=(FreezeKind.USER,))),
    (C.FROZEN_BY_USER, lambda case: case.account_is(freezes=())),
    (C.NUMBER_STOPPED, lambda case: case.account_is(boss_stopped=False)),
    (C.ACCOUNT_NOT_ACTIVE, lambda case: case.account_is(life=Life.ACTIVE)),
    (C.DOCUMENT_EXPIRED, lambda case: case.account_is(document_expired_since=None)),
    (C.ACCOUNT_DORMANT, lambda case: case.account_is(dormant_since=None)),
    (C.MERCHANT_NOT_ACTIVE, lambda case: case.merchant_is(state=MerchantState.CLOSING)),
    (C.MERCHANT_CLOSING, lambda case: case.merchant_is(state=MerchantState.ACTIVE)),
    (C.PRODUCT_NOT_ON_SALE, lambda case: case.product_is(state=ProductState.PUBLISHED)),
    (C.PASSWORD_LOCKED, lambda case: case.set_world(usage=USED)),
    (C.CHALLENGE_REQUIRED, Case.unchallenge),
    (C.WRONG_PASSWORD, Case.mend_digest),
    (C.BLACKLISTED, Case.unlist),
    (C.SINGLE_LIMIT_EXCEEDED, lambda case: case.product_is(price_fen=2500)),
    (C.DAILY_LIMIT_EXCEEDED, lambda case: case.account_is(daily_limit_fen=POLICY.single_limit_fen)),
    (C.MERCHANT_LIMIT_EXCEEDED, lambda case: case.merchant_is(single_limit_fen=None)),
    (C.RISK_REFUSED, Case.calm),
    (C.PRICE_CHANGED, lambda case: case.sale_is(price_fen=2500)),
    (C.OUT_OF_STOCK, lambda case: case.set_world(stock=StockRow(1, True))),
    (C.PRICE_CHANGED, lambda case: case.sale_is(fee_fen=15)),
    (C.INSUFFICIENT_FUNDS, lambda case: case.set_world(balance=Balance(2515, 0, 0))),
]


class TestTheOrderOfChecks:
    @clause("CT 5.3")
    def test_is_kept_from_wholly_wrong_to_right(self) -> None:
        case = Case()
        refusals = []
        for _, mend in STEPS:
            refusals.append(case.command().decide(case.snapshot()).transaction.refusal)
            mend(case)
        assert refusals == [code for code, _ in STEPS]
        paid = case.command().decide(case.snapshot()).transaction
        assert (paid.state, paid.refusal) == (TransactionState.SUCCEEDED, None)

    def test_asks_first_whether_the_key_was_used(self) -> None:
        case = Case()
        first = purchase_of(key="k1")
        known = {(first.caller, first.key): first.decide(World().snapshot()).transaction}
        answers, effects = decide_all([case.command()], case.snapshot(), known)
        assert answers[0].transaction.refusal is C.KEY_REUSED
        assert not effects.dirty
        assert not effects.inserts

    @pytest.mark.parametrize("step", range(len(STEPS)))
    def test_leaves_nothing_but_the_record_and_the_count_of_a_wrong_try(self, step: int) -> None:
        case = Case()
        for _, mend in STEPS[:step]:
            mend(case)
        decision = case.command().decide(case.snapshot())
        code = decision.transaction.refusal
        assert decision.transaction.state is TransactionState.DECLINED
        assert decision.entry is None
        written = [rows.name for rows, _, _ in decision.puts if rows is not RECENT]
        assert written == (["account_usage"] if code is C.WRONG_PASSWORD else [])
        assert [rows.name for rows, _ in decision.inserts] == (["password_failure"] if code is C.WRONG_PASSWORD else [])
        of_authentication = code in {C.PASSWORD_LOCKED, C.CHALLENGE_REQUIRED, C.WRONG_PASSWORD}
        assert decision.recorded is not of_authentication

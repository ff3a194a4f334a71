"""The desk's decisions against a model of plain dicts, written from the rules and not from the code.

Random batches of every flow, over days, on a snapshot that lives as the database does. The model says beforehand what
each command must be answered, code for code; afterwards balances, parts, limits, stock and states must be its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import SearchStrategy, builds, integers, lists, none, one_of, sampled_from

from mpss.accounts.model import UsageRow
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.catalog.model import Scope, StockRow
from mpss.catalog.store import PRODUCTS, STOCK
from mpss.desk.batch import decide_all
from mpss.desk.model import Answer, Command, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.fees.model import Schedule
from mpss.fees.store import FEES
from mpss.kernel.ids import AccountId, ProductId, VoucherBatchId
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES
from mpss.merchants.store import MERCHANTS
from mpss.transactions.confirm import ReplyToPurchase
from mpss.transactions.machine import Event
from mpss.transactions.purchases.purchase import PurchaseCommand
from mpss.transactions.purchases.reversal import ReversalCommand
from mpss.transactions.purchases.sale import Sale
from mpss.transactions.topups.cash import CashTopupCommand, UndoCommand
from mpss.transactions.topups.voucher import VoucherTopupCommand
from mpss.vouchers.model import BatchState, VoucherRow
from mpss.vouchers.store import VOUCHERS
from tests.support.instants import NOON, TODAY
from tests.support.rule_book import (
    CARD_FEN,
    CARDS,
    DAILY_FEN,
    MONEY_AT_FIRST,
    PEOPLE,
    POLICY,
    PRICES,
    RESTRICTED_AT_FIRST,
    STOCK_AT_FIRST,
    Do,
    Model,
    Said,
)
from tests.support.sales import KIOSK, PAYER, RIGHT, TEA, WRONG, asked, purchase_of

S = TransactionState
PERSONS = [
    PAYER._replace(id=AccountId.new(NOON), ledger_account_id=100_000 + n, daily_limit_fen=DAILY_FEN)
    for n in range(PEOPLE)
]
GOODS = {
    1: TEA._replace(id=ProductId.new(NOON), price_fen=PRICES[1], scope=Scope.NATIONAL),
    2: TEA._replace(id=ProductId.new(NOON), price_fen=PRICES[2], scope=Scope.NATIONAL, has_stock=False),
}
CARD_DIGESTS = [bytes([n]) * 32 for n in range(CARDS)]


STEPS: SearchStrategy[Do] = builds(
    Do,
    what=sampled_from(["buy", "buy", "buy", "ask", "yes", "no", "lapse", "reverse", "reverse", "cash", "undo", "card"]),
    person=integers(0, PEOPLE - 1),
    key=one_of(integers(0, 9), integers(10, 10**6), integers(10, 10**6)),
    goods=integers(0, 2),
    quantity=integers(1, 4),
    amount_fen=one_of(integers(1, 900), integers(1, 5_500)),
    right=sampled_from([True] * 9 + [False]),
    order=one_of(none(), none(), integers(0, 4)),
    which=one_of(integers(0, 5), integers(0, 30)),
)


class TheDesk(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.snapshot = Snapshot(TODAY)
        self.known: dict[tuple[str, str], Transaction] = {}
        self.snapshot[MERCHANTS][KIOSK.id] = KIOSK
        self.snapshot[FEES]["purchase"] = ((NOON - timedelta(days=1), Schedule(0, 50, 1, 10**6)),)
        for product in GOODS.values():
            self.snapshot[PRODUCTS][product.id] = product
        self.snapshot[STOCK][GOODS[1].id] = StockRow(STOCK_AT_FIRST, True)
        for person in PERSONS:
            self.snapshot[ACCOUNTS][person.id] = person
            self.snapshot[USAGE][person.id] = UsageRow(TODAY, 0, 0, TODAY, 0, 0, 0, None)
            self.snapshot[BALANCES][person.ledger_account_id] = Balance(MONEY_AT_FIRST, RESTRICTED_AT_FIRST, 0)
        for digest in CARD_DIGESTS:
            batch = VoucherBatchId.new(NOON)
            self.snapshot[VOUCHERS][digest] = VoucherRow(
                digest, batch, "1", CARD_FEN, BatchState.ACTIVATED, TODAY + timedelta(days=99), None, None, None
            )

    @property
    def now(self) -> datetime:
        return NOON + timedelta(days=self.model.day)

    @rule(steps=lists(STEPS, min_size=1, max_size=12))
    def serve(self, steps: list[Do]) -> None:
        """What each must be answered is asked of the model in turn; what the flows read before is the same for all."""
        before = dict(self.snapshot[TRANSACTIONS])
        orders = dict(self.model.orders)
        commands = [made for step in steps if (made := self._command(step, before, orders)) is not None]
        expected = [self.model.expect(step, command) for step, command in commands]
        answers, effects = decide_all([command for _, command in commands], self.snapshot, self.known)
        for recorded in effects.recorded:
            self.snapshot[TRANSACTIONS].setdefault(recorded.id, recorded)
        for (step, _), answer, said in zip(commands, answers, expected, strict=True):
            assert _said(answer) == said, step

    @rule(patience=integers(0, 3))
    def next_day(self, patience: int) -> None:
        if patience:
            return
        self.model.day += 1
        self.snapshot.business_date = self.model.today
        for someone in self.model.people:
            someone.wrong_today, someone.locked_today = 0, False

    @invariant()
    def the_rows_are_the_models(self) -> None:
        for person, someone in zip(PERSONS, self.model.people, strict=True):
            balance = self.snapshot[BALANCES][person.ledger_account_id]
            assert balance == Balance(someone.balance, someone.restricted, 0)
            assert 0 <= someone.restricted <= someone.balance
            usage = self.snapshot[USAGE][person.id]
            assert (usage.day, usage.spent_fen) == (someone.spent_day, someone.spent)
            assert usage.wrong_in_a_row == someone.wrong_in_a_row
            assert usage.voucher_wrong == someone.card_wrong
        assert self.snapshot[STOCK][GOODS[1].id].available == self.model.stock >= 0
        for identity, sold in self.model.sold.items():
            found = self.snapshot[TRANSACTIONS][identity]
            assert found.state == sold.state
            if sold.state in ("SUCCEEDED", "REVERSED") and found.kind is TransactionKind.PURCHASE:
                assert (found.amount_fen, found.fee_fen, found.restricted_fen) == (
                    sold.amount,
                    sold.fee,
                    sold.restricted,
                )

    def _command(
        self, step: Do, before: dict[UUID, Transaction], orders: dict[int, UUID | None]
    ) -> tuple[Do, Command] | None:
        """The step as its flow would hand it in, from what was committed before the batch."""
        person = PERSONS[step.person]
        key = str(step.key)
        match step.what:
            case "buy" | "ask":
                goods = GOODS.get(step.goods)
                free = goods is None
                sale = Sale(
                    person.id, KIOSK.id, None if goods is None else goods.id, 0 if free else step.quantity,
                    step.amount_fen if free else None, None, None if step.order is None else str(step.order),
                )  # fmt: skip
                if step.what == "buy":
                    digest = RIGHT if step.right else WRONG
                    caller = f"person {step.person}"
                    return step, purchase_of(sale, key=key, digest=digest, policy=POLICY, at=self.now, caller=caller)
                head = asked(key, ("ask", sale), caller="kiosk", at=self.now)
                return step, PurchaseCommand(head, sale, POLICY, confirm_code=head.id.hex)
            case "yes" | "no" | "lapse":
                waiting = [made for made in before.values() if made.first_state is S.CONFIRMING]
                if not waiting:
                    return None
                event = {"yes": Event.CONFIRM, "no": Event.CANCEL, "lapse": Event.LAPSE}[step.what]
                return step, ReplyToPurchase(waiting[step.which % len(waiting)], self.now, event, POLICY)
            case "reverse":
                head = asked(key, ("reverse", step.which, step.order), caller="kiosk", at=self.now)
                sales = [made for made in before.values() if made.kind is TransactionKind.PURCHASE]
                if step.order is not None:
                    taken = orders.get(step.order)
                    original = None if taken is None else before.get(taken)
                    return step, ReversalCommand(head, KIOSK.id, original, str(step.order), "")
                original = sales[step.which % len(sales)] if sales else None
                return step, ReversalCommand(head, KIOSK.id, original, None, "")
            case "cash":
                head = asked(key, ("cash", step.person, step.amount_fen), caller="clerk", at=self.now)
                return step, CashTopupCommand(head, person.id, step.amount_fen, POLICY)
            case "undo":
                topups = [made for made in before.values() if made.kind is TransactionKind.CASH_TOPUP]
                original = topups[step.which % len(topups)] if topups else None
                identity = UUID(int=step.which) if original is None else original.id
                head = asked(key, ("undo", identity), caller="clerk", at=self.now)
                return step, UndoCommand(head, original, POLICY)
            case _:
                card = CARD_DIGESTS[step.which] if step.which < CARDS else b"?" * 32
                head = asked(key, ("card", card), caller=f"person {step.person}", at=self.now)
                return step, VoucherTopupCommand(head, person.id, (card,), POLICY)


def _said(answer: Answer) -> Said:
    found = answer.transaction
    return found.state, found.refusal, answer.repeated, answer.recorded


TestTheDeskAgainstAModel = TheDesk.TestCase
TestTheDeskAgainstAModel.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)

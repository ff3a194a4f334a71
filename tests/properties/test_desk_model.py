"""The desk's decisions against a model of plain dicts, written from the rules and not from the code.

Random batches of every flow, over days, on a snapshot that lives as the database does. The model says beforehand what
each command must be answered, code for code; afterwards balances, parts, limits, stock and states must be its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import SearchStrategy, builds, integers, lists, none, one_of, sampled_from

from mpss.accounts.model import UsageRow
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.catalog.model import Scope, StockRow
from mpss.catalog.store import PRODUCTS, STOCK
from mpss.config import Policy
from mpss.desk.batch import decide_all
from mpss.desk.model import Answer, Command, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.fees.model import Schedule
from mpss.fees.store import FEES
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, ProductId, VoucherBatchId
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES
from mpss.merchants.store import MERCHANTS
from mpss.transactions.cash_topup import CashTopupCommand, UndoCommand
from mpss.transactions.confirm import AnswerCommand
from mpss.transactions.machine import Event
from mpss.transactions.purchase import PurchaseCommand
from mpss.transactions.reversal import ReversalCommand
from mpss.transactions.sale import Sale
from mpss.transactions.voucher_topup import VoucherTopupCommand
from mpss.vouchers.model import BatchState, VoucherRow
from mpss.vouchers.store import VOUCHERS
from tests.support.instants import NOON, TODAY
from tests.support.sales import KIOSK, PAYER, RIGHT, TEA, WRONG, asked, purchase_of

C, S = ErrorCode, TransactionState
POLICY = replace(
    Policy(), single_limit_fen=4_000, topup_single_limit_fen=5_000, balance_limit_fen=12_000, voucher_tries=3,
    password_tries_per_day=2, password_tries_in_a_row=3,
)  # fmt: skip
DAILY_FEN = 9_000
PRICES = {1: 300, 2: 1_100}
STOCK_AT_FIRST = 7
MONEY_AT_FIRST, RESTRICTED_AT_FIRST = 6_000, 1_200
CARDS, CARD_FEN = 4, 2_000
PEOPLE = [
    PAYER._replace(id=AccountId.new(NOON), ledger_account_id=100_000 + n, daily_limit_fen=DAILY_FEN) for n in range(2)
]
GOODS = {
    1: TEA._replace(id=ProductId.new(NOON), price_fen=PRICES[1], scope=Scope.NATIONAL),
    2: TEA._replace(id=ProductId.new(NOON), price_fen=PRICES[2], scope=Scope.NATIONAL, has_stock=False),
}
CARD_DIGESTS = [bytes([n]) * 32 for n in range(CARDS)]


def fee_of(amount_fen: int) -> int:
    """Half of a hundredth, at least 1 fen."""
    return max((amount_fen + 100) // 200, 1)


@dataclass(frozen=True, slots=True)
class Do:
    """One thing somebody does; each flow reads what it needs of it."""

    what: str
    person: int
    key: int
    goods: int
    """0 is a free amount."""
    quantity: int
    amount_fen: int
    right: bool
    order: int | None
    which: int
    """Which of the earlier transactions, or cards."""


STEPS: SearchStrategy[Do] = builds(
    Do,
    what=sampled_from(["buy", "buy", "buy", "ask", "yes", "no", "lapse", "reverse", "reverse", "cash", "undo", "card"]),
    person=integers(0, len(PEOPLE) - 1),
    key=one_of(integers(0, 9), integers(10, 10**6), integers(10, 10**6)),
    goods=integers(0, 2),
    quantity=integers(1, 4),
    amount_fen=one_of(integers(1, 900), integers(1, 5_500)),
    right=sampled_from([True] * 9 + [False]),
    order=one_of(none(), none(), integers(0, 4)),
    which=one_of(integers(0, 5), integers(0, 30)),
)


@dataclass
class Someone:
    """What the model knows of a person."""

    balance: int = MONEY_AT_FIRST
    restricted: int = RESTRICTED_AT_FIRST
    spent_day: date = TODAY
    spent: int = 0
    wrong_today: int = 0
    wrong_in_a_row: int = 0
    locked_today: bool = False
    card_wrong: int = 0


@dataclass
class Sold:
    """What the model knows of a transaction: its state now, and what it was."""

    state: str
    person: int
    goods: int
    quantity: int
    amount: int
    fee: int = 0
    restricted: int = 0
    day: int = 0
    asked_day: int = 0
    refusal: ErrorCode | None = None


@dataclass
class Model:
    people: list[Someone] = field(default_factory=lambda: [Someone() for _ in PEOPLE])
    stock: int = STOCK_AT_FIRST
    orders: dict[int, UUID | None] = field(default_factory=dict)
    keys: dict[tuple[str, int], tuple[object, str, ErrorCode | None]] = field(default_factory=dict)
    sold: dict[UUID, Sold] = field(default_factory=dict)
    cards: set[int] = field(default_factory=set)
    day: int = 0

    @property
    def today(self) -> date:
        return TODAY + timedelta(days=self.day)

    def spent_today(self, person: int) -> int:
        someone = self.people[person]
        return someone.spent if someone.spent_day == self.today else 0

    def refusal_of_terms(self, person: int, goods: int, quantity: int, amount: int) -> ErrorCode | None:
        """Limits, stock, funds."""
        if amount > POLICY.single_limit_fen:
            return C.SINGLE_LIMIT_EXCEEDED
        if self.spent_today(person) + amount > DAILY_FEN:
            return C.DAILY_LIMIT_EXCEEDED
        if goods == 1 and self.stock < quantity:
            return C.OUT_OF_STOCK
        if self.people[person].balance < amount + fee_of(amount):
            return C.INSUFFICIENT_FUNDS
        return None

    def pay(self, sold: Sold) -> None:
        someone = self.people[sold.person]
        sold.state, sold.fee, sold.day = "SUCCEEDED", fee_of(sold.amount), self.day
        sold.restricted = min(someone.restricted, sold.amount + sold.fee)
        someone.spent = self.spent_today(sold.person) + sold.amount
        someone.spent_day = self.today
        someone.balance -= sold.amount + sold.fee
        someone.restricted -= sold.restricted
        self.stock -= sold.quantity if sold.goods == 1 else 0

    def give_back(self, sold: Sold) -> None:
        someone = self.people[sold.person]
        sold.state = "REVERSED"
        someone.balance += sold.amount + sold.fee
        someone.restricted += sold.restricted
        self.stock += sold.quantity if sold.goods == 1 else 0
        if someone.spent_day == TODAY + timedelta(days=sold.day):
            someone.spent -= sold.amount


Said = tuple[str, ErrorCode | None, bool, bool]
"""State, refusal, repeated, recorded."""
Outcome = tuple[str, ErrorCode | None, bool]
"""State, refusal, recorded."""


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
        for person in PEOPLE:
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
        expected = [self._expect(step, command) for step, command in commands]
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
        for person, someone in zip(PEOPLE, self.model.people, strict=True):
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
        person = PEOPLE[step.person]
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
                return step, AnswerCommand(waiting[step.which % len(waiting)], event, self.now, POLICY)
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

    def _expect(self, step: Do, command: Any) -> Said:
        """What the rules say to the command, which is then as good as done in the model."""
        if isinstance(command, AnswerCommand):
            return self._expect_reply(command)
        model, key = self.model, (command.caller, step.key)
        if key in model.keys:
            body, state, refusal = model.keys[key]
            if body != command.digest:
                return "DECLINED", C.KEY_REUSED, False, False
            return state, refusal, True, True
        decide: dict[str, Callable[[Do, Any], Outcome]] = {
            "buy": self._buy,
            "ask": self._ask,
            "reverse": self._reverse,
            "cash": self._cash,
            "undo": self._undo,
        }
        state, refusal, recorded = decide.get(step.what, self._card)(step, command)
        if recorded:
            model.keys[key] = (command.digest, state, refusal)
        return state, refusal, False, recorded

    def _expect_reply(self, command: AnswerCommand) -> Said:
        sold = self.model.sold[command.waiting.id]
        if sold.state == "CONFIRMING":
            if self.model.day > sold.asked_day:
                sold.state, sold.refusal = "EXPIRED", C.CONFIRMATION_EXPIRED
            elif command.event is Event.CANCEL:
                sold.state = "CANCELLED"
            elif command.event is Event.CONFIRM:
                sold.refusal = self.model.refusal_of_terms(sold.person, sold.goods, sold.quantity, sold.amount)
                if sold.refusal is None:
                    self.model.pay(sold)
                else:
                    sold.state = "DECLINED"
        return sold.state, sold.refusal, False, False

    def _offer(self, step: Do) -> Sold:
        quantity = step.quantity if step.goods else 0
        amount = PRICES[step.goods] * quantity if step.goods else step.amount_fen
        return Sold("", step.person, step.goods, quantity, amount, asked_day=self.model.day)

    def _order_refusal(self, step: Do) -> ErrorCode | None:
        if step.order is None or step.order not in self.model.orders:
            return None
        return C.ALREADY_TOMBSTONED if self.model.orders[step.order] is None else C.DUPLICATE_ORDER

    def _sell(self, step: Do, command: PurchaseCommand, *, now: bool) -> Outcome:
        model, sold = self.model, self._offer(step)
        refusal = model.refusal_of_terms(sold.person, sold.goods, sold.quantity, sold.amount)
        if refusal is not None:
            model.sold[command.id] = replace(sold, state="DECLINED")
            return "DECLINED", refusal, True
        if now:
            model.pay(sold)
        else:
            sold.state = "CONFIRMING"
        model.sold[command.id] = sold
        if step.order is not None:
            model.orders[step.order] = command.id
        return sold.state, None, True

    def _buy(self, step: Do, command: PurchaseCommand) -> Outcome:
        someone, taken = self.model.people[step.person], self._order_refusal(step)
        if taken is not None:
            self.model.sold[command.id] = replace(self._offer(step), state="DECLINED")
            return "DECLINED", taken, True
        if someone.locked_today or someone.wrong_in_a_row >= POLICY.password_tries_in_a_row:
            return "DECLINED", C.PASSWORD_LOCKED, False
        if not step.right:
            someone.wrong_today += 1
            someone.wrong_in_a_row += 1
            someone.locked_today = someone.wrong_today >= POLICY.password_tries_per_day
            return "DECLINED", C.WRONG_PASSWORD, False
        someone.wrong_today = someone.wrong_in_a_row = 0
        return self._sell(step, command, now=True)

    def _ask(self, step: Do, command: PurchaseCommand) -> Outcome:
        taken = self._order_refusal(step)
        if taken is not None:
            self.model.sold[command.id] = replace(self._offer(step), state="DECLINED")
            return "DECLINED", taken, True
        return self._sell(step, command, now=False)

    def _reverse(self, step: Do, command: ReversalCommand) -> Outcome:
        model = self.model
        if command.original is None:
            if step.order is None:
                return "DECLINED", C.UNKNOWN_TRANSACTION, True
            if model.orders.setdefault(step.order, None) is None:
                return "SUCCEEDED", None, True
            return "DECLINED", C.BUSY, False
        sold = model.sold[command.original.id]
        if sold.state == "SUCCEEDED":
            model.give_back(sold)
        elif sold.state == "CONFIRMING":
            sold.state = "CANCELLED"
        else:
            return "DECLINED", C.ILLEGAL_STATE, True
        return "SUCCEEDED", None, True

    def _cash(self, step: Do, command: CashTopupCommand) -> Outcome:
        someone, sold = self.model.people[step.person], Sold("DECLINED", step.person, 0, 0, step.amount_fen)
        self.model.sold[command.id] = sold
        if step.amount_fen > POLICY.topup_single_limit_fen:
            return "DECLINED", C.SINGLE_LIMIT_EXCEEDED, True
        if someone.balance + step.amount_fen > POLICY.balance_limit_fen:
            return "DECLINED", C.BALANCE_LIMIT_EXCEEDED, True
        someone.balance += step.amount_fen
        sold.state, sold.day = "SUCCEEDED", self.model.day
        return "SUCCEEDED", None, True

    def _undo(self, step: Do, command: UndoCommand) -> Outcome:
        if command.original is None:
            return "DECLINED", C.UNKNOWN_TRANSACTION, True
        sold = self.model.sold[command.original.id]
        someone = self.model.people[sold.person]
        if sold.state != "SUCCEEDED" or sold.day != self.model.day:
            return "DECLINED", C.ILLEGAL_STATE, True
        if someone.balance - someone.restricted < sold.amount:
            return "DECLINED", C.INSUFFICIENT_FUNDS, True
        someone.balance -= sold.amount
        sold.state = "REVERSED"
        return "SUCCEEDED", None, True

    def _card(self, step: Do, command: VoucherTopupCommand) -> Outcome:
        someone = self.model.people[step.person]
        if someone.card_wrong >= POLICY.voucher_tries:
            return "DECLINED", C.VOUCHER_BARRED, False
        if step.which >= CARDS:
            someone.card_wrong += 1
            return "DECLINED", C.UNKNOWN_VOUCHER, False
        if step.which in self.model.cards:
            return "DECLINED", C.VOUCHER_USED, True
        if someone.balance + CARD_FEN > POLICY.balance_limit_fen:
            return "DECLINED", C.BALANCE_LIMIT_EXCEEDED, True
        self.model.cards.add(step.which)
        someone.balance += CARD_FEN
        someone.restricted += CARD_FEN
        someone.card_wrong = 0
        return "SUCCEEDED", None, True


def _said(answer: Answer) -> Said:
    found = answer.transaction
    return found.state, found.refusal, answer.repeated, answer.recorded


TestTheDeskAgainstAModel = TheDesk.TestCase
TestTheDeskAgainstAModel.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)

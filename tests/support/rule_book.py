"""What each flow must answer, written from the rules in plain dicts; a second opinion on the desk's decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from mpss.config import Policy
from mpss.kernel.errors import ErrorCode
from mpss.transactions.confirm import ReplyToPurchase
from mpss.transactions.machine import Event
from mpss.transactions.purchases.purchase import PurchaseCommand
from mpss.transactions.purchases.reversal import ReversalCommand
from mpss.transactions.topups.cash import CashTopupCommand, UndoCommand
from mpss.transactions.topups.voucher import VoucherTopupCommand
from tests.support.instants import TODAY

C = ErrorCode
POLICY = replace(
    Policy(), single_limit_fen=4_000, topup_single_limit_fen=5_000, balance_limit_fen=12_000, voucher_tries=3,
    password_tries_per_day=2, password_tries_in_a_row=3,
)  # fmt: skip
DAILY_FEN = 9_000
PRICES = {1: 300, 2: 1_100}
STOCK_AT_FIRST = 7
MONEY_AT_FIRST, RESTRICTED_AT_FIRST = 6_000, 1_200
CARDS, CARD_FEN = 4, 2_000
PEOPLE = 2


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


Said = tuple[str, ErrorCode | None, bool, bool]
"""State, refusal, repeated, recorded."""
Outcome = tuple[str, ErrorCode | None, bool]
"""State, refusal, recorded."""


@dataclass
class Model:
    people: list[Someone] = field(default_factory=lambda: [Someone() for _ in range(PEOPLE)])
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

    def expect(self, step: Do, command: Any) -> Said:
        """What the rules say to the command, which is then as good as done in the self."""
        if isinstance(command, ReplyToPurchase):
            return self._expect_reply(command)
        key = (command.caller, step.key)
        if key in self.keys:
            body, state, refusal = self.keys[key]
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
            self.keys[key] = (command.digest, state, refusal)
        return state, refusal, False, recorded

    def _expect_reply(self, command: ReplyToPurchase) -> Said:
        sold = self.sold[command.earlier.id]
        if sold.state == "CONFIRMING":
            if self.day > sold.asked_day:
                sold.state, sold.refusal = "EXPIRED", C.CONFIRMATION_EXPIRED
            elif command.event is Event.CANCEL:
                sold.state = "CANCELLED"
            elif command.event is Event.CONFIRM:
                sold.refusal = self.refusal_of_terms(sold.person, sold.goods, sold.quantity, sold.amount)
                if sold.refusal is None:
                    self.pay(sold)
                else:
                    sold.state = "DECLINED"
        return sold.state, sold.refusal, False, False

    def _offer(self, step: Do) -> Sold:
        quantity = step.quantity if step.goods else 0
        amount = PRICES[step.goods] * quantity if step.goods else step.amount_fen
        return Sold("", step.person, step.goods, quantity, amount, asked_day=self.day)

    def _order_refusal(self, step: Do) -> ErrorCode | None:
        if step.order is None or step.order not in self.orders:
            return None
        return C.ALREADY_TOMBSTONED if self.orders[step.order] is None else C.DUPLICATE_ORDER

    def _sell(self, step: Do, command: PurchaseCommand, *, now: bool) -> Outcome:
        sold = self._offer(step)
        refusal = self.refusal_of_terms(sold.person, sold.goods, sold.quantity, sold.amount)
        if refusal is not None:
            self.sold[command.id] = replace(sold, state="DECLINED")
            return "DECLINED", refusal, True
        if now:
            self.pay(sold)
        else:
            sold.state = "CONFIRMING"
        self.sold[command.id] = sold
        if step.order is not None:
            self.orders[step.order] = command.id
        return sold.state, None, True

    def _buy(self, step: Do, command: PurchaseCommand) -> Outcome:
        someone, taken = self.people[step.person], self._order_refusal(step)
        if taken is not None:
            self.sold[command.id] = replace(self._offer(step), state="DECLINED")
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
            self.sold[command.id] = replace(self._offer(step), state="DECLINED")
            return "DECLINED", taken, True
        return self._sell(step, command, now=False)

    def _reverse(self, step: Do, command: ReversalCommand) -> Outcome:
        if command.original is None:
            if step.order is None:
                return "DECLINED", C.UNKNOWN_TRANSACTION, True
            if self.orders.setdefault(step.order, None) is None:
                return "SUCCEEDED", None, True
            return "DECLINED", C.BUSY, False
        sold = self.sold[command.original.id]
        if sold.state == "SUCCEEDED":
            self.give_back(sold)
        elif sold.state == "CONFIRMING":
            sold.state = "CANCELLED"
        else:
            return "DECLINED", C.ILLEGAL_STATE, True
        return "SUCCEEDED", None, True

    def _cash(self, step: Do, command: CashTopupCommand) -> Outcome:
        someone, sold = self.people[step.person], Sold("DECLINED", step.person, 0, 0, step.amount_fen)
        self.sold[command.id] = sold
        if step.amount_fen > POLICY.topup_single_limit_fen:
            return "DECLINED", C.SINGLE_LIMIT_EXCEEDED, True
        if someone.balance + step.amount_fen > POLICY.balance_limit_fen:
            return "DECLINED", C.BALANCE_LIMIT_EXCEEDED, True
        someone.balance += step.amount_fen
        sold.state, sold.day = "SUCCEEDED", self.day
        return "SUCCEEDED", None, True

    def _undo(self, step: Do, command: UndoCommand) -> Outcome:
        if command.original is None:
            return "DECLINED", C.UNKNOWN_TRANSACTION, True
        sold = self.sold[command.original.id]
        someone = self.people[sold.person]
        if sold.state != "SUCCEEDED" or sold.day != self.day:
            return "DECLINED", C.ILLEGAL_STATE, True
        if someone.balance - someone.restricted < sold.amount:
            return "DECLINED", C.INSUFFICIENT_FUNDS, True
        someone.balance -= sold.amount
        sold.state = "REVERSED"
        return "SUCCEEDED", None, True

    def _card(self, step: Do, command: VoucherTopupCommand) -> Outcome:
        someone = self.people[step.person]
        if someone.card_wrong >= POLICY.voucher_tries:
            return "DECLINED", C.VOUCHER_BARRED, False
        if step.which >= CARDS:
            someone.card_wrong += 1
            return "DECLINED", C.UNKNOWN_VOUCHER, False
        if step.which in self.cards:
            return "DECLINED", C.VOUCHER_USED, True
        if someone.balance + CARD_FEN > POLICY.balance_limit_fen:
            return "DECLINED", C.BALANCE_LIMIT_EXCEEDED, True
        self.cards.add(step.which)
        someone.balance += CARD_FEN
        someone.restricted += CARD_FEN
        someone.card_wrong = 0
        return "SUCCEEDED", None, True

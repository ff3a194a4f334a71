"""The desk's decisions under random commands, without a database: what an auditor would ask must hold of any walk."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from hypothesis import given, settings
from hypothesis.strategies import (
    SearchStrategy,
    builds,
    integers,
    lists,
    none,
    one_of,
    sampled_from,
)

from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.catalog.model import StockRow
from mpss.catalog.store import PRODUCTS, STOCK
from mpss.desk.batch import Effects, decide_all
from mpss.desk.model import Answer, Command, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.fees.store import FEES
from mpss.kernel.ids import AccountId
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES
from mpss.merchants.store import MERCHANTS
from mpss.outbox.store import OUTBOX
from mpss.transactions.postings import turned_round
from mpss.transactions.purchases.reversal import ReversalCommand
from mpss.transactions.purchases.sale import Sale
from tests.support.instants import NOON, TODAY
from tests.support.sales import FEE, KIOSK, PAYER, RIGHT, TEA, USED, WRONG, asked, purchase_of, stock_of

STOCK_AT_FIRST = 6
LIMIT_FEN = 20_000
PEOPLE = [
    PAYER._replace(
        id=AccountId.new(NOON),
        ledger_account_id=100_000 + number,
        daily_limit_fen=LIMIT_FEN,
        phone=f"+861891234{number:04d}",
    )
    for number in range(3)
]


@dataclass(frozen=True, slots=True)
class Buy:
    payer: int
    key: int
    quantity: int
    """0 buys a free amount."""
    amount_fen: int
    right: bool
    order: int | None


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Reverse the sale that was made n-th, or the order that has not come."""

    sale: int
    key: int
    order: int


BUYS: SearchStrategy[Buy] = builds(
    Buy,
    payer=integers(0, len(PEOPLE) - 1),
    key=integers(0, 12),
    quantity=integers(0, 4),
    amount_fen=integers(1, 12_000),
    right=sampled_from([True, True, True, False]),
    order=one_of(none(), integers(0, 5)),
)
TAKE_BACKS = builds(TakeBack, sale=integers(0, 8), key=integers(20, 30), order=integers(0, 5))
BATCHES = lists(lists(one_of(BUYS, TAKE_BACKS), min_size=1, max_size=6), min_size=1, max_size=8)
BALANCES_AT_FIRST = lists(
    builds(lambda total, share: Balance(total, total * share // 4, 0), integers(1_000, 60_000), integers(0, 4)),
    min_size=len(PEOPLE),
    max_size=len(PEOPLE),
)


class House:
    """A snapshot that lives from batch to batch, as the database does, and everything that was written."""

    def __init__(self, balances: list[Balance]) -> None:
        self.snapshot = Snapshot(TODAY)
        self.snapshot[MERCHANTS][KIOSK.id] = KIOSK
        self.snapshot[PRODUCTS][TEA.id] = TEA
        self.snapshot[FEES][TransactionKind.PURCHASE.value] = ((NOON, FEE),)
        self.snapshot[STOCK][TEA.id] = StockRow(STOCK_AT_FIRST, True)
        for person, balance in zip(PEOPLE, balances, strict=True):
            self.snapshot[ACCOUNTS][person.id] = person
            self.snapshot[USAGE][person.id] = USED
            self.snapshot[BALANCES][person.ledger_account_id] = balance
        self.known: dict[tuple[str, str], Transaction] = {}
        self.sales: list[Transaction] = []
        self.effects: list[Effects] = []
        self.answers: list[tuple[Command, Answer]] = []

    def serve(self, commands: list[Command]) -> None:
        answers, effects = decide_all(commands, self.snapshot, self.known)
        self.effects.append(effects)
        self.answers += zip(commands, answers, strict=True)
        for row in effects.recorded:
            made = Transaction(*row)
            self.snapshot[TRANSACTIONS][made.id] = made
            if made.kind is TransactionKind.PURCHASE:
                self.sales.append(made)

    def command(self, step: Buy | TakeBack) -> Command:
        if isinstance(step, Buy):
            person = PEOPLE[step.payer]
            sale = Sale(
                account_id=person.id,
                merchant_id=KIOSK.id,
                product_id=TEA.id if step.quantity else None,
                quantity=step.quantity,
                price_fen=None if step.quantity else step.amount_fen,
                fee_fen=None,
                merchant_order_no=None if step.order is None else str(step.order),
            )
            return purchase_of(
                sale, key=str(step.key), digest=RIGHT if step.right else WRONG, caller=f"account:{person.id}"
            )
        original = self.sales[step.sale] if step.sale < len(self.sales) else None
        head = asked(str(step.key), (step.sale, step.order), caller=f"merchant:{KIOSK.id}")
        order_no = str(step.order) if original is None else original.merchant_order_no
        return ReversalCommand(head, KIOSK.id, original, order_no, "asked by the merchant")

    def recorded(self) -> list[Transaction]:
        return list(self.snapshot[TRANSACTIONS].values())


def played(batches: list[list[Buy | TakeBack]], balances: list[Balance]) -> House:
    house = House(balances)
    for batch in batches:
        house.serve([house.command(step) for step in batch])
    return house


def total(balances: list[Balance]) -> int:
    return sum(balance.balance_fen for balance in balances)


@settings(max_examples=200)
@given(batches=BATCHES, balances=BALANCES_AT_FIRST)
def test_money_is_neither_made_nor_lost(batches: list[list[Buy | TakeBack]], balances: list[Balance]) -> None:
    house = played(batches, balances)
    entries = [entry for effects in house.effects for entry, _ in effects.entries]
    assert all(sum(posting.amount_fen for posting in entry.postings) == 0 for entry in entries)
    moved: Counter[int] = Counter()
    for entry in entries:
        for posting in entry.postings:
            moved[posting.ledger_account_id] += posting.amount_fen
    for person, before in zip(PEOPLE, balances, strict=True):
        after = house.snapshot[BALANCES][person.ledger_account_id]
        assert after.balance_fen == before.balance_fen - moved[person.ledger_account_id]
        assert 0 <= after.restricted_fen <= after.balance_fen
    assert len({entry.id for entry in entries}) == len(entries)


@settings(max_examples=200)
@given(batches=BATCHES, balances=BALANCES_AT_FIRST)
def test_states_agree_with_entries(batches: list[list[Buy | TakeBack]], balances: list[Balance]) -> None:
    house = played(batches, balances)
    entries = {entry.id: entry for effects in house.effects for entry, _ in effects.entries}
    undone = {entry.reverses_id: entry for entry in entries.values() if entry.reverses_id is not None}
    for made in house.recorded():
        if made.kind is TransactionKind.REVERSAL:
            continue
        match made.state:
            case TransactionState.SUCCEEDED:
                assert made.id in entries
                assert made.id not in undone
            case TransactionState.REVERSED:
                assert Counter(turned_round(undone[made.id].postings)) == Counter(entries[made.id].postings)
            case _:
                assert made.id not in entries


@settings(max_examples=200)
@given(batches=BATCHES, balances=BALANCES_AT_FIRST)
def test_stock_and_limits_are_exact(batches: list[list[Buy | TakeBack]], balances: list[Balance]) -> None:
    house = played(batches, balances)
    standing = [made for made in house.recorded() if made.kind is TransactionKind.PURCHASE]
    standing = [made for made in standing if made.state is TransactionState.SUCCEEDED]
    sold = sum(made.quantity for made in standing)
    assert stock_of(house.snapshot, TEA.id) == STOCK_AT_FIRST - sold >= 0
    for person in PEOPLE:
        spent = sum(made.amount_fen for made in standing if made.account_id == person.id)
        assert house.snapshot[USAGE][person.id].spent_fen == spent <= LIMIT_FEN


@settings(max_examples=200)
@given(batches=BATCHES, balances=BALANCES_AT_FIRST)
def test_a_repeat_is_answered_as_at_first_and_moves_nothing(
    batches: list[list[Buy | TakeBack]], balances: list[Balance]
) -> None:
    house = played(batches, balances)
    first = {(command.caller, command.key): answer for command, answer in reversed(house.answers) if answer.recorded}
    before = dict(house.snapshot[BALANCES])
    for command, _ in list(house.answers):
        answers, effects = decide_all([command], house.snapshot, house.known)
        if (command.caller, command.key) not in first:
            continue
        again = answers[0].transaction
        original = first[command.caller, command.key].transaction
        if command.digest == original.digest:
            assert (again.id, again.state, again.refusal) == (original.id, original.state, original.refusal)
        else:
            assert again.refusal is not None
        assert not effects.entries
        assert not effects.dirty
    assert house.snapshot[BALANCES] == before


@settings(max_examples=200)
@given(batches=BATCHES, balances=BALANCES_AT_FIRST)
def test_every_change_is_told_once(batches: list[list[Buy | TakeBack]], balances: list[Balance]) -> None:
    house = played(batches, balances)
    notices: Counter[UUID] = Counter()
    for effects in house.effects:
        for row in effects.inserts[OUTBOX]:
            _, kind, reference, _, payload, *_ = row
            if kind == "notice" and json.loads(payload)["event"] != "password_locked":
                notices[reference] += 1
    entries = {entry.id for effects in house.effects for entry, _ in effects.entries}
    assert notices == Counter(dict.fromkeys(entries, 1))

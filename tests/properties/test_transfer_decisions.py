"""Transfers under random commands, without a database: what an auditor would ask must hold of any walk (CM 5.3.2)."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from uuid import UUID

from hypothesis import given
from hypothesis.strategies import booleans, builds, integers, lists, sampled_from

from mpss.accounts.model import Life
from mpss.accounts.payee_model import PayeeRow
from mpss.accounts.payee_store import PAYEES
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.desk.batch import decide_all
from mpss.desk.model import Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, PayeeId, TransactionId
from mpss.ledger.chart import TRANSFERS_HELD
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES
from mpss.outbox.store import OUTBOX
from mpss.transactions.model import Asked, Proof
from mpss.transactions.transfers.end import EndCommand
from mpss.transactions.transfers.store import SENT, TRANSFERS
from mpss.transactions.transfers.terms import Order
from mpss.transactions.transfers.transfer import TransferCommand
from tests.support.clauses import clause
from tests.support.instants import NOON, TODAY
from tests.support.sales import KEY_VERSION, PAYER, RIGHT, USED, WRONG

POLICY = Policy(
    transfer_single_limit_fen=500,
    transfer_daily_limit_fen=900,
    free_transfer_single_limit_fen=100,
    free_transfer_daily_limit_fen=250,
    balance_limit_fen=1_500,
)
PEOPLE = [
    PAYER._replace(
        id=AccountId.new(NOON + timedelta(seconds=n)), phone=f"+861891234000{n}", ledger_account_id=100_001 + n
    )
    for n in range(3)
]
RELATION = PayeeId.new(NOON)
"""From the first to the second; of 400 in one and 600 in a day."""
START = Balance(1_000, 300, 50)


class Walk:
    """A snapshot of three wallets, the last not active, and what became of each command."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(TODAY)
        for person in PEOPLE:
            life = Life.PENDING if person is PEOPLE[2] else Life.ACTIVE
            self.snapshot[ACCOUNTS][person.id] = person._replace(life=life)
            self.snapshot[USAGE][person.id] = USED
            self.snapshot[BALANCES][person.ledger_account_id] = START
        self.snapshot[PAYEES][RELATION] = PayeeRow(
            PEOPLE[0].id, PEOPLE[1].phone, 400, 600, NOON - timedelta(hours=1), None, TODAY, 0
        )
        self.known: dict[tuple[str, str], Transaction] = {}
        self.held_fen = 0
        self.numbers = count()

    def submit(self, command: TransferCommand | EndCommand) -> Transaction:
        (answer,), effects = decide_all([command], self.snapshot, self.known)
        done = answer.transaction
        if not answer.repeated:
            notices = [row for row in effects.inserts[OUTBOX] if row[2] == done.id]
            moved = done.state in (TransactionState.SUCCEEDED, TransactionState.WAITING)
            assert len(effects.entries) == moved
            assert len(notices) == 2 * moved or done.refusal is ErrorCode.WRONG_PASSWORD
            for entry, _ in effects.entries:
                self.held_fen -= sum(leg.amount_fen for leg in entry.postings if leg[0] == TRANSFERS_HELD)
            if answer.recorded:
                self.snapshot[TRANSACTIONS][done.id] = done
        return done

    def total_fen(self) -> int:
        wallets = self.snapshot[BALANCES].values()
        return sum(wallet.balance_fen for wallet in wallets) + self.held_fen


class Send:
    def __init__(self, payer: int, payee: int, amount_fen: int, key: int, right: bool) -> None:
        self.payer, self.payee, self.amount_fen, self.key, self.right = payer, payee, amount_fen, key, right

    def command(self, walk: Walk) -> TransferCommand:
        payer, payee = PEOPLE[self.payer], PEOPLE[self.payee]
        relation: UUID | None = RELATION if (self.payer, self.payee) == (0, 1) else None
        order = Order(payer.id, payee.phone, payee.id, relation, self.amount_fen)
        at = NOON + timedelta(milliseconds=next(walk.numbers))
        body = digest_of(payer.id.hex, payee.phone, self.amount_fen)
        asked = Asked(TransactionId.new(at), str(payer.id), str(self.key), body, at, "http")
        proof = Proof({KEY_VERSION: RIGHT if self.right else WRONG}, False, b"f" * 32, "127.0.0.1")
        return TransferCommand(asked, order, POLICY, proof)


def end(walk: Walk, waiting: Transaction, *, claim: bool) -> EndCommand:
    row = walk.snapshot[TRANSFERS][waiting.id]
    kind = TransactionKind.TRANSFER_CLAIM if claim else TransactionKind.TRANSFER_RETURN
    at = NOON + timedelta(days=0 if claim else POLICY.transfer_hold_days, seconds=1 + next(walk.numbers))
    target = PEOPLE[2].id if claim else row.payer_id
    asked = Asked(TransactionId.new(at), "platform", str(waiting.id), digest_of(kind, target.hex), at, "job")
    return EndCommand(asked, kind, waiting.id, row.payer_id, target, row.amount_fen, waiting.channel, POLICY)


SENDS = lists(
    builds(Send, integers(0, 2), integers(0, 2), integers(1, 600), integers(0, 30), sampled_from([True, True, False])),
    max_size=25,
)


@clause("CM 5.3.2")
@given(sends=SENDS, claims=lists(booleans(), min_size=50, max_size=50))
def test_money_is_conserved_and_no_limit_is_passed(sends: list[Send], claims: list[bool]) -> None:
    walk = Walk()
    before_fen = walk.total_fen()
    for send in sends:
        walk.submit(send.command(walk))
        assert walk.total_fen() == before_fen
        for balance in walk.snapshot[BALANCES].values():
            assert balance.restricted_fen == START.restricted_fen
            assert max(balance.restricted_fen, balance.held_fen) <= balance.balance_fen <= POLICY.balance_limit_fen
    recorded = list(walk.known.values())
    moved = [made for made in recorded if made.refusal is None]
    for person in PEOPLE[:2]:
        mine = [made for made in moved if made.account_id == person.id]
        free_fen = sum(made.amount_fen for made in mine if walk.snapshot[TRANSFERS][made.id].relation_id is None)
        assert sum(made.amount_fen for made in mine) <= POLICY.transfer_daily_limit_fen
        assert free_fen <= POLICY.free_transfer_daily_limit_fen
        if mine:
            sent = walk.snapshot[SENT][person.id]
            assert (sent.sent_fen, sent.free_fen) == (sum(made.amount_fen for made in mine), free_fen)
    relation = walk.snapshot[PAYEES][RELATION]
    assert relation.sent_fen <= relation.daily_limit_fen
    waiting = [made for made in moved if made.state is TransactionState.WAITING]
    assert walk.held_fen == sum(made.amount_fen for made in waiting)
    walk.snapshot[ACCOUNTS][PEOPLE[2].id] = PEOPLE[2]
    for made, claim in zip(waiting, claims, strict=False):
        first = walk.submit(end(walk, made, claim=claim))
        other = walk.submit(end(walk, made, claim=not claim))
        # A wallet that is full is not claimed for; then the money goes back.
        assert [first.refusal, other.refusal].count(None) == 1
        assert walk.total_fen() == before_fen
    assert walk.held_fen == 0

"""Top-ups decided on snapshots, without a database: one by one, and in random orders."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mpss.accounts.model import AccountKind, AccountRow, Life, UsageRow
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.desk.batch import Key, decide_all
from mpss.desk.model import Command, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, StaffId, TransactionId, VoucherBatchId
from mpss.ledger.chart import VOUCHERS_SOLD
from mpss.ledger.model import Balance, Part, Posting
from mpss.ledger.post import BALANCES
from mpss.outbox.store import OUTBOX
from mpss.staff.store import AUDIT
from mpss.transactions.model import Asked
from mpss.transactions.topups.cash import CashTopupCommand, UndoCommand
from mpss.transactions.topups.voucher import VoucherTopupCommand
from mpss.transactions.topups.voucher_activation import ActivationCommand
from mpss.vouchers.model import BatchRow, BatchState, VoucherRow
from mpss.vouchers.store import BATCHES, VOUCHERS
from tests.support.instants import NOON, TODAY

POLICY = Policy()
WALLETS = (100_000, 100_001, 100_002)
ACCOUNTS_OF = [AccountId.new(NOON) for _ in WALLETS]
CARDS = [bytes([n]) * 32 for n in range(4)]
BATCH_ID = VoucherBatchId.new(NOON)
MAKER, SELLER = StaffId.new(NOON), StaffId.new(NOON)


def asked(key: str = "k", *, seconds: int = 0, digest: bytes = b"d") -> Asked:
    at = NOON + timedelta(seconds=seconds)
    return Asked(TransactionId.new(at), "hall:H01/C01", key, digest, at, "hall")


def snapshot() -> Snapshot:
    made = Snapshot(TODAY)
    for account_id, wallet in zip(ACCOUNTS_OF, WALLETS, strict=True):
        made[ACCOUNTS][account_id] = AccountRow(
            account_id, "+8618912340001", "GD", AccountKind.WALLET, Life.ACTIVE, wallet, b"p", 1, 500_000, "zh-CN"
        )
        made[USAGE][account_id] = UsageRow(TODAY, 0, 0, TODAY, 0, 0, 0, None)
        made[BALANCES][wallet] = Balance(0, 0, 0)
    for card in CARDS:
        made[VOUCHERS][card] = VoucherRow(
            card, BATCH_ID, "1" * 18, 5_000, BatchState.ACTIVATED, TODAY, None, None, None
        )
    made[BATCHES][BATCH_ID] = BatchRow(BATCH_ID, 5_000, 4, BatchState.GENERATED, TODAY, str(MAKER), None, None)
    return made


def one(command: Command, on: Snapshot) -> Transaction:
    (answer,), _ = decide_all([command], on, {})
    return answer.transaction


def original(amount_fen: int) -> Transaction:
    command = CashTopupCommand(asked("first"), ACCOUNTS_OF[0], amount_fen, POLICY)
    return command.decide(snapshot()).transaction


class TestCashTopup:
    def test_reaches_the_balance_limit_and_not_beyond(self) -> None:
        on = snapshot()
        on[BALANCES][WALLETS[0]] = Balance(POLICY.balance_limit_fen - 10, 0, 0)
        over = one(CashTopupCommand(asked("a"), ACCOUNTS_OF[0], 11, POLICY), on)
        assert (over.state, over.refusal) == (TransactionState.DECLINED, ErrorCode.BALANCE_LIMIT_EXCEEDED)
        assert one(CashTopupCommand(asked("b"), ACCOUNTS_OF[0], 10, POLICY), on).refusal is None
        assert on[BALANCES][WALLETS[0]].balance_fen == POLICY.balance_limit_fen

    def test_state_is_refused_before_the_limit(self) -> None:
        on = snapshot()
        on[ACCOUNTS][ACCOUNTS_OF[0]] = on[ACCOUNTS][ACCOUNTS_OF[0]]._replace(life=Life.PENDING)
        answer = one(CashTopupCommand(asked(), ACCOUNTS_OF[0], 10**12, POLICY), on)
        assert answer.refusal is ErrorCode.ACCOUNT_NOT_ACTIVE


class TestUndo:
    def undo(self, on: Snapshot, *, seconds: int = 0) -> Transaction:
        done = original(700)
        on[TRANSACTIONS].setdefault(done.id, done)
        return one(UndoCommand(asked("undo", seconds=seconds), done, POLICY), on)

    def test_needs_withdrawable_money_that_is_not_held(self) -> None:
        for balance, refusal in [
            (Balance(700, 0, 0), None),
            (Balance(699, 0, 0), ErrorCode.INSUFFICIENT_FUNDS),
            (Balance(1_000, 301, 0), ErrorCode.INSUFFICIENT_FUNDS),
            (Balance(1_000, 300, 0), None),
            (Balance(1_000, 300, 1), ErrorCode.INSUFFICIENT_FUNDS),
            (Balance(1_000, 0, 301), ErrorCode.INSUFFICIENT_FUNDS),
        ]:
            on = snapshot()
            on[BALANCES][WALLETS[0]] = balance
            assert self.undo(on).refusal is refusal

    def test_holds_until_the_last_second(self) -> None:
        for seconds, refusal in [(POLICY.topup_undo_seconds, None), (901, ErrorCode.ILLEGAL_STATE)]:
            on = snapshot()
            on[BALANCES][WALLETS[0]] = Balance(700, 0, 0)
            assert self.undo(on, seconds=seconds).refusal is refusal


class TestVoucherTopup:
    def test_wrong_password_is_counted_and_not_recorded(self) -> None:
        on = snapshot()
        decision = VoucherTopupCommand(asked(), ACCOUNTS_OF[0], (b"no", b"card"), POLICY).decide(on)
        assert not decision.recorded
        assert decision.transaction.refusal is ErrorCode.UNKNOWN_VOUCHER
        ((rows, key, usage),) = decision.puts
        assert (rows, key, usage.voucher_wrong) == (USAGE, ACCOUNTS_OF[0], 1)
        assert decision.inserts == []

    def test_entry_makes_restricted_money_of_a_sold_voucher(self) -> None:
        decision = VoucherTopupCommand(asked(), ACCOUNTS_OF[0], (b"old", CARDS[0]), POLICY).decide(snapshot())
        assert decision.entry is not None
        assert decision.entry.postings == (
            Posting(VOUCHERS_SOLD, 5_000),
            Posting(WALLETS[0], -5_000, Part.RESTRICTED),
        )
        assert [target for target, _ in decision.inserts] == [OUTBOX]


class TestActivation:
    def test_order_is_state_then_two_people(self) -> None:
        on = snapshot()
        assert one(ActivationCommand(asked("a"), BATCH_ID, MAKER), on).refusal is ErrorCode.SAME_PERSON
        decision = ActivationCommand(asked("b"), BATCH_ID, SELLER).decide(on)
        assert decision.transaction.amount_fen == 20_000
        assert [target for target, _ in decision.inserts] == [AUDIT]
        assert one(ActivationCommand(asked("c"), BATCH_ID, SELLER), on).refusal is None
        assert one(ActivationCommand(asked("d"), BATCH_ID, MAKER), on).refusal is ErrorCode.ILLEGAL_STATE


topups = st.tuples(
    st.just("cash"), st.integers(1, 5), st.integers(0, 2), st.integers(1, POLICY.topup_single_limit_fen + 1)
)
redemptions = st.tuples(st.just("card"), st.integers(6, 12), st.integers(0, 2), st.integers(0, 3))


def command_of(kind: str, key: int, account: int, what: int) -> Command:
    """A cash top-up of `what` fen, or a redemption of card number `what`; one of few keys, so that some repeat."""
    head = asked(f"k{key}", digest=f"{account} {what}".encode())
    if kind == "cash":
        return CashTopupCommand(head, ACCOUNTS_OF[account], what, POLICY)
    return VoucherTopupCommand(head, ACCOUNTS_OF[account], (CARDS[what],), POLICY)


@given(st.lists(topups | redemptions, max_size=40))
def test_whatever_the_order_no_fen_is_made_or_lost(asks: list[tuple[str, int, int, int]]) -> None:
    on = snapshot()
    known: dict[Key, Transaction] = {}
    answers, effects = decide_all([command_of(*ask) for ask in asks], on, known)
    assert all(sum(leg.amount_fen for leg in entry.postings) == 0 for entry, _ in effects.entries)
    moved = [transaction for transaction in known.values() if transaction.state is TransactionState.SUCCEEDED]
    assert len(effects.entries) == len(moved)
    assert sum(on[BALANCES][wallet].balance_fen for wallet in WALLETS) == sum(each.amount_fen for each in moved)
    vouchers = [each for each in moved if each.kind is TransactionKind.VOUCHER_TOPUP]
    assert sum(on[BALANCES][wallet].restricted_fen for wallet in WALLETS) == sum(each.amount_fen for each in vouchers)
    assert len(vouchers) == sum(row.redeemed_by is not None for row in on[VOUCHERS].values())
    assert len(effects.inserts[OUTBOX]) == len(moved)
    assert len(answers) == len(asks)

"""Top-up by voucher card, told from the subscriber's side (CT 5.2, CM 6.4.3)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from mpss.accounts.open import open_by_sms
from mpss.accounts.queries import overview
from mpss.accounts.voucher_bar import release_voucher_bar
from mpss.config import Policy
from mpss.db.database import Database
from mpss.desk.model import Answer, TransactionState
from mpss.kernel.clock import FixedClock
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId
from mpss.runtime import Runtime
from mpss.staff.permissions import Permission
from mpss.transactions.topups.voucher import redeem_voucher
from tests.support.cards import batch_of, cards_on_sale
from tests.support.clauses import clause
from tests.support.house import assert_books_balance, employee, events, house, notices, subscriber
from tests.support.instants import NOON, TODAY

PHONE = "18912340001"
NO_CARD = "0000111122223333"


async def redeem(runtime: Runtime, account_id: AccountId, password: str, key: str) -> Answer:
    return await redeem_voucher(runtime, account_id=account_id, key=key, password=password, channel="http")


@clause("CT 5.1", "CT 5.2", "CM 6.4.3")
class TestRedeem:
    async def test_puts_the_face_into_the_part_that_may_not_be_withdrawn(self, runtime: Runtime) -> None:
        account_id = (await subscriber(runtime, PHONE)).account_id
        card, *_ = await cards_on_sale(runtime)
        answer = await redeem(runtime, account_id, card.password, "k")
        assert (answer.transaction.state, answer.transaction.amount_fen) == (TransactionState.SUCCEEDED, 5_000)
        seen = await overview(runtime, account_id=account_id)
        assert (seen.balance_fen, seen.available_fen, seen.withdrawable_fen) == (5_000, 5_000, 0)
        assert (await notices(runtime, PHONE))[-1] == (
            "topped_up",
            {"amount_fen": 5_000, "balance_fen": 5_000, "source": "voucher"},
        )
        await assert_books_balance(runtime)

    async def test_is_answered_again_alike_and_moves_nothing(self, runtime: Runtime) -> None:
        account_id = (await subscriber(runtime, PHONE)).account_id
        one, two, _ = await cards_on_sale(runtime)
        first = await redeem(runtime, account_id, one.password, "k")
        runtime.ports.key_store.rotate("voucher")
        again = await redeem(runtime, account_id, one.password, "k")
        assert (again.repeated, again.transaction) == (True, first.transaction)
        other = await redeem(runtime, account_id, two.password, "k")
        assert other.transaction.refusal is ErrorCode.KEY_REUSED
        assert (await overview(runtime, account_id=account_id)).balance_fen == 5_000

    async def test_works_for_cards_of_before_and_after_the_key_was_rotated(self, runtime: Runtime) -> None:
        account_id = (await subscriber(runtime, PHONE)).account_id
        old, *_ = await cards_on_sale(runtime, name="wang")
        runtime.ports.key_store.rotate("voucher")
        new, *_ = await cards_on_sale(runtime, name="li")
        for card in (old, new):
            answer = await redeem(runtime, account_id, card.password, card.serial)
            assert answer.transaction.refusal is None
        assert (await overview(runtime, account_id=account_id)).balance_fen == 10_000

    async def test_fifty_at_once_on_two_desks_redeem_a_card_once(
        self, runtime: Runtime, database: Database, tmp_path: Path, clock: FixedClock
    ) -> None:
        accounts = [(await subscriber(runtime, f"1891234000{number}")).account_id for number in range(5)]
        card, *_ = await cards_on_sale(runtime)
        async with house(database, tmp_path, clock) as second:
            desks = [runtime, second]
            answers = await asyncio.gather(
                *(redeem(desks[n % 2], accounts[n % 5], card.password, f"k{n}") for n in range(50))
            )
        outcomes = [answer.transaction.refusal for answer in answers]
        assert outcomes.count(None) == 1
        assert outcomes.count(ErrorCode.VOUCHER_USED) == 49
        balances = [(await overview(runtime, account_id=account_id)).balance_fen for account_id in accounts]
        assert sorted(balances) == [0, 0, 0, 0, 5_000]
        await assert_books_balance(runtime)

    async def test_refuses_a_card_not_on_sale_and_an_expired_one(self, runtime: Runtime) -> None:
        account_id = (await subscriber(runtime, PHONE)).account_id
        waiting = (await batch_of(runtime)).cards[0]
        answer = await redeem(runtime, account_id, waiting.password, "k1")
        assert answer.transaction.refusal is ErrorCode.VOUCHER_NOT_ACTIVE
        expiring, *_ = await cards_on_sale(runtime, name="li", valid_until=TODAY)
        async with runtime.database.transaction() as uow:
            # A batch cannot be made expired, nor put on sale when it is: it runs out on the shelf.
            await uow.execute(
                "UPDATE voucher_batch SET valid_until = %(day)s WHERE state = 'activated'",
                {"day": TODAY - timedelta(days=1)},
            )
        answer = await redeem(runtime, account_id, expiring.password, "k2")
        assert answer.transaction.refusal is ErrorCode.VOUCHER_NOT_ACTIVE
        assert (await overview(runtime, account_id=account_id)).balance_fen == 0

    async def test_leaves_the_card_good_when_the_wallet_would_be_too_full(
        self, database: Database, tmp_path: Path, clock: FixedClock
    ) -> None:
        async with house(database, tmp_path, clock, policy=Policy(balance_limit_fen=9_999)) as runtime:
            account_id = (await subscriber(runtime, PHONE)).account_id
            other_id = (await subscriber(runtime, "18912340002")).account_id
            one, two, _ = await cards_on_sale(runtime)
            await redeem(runtime, account_id, one.password, "k1")
            answer = await redeem(runtime, account_id, two.password, "k2")
            assert answer.transaction.refusal is ErrorCode.BALANCE_LIMIT_EXCEEDED
            assert (await redeem(runtime, other_id, two.password, "k3")).transaction.refusal is None

    async def test_needs_an_active_account(self, runtime: Runtime) -> None:
        card, *_ = await cards_on_sale(runtime)
        pending = await open_by_sms(runtime, phone=PHONE)
        answer = await redeem(runtime, pending.account_id, card.password, "k")
        assert answer.transaction.refusal is ErrorCode.ACCOUNT_NOT_ACTIVE
        answer = await redeem(runtime, AccountId.new(NOON), card.password, "k")
        assert answer.transaction.refusal is ErrorCode.UNKNOWN_ACCOUNT

    async def test_must_be_sixteen_digits_and_is_not_counted_otherwise(self, runtime: Runtime) -> None:
        account_id = (await subscriber(runtime, PHONE)).account_id
        with pytest.raises(MalformedField):
            await redeem(runtime, account_id, "1234", "k")


@clause("CM 6.4.3", "CM 9.3")
class TestWrongCardPassword:
    async def test_does_not_use_the_key_up(self, runtime: Runtime) -> None:
        account_id = (await subscriber(runtime, PHONE)).account_id
        card, *_ = await cards_on_sale(runtime)
        wrong = await redeem(runtime, account_id, NO_CARD, "k")
        assert wrong.transaction.refusal is ErrorCode.UNKNOWN_VOUCHER
        assert (await redeem(runtime, account_id, card.password, "k")).transaction.refusal is None

    async def test_ten_in_a_row_bar_the_number_until_staff_release_it(self, runtime: Runtime) -> None:
        account_id = (await subscriber(runtime, PHONE)).account_id
        card, *_ = await cards_on_sale(runtime)
        for n in range(10):
            answer = await redeem(runtime, account_id, NO_CARD, f"k{n}")
            assert answer.transaction.refusal is ErrorCode.UNKNOWN_VOUCHER
        for password in (NO_CARD, card.password):
            answer = await redeem(runtime, account_id, password, "barred")
            assert answer.transaction.refusal is ErrorCode.VOUCHER_BARRED
        assert (await overview(runtime, account_id=account_id)).voucher_barred
        assert (await events(runtime, PHONE)).count("voucher_barred") == 1
        care = await employee(runtime, "zhao", Permission.VOUCHER_RELEASE)
        await release_voucher_bar(runtime, staff=care, phone=PHONE)
        await release_voucher_bar(runtime, staff=care, phone=PHONE)
        assert (await events(runtime, PHONE)).count("voucher_released") == 1
        assert (await redeem(runtime, account_id, card.password, "after")).transaction.refusal is None

    async def test_count_starts_again_after_a_right_one(self, runtime: Runtime) -> None:
        account_id = (await subscriber(runtime, PHONE)).account_id
        one, two, _ = await cards_on_sale(runtime)
        for card, start in ((one, 0), (two, 9)):
            for n in range(9):
                await redeem(runtime, account_id, NO_CARD, f"k{start + n}")
            assert (await redeem(runtime, account_id, card.password, card.serial)).transaction.refusal is None
        assert not (await overview(runtime, account_id=account_id)).voucher_barred

    async def test_release_is_for_staff_with_the_permission(self, runtime: Runtime) -> None:
        clerk = await employee(runtime, "qian", Permission.CASH_TOPUP, hall="H01", clerk="C01")
        with pytest.raises(Refused) as refused:
            await release_voucher_bar(runtime, staff=clerk, phone=PHONE)
        assert refused.value.code is ErrorCode.FORBIDDEN

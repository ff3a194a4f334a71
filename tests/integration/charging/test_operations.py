"""Every operation of the charging port against an OCS over Diameter."""

from __future__ import annotations

import pytest

from mpss.kernel.outcome import Approved, Declined, InDoubt
from mpss.observability import OUTSIDE_CALLS
from mpss.ports.charging import ChargingOperation
from tests.integration.charging.conftest import PHONE, Bill
from tests.support.clauses import clause

RESERVE, COMMIT, RELEASE = ChargingOperation.RESERVE, ChargingOperation.COMMIT, ChargingOperation.RELEASE
DEBIT, REFUND = ChargingOperation.DEBIT, ChargingOperation.REFUND


@clause("CT 7.3")
class TestSession:
    @pytest.mark.clause("CT 5.1")
    async def test_reserves_then_commits(self, bill: Bill) -> None:
        session = bill.new_session()
        assert await bill.ask(RESERVE, session) == Approved(session)
        assert (bill.balance, bill.available) == (10_000, 7_500)
        assert await bill.ask(COMMIT, session) == Approved(session)
        assert (bill.balance, bill.available) == (7_500, 7_500)
        assert bill.lines() == [(session, "charge", 2500)]

    async def test_reserves_then_releases(self, bill: Bill) -> None:
        session = bill.new_session()
        await bill.ask(RESERVE, session)
        assert await bill.ask(RELEASE, session) == Approved(session)
        assert (bill.balance, bill.available, bill.lines()) == (10_000, 10_000, [])

    async def test_declines_what_the_balance_does_not_bear(self, bill: Bill) -> None:
        assert await bill.ask(RESERVE, bill.new_session(), 10_001) == Declined("4012 credit limit reached")
        assert bill.available == 10_000

    async def test_lets_a_postpaid_subscriber_owe_up_to_the_limit(self, bill: Bill) -> None:
        bill.ocs.store.set_subscriber(PHONE, kind="postpaid", balance_fen=0, credit_limit_fen=3000, barred=False)
        assert isinstance(await bill.ask(DEBIT, bill.new_session()), Approved)
        assert bill.balance == -2500
        assert isinstance(await bill.ask(DEBIT, bill.new_session()), Declined)

    async def test_releases_what_was_never_reserved_and_keeps_a_late_reservation_out(self, bill: Bill) -> None:
        session = bill.new_session()
        assert await bill.ask(RELEASE, session) == Approved(session)
        assert await bill.ask(RESERVE, session) == Declined("5012 unable to comply")
        assert bill.available == 10_000

    async def test_does_not_commit_what_was_released(self, bill: Bill) -> None:
        session = bill.new_session()
        await bill.ask(RESERVE, session)
        await bill.ask(RELEASE, session)
        assert await bill.ask(COMMIT, session) == Declined("5012 unable to comply")
        assert bill.lines() == []

    async def test_does_not_know_a_barred_subscriber(self, bill: Bill) -> None:
        bill.ocs.store.set_subscriber(PHONE, kind="prepaid", balance_fen=10_000, credit_limit_fen=0, barred=True)
        assert await bill.ask(RESERVE, bill.new_session()) == Declined("5030 user unknown")


@clause("CT 7.3")
class TestEvent:
    async def test_debits_and_refunds(self, bill: Bill) -> None:
        paid, back = bill.new_session(), bill.new_session()
        assert await bill.ask(DEBIT, paid) == Approved(paid)
        assert await bill.ask(REFUND, back, 1000, original=paid) == Approved(back)
        assert bill.balance == 8_500
        assert bill.lines() == [(paid, "charge", 2500), (back, "refund", 1000)]

    async def test_does_not_refund_more_than_was_charged(self, bill: Bill) -> None:
        paid = bill.new_session()
        await bill.ask(DEBIT, paid)
        await bill.ask(REFUND, bill.new_session(), 2000, original=paid)
        assert isinstance(await bill.ask(REFUND, bill.new_session(), 501, original=paid), Declined)
        assert bill.balance == 9_500

    async def test_does_not_refund_what_was_never_charged(self, bill: Bill) -> None:
        outcome = await bill.ask(REFUND, bill.new_session(), original="nobody's")
        assert outcome == Declined("5002 unknown session")

    async def test_checks_the_balance_and_moves_nothing(self, bill: Bill) -> None:
        enough = await bill.charging.balance_enough(phone=PHONE, amount_fen=10_000, timeout_seconds=2)
        short = await bill.charging.balance_enough(phone=PHONE, amount_fen=10_001, timeout_seconds=2)
        assert isinstance(enough, Approved)
        assert short == Declined("4012 credit limit reached")
        assert (bill.available, bill.lines()) == (10_000, [])

    async def test_gives_an_unknown_number_the_default_prepaid_balance(self, bill: Bill) -> None:
        phone = "+8618022229999"
        outcome = await bill.charging.balance_enough(phone=phone, amount_fen=100_000, timeout_seconds=2)
        assert isinstance(outcome, Approved)


class TestRepeat:
    @pytest.mark.parametrize("operation", [DEBIT, RESERVE])
    async def test_is_answered_as_before_and_charges_once(self, bill: Bill, operation: ChargingOperation) -> None:
        session = bill.new_session()
        answers = [await bill.ask(operation, session, again=number > 0) for number in range(3)]
        assert answers == [Approved(session)] * 3
        assert bill.available == 7_500
        assert bill.ocs.repeats_marked == 2

    async def test_of_a_decline_is_declined_even_with_money_since(self, bill: Bill) -> None:
        session = bill.new_session()
        first = await bill.ask(DEBIT, session, 20_000)
        bill.ocs.store.set_subscriber(PHONE, kind="prepaid", balance_fen=50_000, credit_limit_fen=0, barred=False)
        assert await bill.ask(DEBIT, session, 20_000, again=True) == first

    async def test_with_another_amount_is_refused(self, bill: Bill) -> None:
        session = bill.new_session()
        await bill.ask(DEBIT, session, 100)
        assert await bill.ask(DEBIT, session, 200) == Declined("5012 unable to comply")
        assert bill.lines() == [(session, "charge", 100)]


class TestMetrics:
    async def test_count_calls_by_operation_and_outcome(self, bill: Bill) -> None:
        def counted(outcome: str) -> float:
            return float(OUTSIDE_CALLS.labels("ocs", "debit", outcome)._value.get())

        before = counted("approved"), counted("declined"), counted("in_doubt")
        await bill.ask(DEBIT, bill.new_session())
        await bill.ask(DEBIT, bill.new_session(), 20_000)
        bill.ocs.mute = True
        bill.timeout_seconds = 0.1
        assert isinstance(await bill.ask(DEBIT, bill.new_session()), InDoubt)
        after = counted("approved"), counted("declined"), counted("in_doubt")
        assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1]

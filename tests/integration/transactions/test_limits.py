"""The table of limits on a real desk: what is counted, what is given back, what two desks let through (CM 9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from mpss.accounts.queries import overview_by_phone
from mpss.desk.model import Answer, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.transactions.topups.bank import reverse_by_bank, top_up_by_bank
from mpss.transactions.topups.cash import top_up_cash, undo_cash_topup
from mpss.transactions.transfers.end import cancel_transfer, claim_transfers
from mpss.transactions.transfers.transfer import transfer
from tests.support.clauses import clause
from tests.support.house import PASSWORD, subscriber
from tests.support.instants import NOON

LI, WANG = "18912340001", "18912340002"
Rules = Mapping[tuple[str, str, str], int]
"""By channel, operation and measure."""

pytestmark = pytest.mark.usefixtures("sound")


async def table(runtime: Runtime, account_class: str, rules: Rules) -> None:
    """A table of limits that is in force at once."""
    async with runtime.database.transaction() as uow:
        await uow.execute(
            "INSERT INTO limit_version (version, effective_from) VALUES (2, %(at)s)", {"at": NOON - timedelta(days=1)}
        )
        for (channel, operation, measure), value in rules.items():
            row = {"class": account_class, "channel": channel, "operation": operation, "measure": measure}
            await uow.execute(
                """INSERT INTO limit_rule (version, account_class, channel, operation, measure, value)
                   VALUES (2, %(class)s, %(channel)s, %(operation)s, %(measure)s, %(value)s)""",
                {**row, "value": value},
            )


async def of_class(runtime: Runtime, phone: str, account_class: str) -> None:
    async with runtime.database.transaction() as uow:
        await uow.execute(
            "UPDATE account SET account_class = %(class)s WHERE phone = %(phone)s",
            {"class": account_class, "phone": parse_phone(phone)},
        )


async def sent(runtime: Runtime, fen: int, *, key: str, to: str = WANG) -> Answer:
    seen = await overview_by_phone(runtime, phone=LI)
    return await transfer(
        runtime, caller=f"account:{seen.id}", key=key, channel="http", account_id=seen.id, phone=seen.phone,
        payee_phone=to, amount_fen=fen, password=PASSWORD, source="http:192.0.2.1",
    )  # fmt: skip


@clause("CM 9.1", "CM 9.3")
class TestTopUps:
    async def test_of_every_kind_count_together_once_and_what_is_undone_does_not(
        self, runtime: Runtime, clerk: StaffMember
    ) -> None:
        await subscriber(runtime, LI)
        rules = {("*", "topup", "daily_amount"): 1_000, ("*", "topup", "daily_count"): 3}
        await table(runtime, "weak", rules)

        async def cash(fen: int, key: str) -> Answer:
            return await top_up_cash(runtime, staff=clerk, key=key, phone=LI, amount_fen=fen)

        first = await cash(600, "a")
        assert (await cash(600, "a")).repeated
        by_bank = await top_up_by_bank(runtime, bank="ABC", reference="000000000001", phone=LI, amount_fen=400)
        assert by_bank.state is TransactionState.SUCCEEDED
        assert (await cash(1, "b")).transaction.refusal is ErrorCode.DAILY_LIMIT_EXCEEDED
        undone = await undo_cash_topup(runtime, staff=clerk, key="u", original_id=first.transaction.id)
        assert undone.transaction.refusal is None
        assert (await cash(601, "c")).transaction.refusal is ErrorCode.DAILY_LIMIT_EXCEEDED
        assert (await cash(500, "d")).transaction.refusal is None
        assert (await cash(50, "e")).transaction.refusal is None
        assert (await cash(50, "f")).transaction.refusal is ErrorCode.COUNT_LIMIT_EXCEEDED
        await reverse_by_bank(
            runtime, bank="ABC", reference="000000000002", original_reference="000000000001", amount_fen=400
        )
        assert (await cash(450, "g")).transaction.refusal is None

    async def test_lead_to_no_higher_balance_than_the_class_may_have(
        self, runtime: Runtime, clerk: StaffMember
    ) -> None:
        await subscriber(runtime, LI)
        await of_class(runtime, LI, "class_1")
        over = await top_up_cash(runtime, staff=clerk, key="a", phone=LI, amount_fen=100_001)
        assert over.transaction.refusal is ErrorCode.SINGLE_LIMIT_EXCEEDED
        for key, fen, refusal in (
            ("b", 99_000, None),
            ("c", 1_001, ErrorCode.BALANCE_LIMIT_EXCEEDED),
            ("d", 1_000, None),
        ):
            answer = await top_up_cash(runtime, staff=clerk, key=key, phone=LI, amount_fen=fen)
            assert answer.transaction.refusal is refusal


@clause("CM 9.4", "CM 5.3.2")
class TestTransfersThatWaited:
    async def test_give_their_limits_back_when_they_return(self, runtime: Runtime, clerk: StaffMember) -> None:
        await subscriber(runtime, LI)
        await top_up_cash(runtime, staff=clerk, key="open", phone=LI, amount_fen=10_000)
        await table(runtime, "weak", {("*", "transfer", "daily_count"): 2, ("*", "*", "lifetime_amount"): 1_500})
        waiting = (await sent(runtime, 1_000, key="a")).transaction
        assert waiting.state is TransactionState.WAITING
        assert (await sent(runtime, 501, key="b")).transaction.refusal is ErrorCode.LIFETIME_LIMIT_EXCEEDED
        assert waiting.account_id is not None
        await cancel_transfer(runtime, account_id=waiting.account_id, transfer_id=waiting.id)
        assert (await sent(runtime, 900, key="c")).transaction.refusal is None
        assert (await sent(runtime, 601, key="d")).transaction.refusal is ErrorCode.LIFETIME_LIMIT_EXCEEDED
        assert (await sent(runtime, 600, key="e")).transaction.refusal is None
        assert (await sent(runtime, 1, key="f")).transaction.refusal is ErrorCode.COUNT_LIMIT_EXCEEDED

    async def test_wait_on_where_the_payees_class_may_not_have_so_much(
        self, runtime: Runtime, clerk: StaffMember
    ) -> None:
        await subscriber(runtime, LI)
        await top_up_cash(runtime, staff=clerk, key="open", phone=LI, amount_fen=10_000)
        waiting = await sent(runtime, 2_000, key="a")
        await subscriber(runtime, WANG)
        await of_class(runtime, WANG, "class_1")
        await top_up_cash(runtime, staff=clerk, key="wang", phone=WANG, amount_fen=98_001)
        assert await claim_transfers(runtime) == 0
        assert waiting.transaction.state is TransactionState.WAITING
        assert (await overview_by_phone(runtime, phone=WANG)).balance_fen == 98_001
        await of_class(runtime, WANG, "class_2")
        assert await claim_transfers(runtime) == 1
        assert (await overview_by_phone(runtime, phone=WANG)).balance_fen == 100_001

"""Two desks and a channel with limits of its own: exact under concurrency, and right from its first hour (CM 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mpss.accounts.channel_store import used_by_channel
from mpss.accounts.limit_model import Counts
from mpss.db.database import Database
from mpss.desk.model import Command, TransactionKind, digest_of
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import TransactionId
from mpss.transactions.model import Asked
from mpss.transactions.purchases.purchase import PurchaseCommand
from mpss.transactions.purchases.reversal import ReversalCommand
from mpss.transactions.transfers.end import EndCommand
from tests.integration.desk.test_limits import refusals, spread
from tests.support.clauses import clause
from tests.support.instants import NOON, TODAY
from tests.support.sales import POLICY
from tests.support.world import breaches, cash, count, desks, give_money, open_wallets, pay, put_on_sale, send

Rule = tuple[str, str, str, int]
"""Channel, operation, measure, value; of weak accounts."""


async def limit(database: Database, *rules: Rule) -> None:
    async with database.transaction() as uow:
        await uow.execute("INSERT INTO limit_version (version, effective_from) VALUES (2, '2026-01-01')")
        for channel, operation, measure, value in rules:
            await uow.execute(
                "INSERT INTO limit_rule VALUES (2, 'weak', %(channel)s, %(operation)s, %(measure)s, %(value)s)",
                {"channel": channel, "operation": operation, "measure": measure, "value": value},
            )


def by_sms(commands: Sequence[PurchaseCommand]) -> list[Command]:
    return [replace(each, asked=each.asked._replace(channel="sms")) for each in commands]


def head(key: str, caller: str = "merchant:shop") -> Asked:
    return Asked(TransactionId.new(NOON), caller, key, digest_of(key), NOON, "http")


@clause("CM 9.5", "CT 10.2")
class TestAChannelsLimits:
    async def test_let_exactly_a_day_through_and_again_what_is_given_back(self, database: Database) -> None:
        async with desks(database, 2, batch_size=4) as serving:
            people = await open_wallets(database, 2)
            await give_money(serving[0], people, 100_000)
            goods = await put_on_sale(database)
            await limit(database, ("http", "payment", "daily_amount", 1_000), ("sms", "payment", "daily_count", 7))
            for person in people:
                web = [pay(person, goods, amount_fen=100) for _ in range(20)]
                phone = by_sms([pay(person, goods, amount_fen=100) for _ in range(10)])
                answers = await spread(serving, [*web, *phone])
                assert refusals(answers) == [ErrorCode.CHANNEL_LIMIT_EXCEEDED] * 13
                paid = [each.transaction for each in answers if each.transaction.refusal is None]
                assert sorted(each.channel for each in paid) == ["http"] * 10 + ["sms"] * 7
            backs = [
                ReversalCommand(head(f"back {each.id}"), goods.merchant_id, each, None, "test")
                for each in paid
                if each.channel == "sms"
            ]
            assert refusals(await spread(serving, backs[:3])) == []
            again = await spread(serving, by_sms([pay(people[1], goods, amount_fen=100) for _ in range(5)]))
            assert refusals(again) == [ErrorCode.CHANNEL_LIMIT_EXCEEDED] * 2
            assert len(refusals(await spread(serving, [pay(people[1], goods, amount_fen=1)]))) == 1
        assert await count(database, "SELECT count(*) FROM channel_usage") == 4
        assert await breaches(database) == []

    async def test_know_what_went_before_them_and_count_each_operation(self, database: Database) -> None:
        async with desks(database, 2, batch_size=4) as serving:
            payer, payee = await open_wallets(database, 2)
            await give_money(serving[0], [payer], 100_000)
            goods = await put_on_sale(database)
            gone = pay(payer, goods, amount_fen=900)
            await spread(serving, [gone, *by_sms([pay(payer, goods, amount_fen=500)])])
            (sold, *_) = await spread(serving, [pay(payer, goods, amount_fen=600), send(payer, payee, 300)])
            reverse = ReversalCommand(head("gone"), goods.merchant_id, sold.transaction, None, "test")
            assert await count(database, "SELECT count(*) FROM channel_usage") == 0
            await limit(
                database, ("http", "payment", "daily_amount", 2_000), ("http", "transfer", "monthly_amount", 500),
                ("hall", "topup", "daily_count", 2),
            )  # fmt: skip
            over = await spread(serving, [pay(payer, goods, amount_fen=501), send(payer, payee, 201)])
            assert refusals(over) == [ErrorCode.CHANNEL_LIMIT_EXCEEDED] * 2
            # What is given back before anything else is counted: the row is made without it.
            assert refusals(await spread(serving, [reverse])) == []
            fits = await spread(serving, [pay(payer, goods, amount_fen=1_100), send(payer, None, 200)])
            assert refusals(fits) == []
            waiting = fits[1].transaction
            full: list[Command] = [
                pay(payer, goods, amount_fen=1),
                send(payer, payee, 1),
                cash(payer, 5),
                cash(payer, 5),
            ]
            assert refusals(await spread(serving, full)) == [ErrorCode.CHANNEL_LIMIT_EXCEEDED] * 3
            back = EndCommand(
                head("back", "platform:transfer"), TransactionKind.TRANSFER_RETURN, waiting.id, payer.id, payer.id, 200,
                waiting.channel, POLICY, by_payer=True,
            )  # fmt: skip
            assert refusals(await spread(serving, [back])) == []
            assert refusals(await spread(serving, [send(payer, payee, 200)])) == []
        assert await breaches(database) == []

    async def test_know_what_phone_bill_and_card_paid(self, database: Database) -> None:
        """Such a payment posts nothing to the wallet: it is found by its account."""
        (payer,) = await open_wallets(database, 1)
        async with database.transaction() as uow:
            for place, (state, funding) in enumerate(
                (("SUCCEEDED", "phone_bill"), ("AUTHORIZED", "bank_card"), ("CANCELLED", "phone_bill"))
            ):
                await uow.execute(
                    """
                    INSERT INTO transaction (id, kind, state, first_state, caller, idempotency_key, digest, account_id,
                                             amount_fen, channel, business_date, created_at, funding, key_digest)
                    VALUES (%(id)s, 'purchase', %(state)s, 'FUNDING', 'test', %(key)s, '', %(account_id)s, 100, 'http',
                            %(today)s, %(now)s, %(funding)s, %(id)s)
                    """,
                    {
                        "id": TransactionId.new(NOON), "state": state, "key": f"k{place}", "account_id": payer.id,
                        "today": TODAY, "now": NOON, "funding": funding,
                    },
                )  # fmt: skip
        async with database.read() as uow:
            found = await used_by_channel(uow, payer.id, ["payment", "topup"], "http")
        assert found == {"payment": Counts(TODAY, 200, 2, 200), "topup": Counts(TODAY)}

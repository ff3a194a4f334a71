"""Verification of what transactions promise: each promise that is broken behind the desk's back is found."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from mpss.db.database import Database
from mpss.transactions.purchases.reversal import ReversalCommand, caller_of_merchant
from tests.support.clauses import clause
from tests.support.postgres import DatabaseUrls, PostgresForTests
from tests.support.sales import asked
from tests.support.world import Shop, breaches, pay, send, shop, superuser_url

BREACHES: dict[str, list[LiteralString]] = {
    "every transaction is final or a job moves it": [
        "INSERT INTO transaction (id, kind, state, first_state, caller, idempotency_key, digest, amount_fen, channel,"
        " business_date, created_at, key_digest) SELECT gen_random_uuid(), 'purchase', 'CONFIRMING', 'CONFIRMING', 'x',"
        " 'x', '', 1, 'x', business_date, created_at, gen_random_uuid() FROM transaction LIMIT 1"
    ],
    "each state has the entries it should": [
        "UPDATE transaction SET state = 'DECLINED' WHERE id = (SELECT id FROM transaction WHERE state = 'SUCCEEDED'"
        " AND kind = 'purchase' LIMIT 1)",
        "UPDATE transaction SET state = 'REVERSED' WHERE id = (SELECT id FROM transaction WHERE state = 'SUCCEEDED'"
        " AND kind = 'purchase' LIMIT 1)",
        "UPDATE transaction SET state = 'SUCCEEDED' WHERE state = 'REVERSED'",
        "UPDATE transaction SET state = 'SUCCEEDED' WHERE state = 'DECLINED'",
    ],
    "a reversal cancels its original leg by leg": [
        "UPDATE posting SET ledger_account_id = 2 WHERE ledger_account_id <> 3 AND part IS NULL"
        " AND entry_id IN (SELECT id FROM journal_entry WHERE reverses_id IS NOT NULL)",
        "UPDATE posting SET part = 3 - part WHERE part IS NOT NULL"
        " AND entry_id IN (SELECT reverses_id FROM journal_entry)",
    ],
    "spending counters equal the day's purchases": [
        "UPDATE account_usage SET spent_fen = spent_fen + 1 WHERE spent_fen > 0",
        "UPDATE account_usage SET spent_fen = 1 WHERE spent_fen = 0",
        "UPDATE account_usage SET spent_count = spent_count + 1",
    ],
    "each change has one notice": [
        "UPDATE outbox SET payload = '{\"event\": \"code\"}' WHERE payload::jsonb ->> 'event' = 'paid'",
        "INSERT INTO outbox (id, kind, reference, recipient, payload, state, created_at, due_at)"
        " SELECT gen_random_uuid(), kind, reference, recipient, payload, state, created_at, due_at FROM outbox"
        " WHERE payload::jsonb ->> 'event' = 'reversed'",
    ],
    "each sale of a product has one delivery order": ["UPDATE outbox SET kind = 'webhook' WHERE kind = 'delivery'"],
    "transfers held equal those that wait for their payee": [
        "UPDATE transaction SET amount_fen = amount_fen + 1 WHERE state = 'WAITING'",
        "UPDATE transaction SET state = 'SUCCEEDED' WHERE state = 'WAITING'",
    ],
    "each transfer's row says what its state does": [
        "UPDATE transfer SET ended_at = now() WHERE ended_at IS NULL",
        "UPDATE transfer SET payee_id = NULL WHERE payee_id IS NOT NULL",
        "UPDATE transfer SET amount_fen = amount_fen + 1",
    ],
    "each transfer that waited ended once": [
        "INSERT INTO transaction (id, kind, state, first_state, caller, idempotency_key, digest, original_id,"
        " amount_fen, channel, business_date, created_at, key_digest) SELECT gen_random_uuid(), 'transfer_claim',"
        " 'SUCCEEDED', 'SUCCEEDED', 'x', 'x', '', id, amount_fen, 'x', business_date, created_at,"
        " gen_random_uuid() FROM transaction"
        " WHERE kind = 'transfer' LIMIT 1"
    ],
    "transfer counters equal the day's transfers": [
        "UPDATE transfer_usage SET sent_fen = sent_fen + 1",
        "UPDATE transfer_usage SET free_fen = 0",
        "UPDATE transfer_usage SET sent_count = sent_count + 1",
        "UPDATE transfer_usage SET month_fen = month_fen - 1",
    ],
    "month, year and lifetime counters equal what was paid and transferred": [
        "UPDATE account_usage SET month_fen = month_fen + 1",
        "UPDATE account_usage SET year_fen = year_fen - 1 WHERE year_fen > 0",
        "UPDATE account_usage SET life_fen = 0",
    ],
    "the customers' year counters equal those of their accounts": [
        "INSERT INTO customer_usage (customer_id, day, year_fen) VALUES (gen_random_uuid(), '2026-03-01', 1)",
    ],
    "top-up counters equal the top-ups": ["UPDATE topup_usage SET day_count = 0", "DELETE FROM topup_usage"],
    "channels' counters equal what they let through": [
        "INSERT INTO channel_usage SELECT account_id, 'payment', 'http', day, 0, 0, 0 FROM account_usage",
        "INSERT INTO channel_usage SELECT account_id, 'transfer', 'http', day, 0, 0, 0 FROM account_usage",
        "INSERT INTO channel_usage SELECT account_id, 'topup', 'hall', day, 0, 0, 0 FROM account_usage",
        "INSERT INTO channel_usage SELECT account_id, 'payment', 'sms', day, 1, 1, 1 FROM account_usage",
    ],
    "vouchers sold equal the unredeemed ones": [
        "INSERT INTO voucher_batch (id, face_fen, quantity, state, valid_until, created_by, created_at)"
        " VALUES ('00000000-0000-0000-0000-000000000001', 100, 1, 'activated', '2030-01-01', 'x', now());"
        " INSERT INTO voucher (digest, batch_id, serial) VALUES ('x', '00000000-0000-0000-0000-000000000001', '1')"
    ],
}
CASES = [(name, change) for name, changes in BREACHES.items() for change in changes]


async def trade(made: Shop) -> None:
    """Sales that stand, one that was reversed, one that was refused; a transfer that was made and one that waits."""
    answers = await made.serve(*(pay(person, made.goods) for person in made.people[:3]))
    head = asked("r1", "reversal", caller=caller_of_merchant(made.goods.merchant_id))
    await made.serve(ReversalCommand(head, made.goods.merchant_id, answers[0].transaction, None, "could not deliver"))
    await made.serve(pay(made.people[1], made.goods, quantity=1000))
    await made.serve(send(made.people[0], made.people[1], 300), send(made.people[0], None, 200))


@clause("CT 10.3")
class TestVerify:
    async def test_finds_nothing_on_good_books(self, database: Database) -> None:
        async with shop(database) as made:
            await trade(made)
        assert await breaches(database) == []

    @pytest.mark.parametrize(("name", "change"), CASES)
    async def test_finds_what_is_broken(
        self,
        database: Database,
        database_urls: DatabaseUrls,
        postgres: PostgresForTests,
        name: str,
        change: LiteralString,
    ) -> None:
        async with shop(database) as made:
            await trade(made)
        url = superuser_url(postgres, database_urls)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as superuser:
            await superuser.execute("ALTER TABLE posting DISABLE TRIGGER ALL")
            await superuser.execute(change)
        assert name in await breaches(database)

"""The world a benchmark runs in: an embedded server tuned as an operator would, and bulk-made parties.

Parties are made by SQL in sets, since opening a million wallets one by one measures something else. Their ids follow
from their number, so that a load generator knows them without asking.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from uuid import UUID

import psycopg

from mpss.kernel.ids import AccountId, CardId, MerchantId, ProductId
from mpss.risk.rules import MOST_MOVES, RULES

PASSWORD = "135246"
PASSWORD_KEY_VERSION = 1
OPENING_FEN = 100_000_000
TUNE = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "max_connections": "100",
    "wal_compression": "on",
}
"""Both the TPC-B-like script and the desk run on this server. Commits are durable: fsync stays on."""


def account_id(number: int) -> AccountId:
    return AccountId.of((1 << 100) | number)


def merchant_id(number: int) -> MerchantId:
    return MerchantId.of((2 << 100) | number)


def product_id(number: int) -> ProductId:
    return ProductId.of((3 << 100) | number)


def card_id(number: int) -> CardId:
    return CardId.of((4 << 100) | number)


def phone(number: int) -> str:
    return f"+86189{number:08d}"


def digest(number: int) -> bytes:
    """The stored digest of account `number`'s payment password; a real HMAC, under a key of the benchmark's own."""
    return hmac.digest(b"benchmark key", account_id(number).bytes + PASSWORD.encode(), hashlib.sha256)


_ACCOUNTS = """
    INSERT INTO ledger_account (id, code, name, has_floor)
    SELECT 1000000 + n, '2011', 'wallet', true FROM generate_series(%(first)s::int, %(last)s::int) AS n;
    INSERT INTO ledger_balance (ledger_account_id, balance_fen)
    SELECT 1000000 + n, %(opening)s::bigint FROM generate_series(%(first)s::int, %(last)s::int) AS n;
    INSERT INTO account_usage (account_id, day, wrong_day)
    SELECT (lpad(to_hex(1::bigint << 36), 16, '0') || lpad(to_hex(n), 16, '0'))::uuid, %(today)s::date, %(today)s::date
      FROM generate_series(%(first)s::int, %(last)s::int) AS n;
    INSERT INTO transaction (id, kind, state, first_state, caller, idempotency_key, digest, amount_fen, channel,
                             business_date, created_at, finished_at, key_digest)
    VALUES (%(entry)s, 'adjustment', 'SUCCEEDED', 'SUCCEEDED', 'benchmark', %(entry)s::text, '', %(total)s, 'benchmark',
            %(today)s, now(), now(), %(entry)s);
    INSERT INTO journal_entry (id, business_date, posted_at, kind) VALUES (%(entry)s, %(today)s, now(), 'adjustment');
    INSERT INTO posting (entry_id, line, ledger_account_id, amount_fen, business_date)
    VALUES (%(entry)s, 0, 2, %(total)s, %(today)s);
    INSERT INTO posting (entry_id, line, ledger_account_id, part, amount_fen, business_date)
    SELECT %(entry)s, 1, 1000000 + n, 1, -%(opening)s::bigint, %(today)s::date
      FROM generate_series(%(first)s::int, %(last)s::int) AS n;
"""


def fill_accounts(
    owner_url: str, *, first: int, last: int, today: date, digest_of: Callable[[int], bytes] = digest
) -> None:
    """Open wallets number `first` to `last` (inclusive), each with a balance and a payment password.

    `digest_of` makes the stored digest of an account's payment password from its number. The opening balances come
    from the reserve by one adjustment, so that the books hold.
    """
    params = {
        "first": first,
        "last": last,
        "opening": OPENING_FEN,
        "total": OPENING_FEN * (last - first + 1),
        "entry": UUID(int=(7 << 76) | (2 << 62) | first),
        "today": today,
    }
    with psycopg.connect(owner_url) as connection:
        for statement in _ACCOUNTS.strip().split(";\n"):
            if statement.strip():
                connection.execute(statement, params)
        with connection.cursor().copy(
            "COPY account (id, phone, home_province, kind, life, ledger_account_id, password_digest, password_key,"
            " daily_limit_fen, language, terms_version, channel, opened_at) FROM STDIN (FORMAT BINARY)"
        ) as copy:
            copy.set_types(
                "uuid text text text text int8 bytea int2 int8 text text text timestamptz".split()  # noqa: SIM905
            )
            now = datetime.now(UTC)
            for n in range(first, last + 1):
                copy.write_row(
                    (account_id(n), phone(n), "GD", "wallet", "active", 1_000_000 + n, digest_of(n),
                     PASSWORD_KEY_VERSION, 10**12, "en", "2026-01", "benchmark", now)
                )  # fmt: skip


_LISTS = """
    INSERT INTO risk_entry (id, colour, scope, value, subject_id, shown, state, reason, evidence, entered_by,
                            entered_at, listed_at)
    SELECT gen_random_uuid(), CASE n %% 2 WHEN 0 THEN 'black' ELSE 'grey' END, scope, value, subject_id, value,
           'listed', 'benchmark', '', 'benchmark', now(), now()
      FROM generate_series(1, %(count)s) AS n,
   LATERAL (VALUES ('number', '+86188' || lpad(n::text, 8, '0'), NULL), ('account', 'acc_' || n, gen_random_uuid()))
        AS party (scope, value, subject_id)
"""
_RULE = """
    INSERT INTO risk_rule_version (id, rule, action, enabled, figures, effective_from, state, approval_id, proposed_by,
                                   proposed_at, decided_by, decided_at)
    VALUES (gen_random_uuid(), %(rule)s, 'refuse', true, %(figures)s, now(), 'approved', gen_random_uuid(), 'benchmark',
            now(), 'benchmark', now())
"""


def fill_lists(owner_url: str, *, count: int) -> None:
    """So many numbers and so many accounts on the lists, none of them a payer; every rule on, none ever hit."""
    with psycopg.connect(owner_url) as connection:
        connection.execute(_LISTS, {"count": count})
        for called, rule in RULES.items():
            figures = {name: MOST_MOVES if name == "count" else figure for name, figure in rule.figures.items()}
            connection.execute(_RULE, {"rule": called, "figures": json.dumps(figures)})
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def fill_merchants(owner_url: str, *, count: int) -> None:
    """Merchants 1 to `count`, each with one product of the same number with a stock of a billion."""
    with psycopg.connect(owner_url) as connection:
        now = datetime.now(UTC)
        for n in range(1, count + 1):
            connection.execute(
                "INSERT INTO ledger_account (id, code, name, has_floor) VALUES (%s, '2021', 'merchant', false)",
                [900_000 + n],
            )
            connection.execute(
                "INSERT INTO merchant (id, name, province, state, ledger_account_id, api_key_digest, public_key,"
                " notify_url, webhook_secret, created_at) VALUES (%s, %s, 'GD', 'active', %s, %s, '', '', '', %s)",
                [merchant_id(n), f"Merchant {n}", 900_000 + n, n.to_bytes(4, "big"), now],
            )
            connection.execute(
                "INSERT INTO product (id, merchant_id, name, description, category, price_fen, scope, state, has_stock,"
                " created_at) VALUES (%s, %s, %s, '', 'cards', 25, 'national', 'published', true, %s)",
                [product_id(n), merchant_id(n), f"Product {n}", now],
            )
            connection.execute(
                "INSERT INTO product_stock (product_id, slot, available) VALUES (%s, 0, 1000000000)", [product_id(n)]
            )
        connection.execute(
            "INSERT INTO fee_schedule (kind, valid_from, fixed_fen, basis_points, min_fen, max_fen)"
            " VALUES ('purchase', now(), 0, 60, 1, 100)"
        )
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")

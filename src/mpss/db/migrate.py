"""Applies migrations/NNNN_*.sql and grants the lesser role what it needs.

1. Migrations run in the order of their numbers, each in one unit of work, one process at a time (advisory lock).
2. An applied migration never changes: its digest is compared on every run.
3. A migration that cannot get its locks soon gives up, and the platform goes on meanwhile.
4. The lesser role can add to the books and cannot change them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

MIGRATION_LOCK = 0x4D505353
"""The advisory lock's number, "MPSS"."""
LOCK_TIMEOUT_MILLISECONDS = 5_000
WAIT_TIMEOUT_MILLISECONDS = 300_000

_FILE_NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql", re.ASCII)

READ = frozenset({"SELECT"})
APPEND = READ | {"INSERT"}
CHANGE = APPEND | {"UPDATE"}
REMOVE = CHANGE | {"DELETE"}

GRANTS: dict[str, frozenset[str]] = {
    "schema_migration": READ,
    "journal_entry": APPEND,
    "posting": APPEND,
    "audit_record": APPEND,
    "merchant_nonce": REMOVE,
    "account_session": REMOVE,
    "sms_code": REMOVE,
    "one_time_link": REMOVE,
    "password_failure": REMOVE,
    "product_heat": REMOVE,
    "inbound_sms": REMOVE,
    "voice_call": REMOVE,
}
"""What the lesser role may do with a table; with every other it may `CHANGE`. Nobody is granted TRUNCATE."""

_CREATE_RECORD: LiteralString = """
    CREATE TABLE IF NOT EXISTS schema_migration (
        name       text CONSTRAINT schema_migration_pk PRIMARY KEY,
        digest     bytea NOT NULL,           -- SHA-256 of the file
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""
_GRANTED: LiteralString = """
    -- One row for each table of ours and each privilege the role has on it; privilege is NULL for a table without any.
    SELECT class.relname, granted.privilege_type
      FROM pg_class class
      LEFT JOIN LATERAL (
               SELECT item.privilege_type FROM aclexplode(class.relacl) item
                WHERE item.grantee = (SELECT oid FROM pg_roles WHERE rolname = %(role)s)
           ) granted ON true
     WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'p')
     ORDER BY class.relname
"""


class MigrationChanged(RuntimeError):
    """A migration that was applied reads differently now."""


class NoSuchRole(RuntimeError):
    """The lesser role does not exist in the database."""


@dataclass(frozen=True, slots=True)
class Migration:
    """`name` is the file's, without its folder."""

    name: str
    text: str

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()


def packaged_migrations() -> tuple[Migration, ...]:
    """The migrations of this release, in order."""
    folder = resources.files("mpss.db") / "migrations"
    files = sorted((file for file in folder.iterdir() if _FILE_NAME.fullmatch(file.name)), key=lambda file: file.name)
    return tuple(Migration(file.name, file.read_text(encoding="utf-8")) for file in files)


async def migrate(owner_url: str, *, run_role: str, migrations: tuple[Migration, ...] | None = None) -> tuple[str, ...]:
    """Bring the database up to this release; the names of the migrations applied now, none when it is up to date.

    A migration in the database that this release does not know is left alone: the next release was here, and this one
    must run on its schema. Where `run_role` is the owner itself, as with a database of one role, nothing is granted:
    the triggers alone protect the books.

    Raises:
        MigrationChanged: an applied migration was edited.
        NoSuchRole: `run_role` is not there.
        psycopg.errors.LockNotAvailable: a lock was not had in time; whatever was applied before stays.
    """
    wanted = packaged_migrations() if migrations is None else migrations
    connection = await psycopg.AsyncConnection.connect(owner_url, autocommit=True)
    async with connection:
        await connection.execute("SET client_min_messages = warning")
        await _set_lock_timeout(connection, WAIT_TIMEOUT_MILLISECONDS)
        await connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        await _set_lock_timeout(connection, LOCK_TIMEOUT_MILLISECONDS)
        await connection.execute(_CREATE_RECORD)
        applied = [migration.name for migration in wanted if await _apply(connection, migration)]
        await _grant(connection, run_role)
    return tuple(applied)


def role_of(url: str) -> str:
    """The role that a database URL connects as."""
    return str(conninfo_to_dict(url).get("user") or "")


async def _apply(connection: psycopg.AsyncConnection, migration: Migration) -> bool:
    cursor = await connection.execute("SELECT digest FROM schema_migration WHERE name = %s", [migration.name])
    recorded = await cursor.fetchone()
    if recorded is not None:
        if bytes(recorded[0]) != migration.digest:
            raise MigrationChanged(f"{migration.name} was applied with another text; add a new migration instead")
        return False
    async with connection.transaction():
        await connection.execute(migration.text)
        await connection.execute(
            "INSERT INTO schema_migration (name, digest) VALUES (%s, %s)", [migration.name, migration.digest]
        )
    return True


async def _grant(connection: psycopg.AsyncConnection, role: str) -> None:
    cursor = await connection.execute(
        "SELECT current_user = %(role)s, to_regrole(quote_ident(%(role)s)) IS NOT NULL", {"role": role}
    )
    found = await cursor.fetchone()
    assert found is not None
    is_owner, exists = found
    if not exists:
        raise NoSuchRole(f"there is no role {role!r}; make it with CREATE ROLE … LOGIN, without CREATEDB or SUPERUSER")
    if is_owner:
        return
    granted: dict[str, set[str]] = {}
    rows = await (await connection.execute(_GRANTED, {"role": role})).fetchall()
    for table, privilege in rows:
        granted.setdefault(table, set()).update({privilege} if privilege else ())
    grantee = sql.Identifier(role)
    async with connection.transaction():
        await connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(grantee))
        await connection.execute(sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}").format(grantee))
        for table, has in granted.items():
            wanted = GRANTS.get(table, CHANGE)
            if has == wanted:
                continue
            privileges = sql.SQL(", ".join(sorted(wanted)))
            parts = {"table": sql.Identifier(table), "role": grantee, "privileges": privileges}
            await connection.execute(sql.SQL("REVOKE ALL ON {table} FROM {role}").format(**parts))
            await connection.execute(sql.SQL("GRANT {privileges} ON {table} TO {role}").format(**parts))


async def _set_lock_timeout(connection: psycopg.AsyncConnection, milliseconds: int) -> None:
    await connection.execute("SELECT set_config('lock_timeout', %s, false)", [str(milliseconds)])

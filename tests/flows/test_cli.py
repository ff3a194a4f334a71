"""The operator's command line: migrate, verify, staff, keys, backup, restore, serve, reference, and its mistakes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from mpss.adapters.key_store_file import KEY_NAMES
from mpss.cli.processes import free_port
from mpss.db.embedded import ADMIN_ROLE, EmbeddedPostgres
from mpss.simulators.center_api import CenterApi
from mpss.simulators.people import PASSWORD
from tests.support.center import Center, refusal
from tests.support.clauses import clause
from tests.support.postgres import DatabaseUrls, PostgresForTests, data_folder
from tests.support.programs import Program, run

shared = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center")]


def variables(center: Center) -> dict[str, str]:
    """What names the running center to a command."""
    return {
        "MPSS_DATABASE_URL": center.settings.database_url,
        "MPSS_OWNER_DATABASE_URL": center.settings.owner_database_url,
        "MPSS_DATA_DIR": str(center.settings.data_dir),
    }


async def mpss(center: Center, *arguments: str) -> str:
    """Run a command on the running center; what it printed."""
    done = await asyncio.to_thread(lambda: run(*arguments, **variables(center)))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestHelp:
    def test_names_every_command(self) -> None:
        done = run("--help")
        assert done.returncode == 0
        commands = (
            "demo",
            "serve",
            "migrate",
            "simulate",
            "replay",
            "bench",
            "verify",
            "reference",
            "backup",
            "restore",
        )
        assert [name for name in (*commands, "staff", "keys") if f" {name} " not in done.stdout] == []

    def test_of_a_topic_is_printed_by_reference(self) -> None:
        done = run("reference", "settings")
        assert (done.returncode, done.stderr) == (0, "")
        assert "MPSS_DATABASE_URL" in done.stdout


class TestAMistake:
    def test_in_a_setting_is_told_by_the_variables_name(self, tmp_path: Path) -> None:
        done = run("serve", "--data", str(tmp_path), MPSS_PORT="eighty")
        assert (done.returncode, done.stderr) == (2, "mpss: MPSS_PORT must be a whole number from 0 up\n")

    def test_in_the_databases_address_is_told(self, tmp_path: Path) -> None:
        done = run(
            "verify", "--data", str(tmp_path), MPSS_DATABASE_URL=f"postgresql://nobody@127.0.0.1:{free_port()}/x"
        )
        assert done.returncode == 2
        assert "connection refused" in done.stderr.lower()
        assert "Traceback" not in done.stderr

    def test_of_serving_what_is_not_migrated_is_told(self, tmp_path: Path, empty_database_urls: DatabaseUrls) -> None:
        done = run("serve", "--data", str(tmp_path), MPSS_DATABASE_URL=empty_database_urls.run_url)
        assert (done.returncode, "run `mpss migrate`" in done.stderr) == (2, True)

    def test_in_a_permission_or_a_key_is_told(self, tmp_path: Path, database_urls: DatabaseUrls) -> None:
        place = {"MPSS_DATABASE_URL": database_urls.run_url, "MPSS_DATA_DIR": str(tmp_path)}
        staff = run("staff", "add", "Zhang", "--permissions", "everything", **place)
        assert (staff.returncode, "cash_topup" in staff.stderr) == (2, True)
        key = run("keys", "rotate", "everything", **place)
        assert (key.returncode, "everything" in key.stderr) == (2, True)


class TestMigrate:
    def test_does_it_once(self, tmp_path: Path, empty_database_urls: DatabaseUrls) -> None:
        place = {
            "MPSS_DATABASE_URL": empty_database_urls.run_url,
            "MPSS_OWNER_DATABASE_URL": empty_database_urls.owner_url,
            "MPSS_DATA_DIR": str(tmp_path),
        }
        first, second = run("migrate", **place), run("migrate", **place)
        assert (first.returncode, second.returncode) == (0, 0)
        assert "applied 0001_ledger.sql" in first.stdout
        assert "up to date" in second.stdout
        verified = run("verify", "--json", **place)
        assert verified.returncode == 0
        assert {check["breaches"] for check in json.loads(verified.stdout)} == {0}


class TestADatabaseOfOneRole:
    def test_serves_the_whole_story(self, empty_database_urls: DatabaseUrls) -> None:
        with data_folder() as folder:
            done = run("demo", "--once", "--data", str(folder), MPSS_DATABASE_URL=empty_database_urls.owner_url)
            assert done.returncode == 0, done.stdout + done.stderr
            assert not (folder / "postgres.json").exists()


@contextmanager
def tampered(postgres: PostgresForTests, database_url: str) -> Iterator[None]:
    """Somebody who owns the machine changes an amount behind the triggers, and changes it back."""
    admin = postgres.server.url(ADMIN_ROLE, str(conninfo_to_dict(database_url)["dbname"]))
    change = sql.SQL(
        "UPDATE posting SET amount_fen = amount_fen {} 1"
        " WHERE line = 1 AND entry_id = (SELECT id FROM journal_entry ORDER BY id LIMIT 1)"
    )
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(change.format(sql.SQL("+"))).rowcount == 1
        try:
            yield
        finally:
            connection.execute(change.format(sql.SQL("-")))


class TestOnARunningCenter:
    pytestmark = shared

    @clause("CT 10.3")
    async def test_verify_exits_1_on_a_breach(self, shared_center: Center, postgres: PostgresForTests) -> None:
        await shared_center.subscriber(fen=100)
        assert "0.00" in await mpss(shared_center, "verify")
        with tampered(postgres, shared_center.settings.database_url):
            broken = await asyncio.to_thread(lambda: run("verify", "--json", **variables(shared_center)))
        assert broken.returncode == 1
        breaches = {check["name"] for check in json.loads(broken.stdout) if check["breaches"]}
        assert {"every entry sums to zero", "the trial balance is zero"} <= breaches
        await shared_center.assert_sound()

    @clause("CT 9.1.1")
    async def test_staff_add_prints_a_key_that_works_at_once(self, shared_center: Center) -> None:
        added = await mpss(shared_center, "staff", "add", "Zhang Wei", "--permissions", "ledger_view, account_view")
        zhang = shared_center.api.as_caller(token=added.strip())
        assert (await zhang.get("/v1/staff/trial-balance"))["difference_fen"] == 0
        body = {"phone": "+8618922220001", "amount_fen": 1, "currency": "CNY"}
        assert await refusal(zhang.post("/v1/topups/cash", body)) == "forbidden"

    @clause("CT 12.1")
    async def test_keys_rotate_while_old_passwords_cards_and_sessions_stay_good(self, shared_center: Center) -> None:
        cards, _ = await shared_center.counter.sell_vouchers(1_000, quantity=2)
        before = await shared_center.subscriber("Before", fen=1_000)
        said = await asyncio.gather(*(mpss(shared_center, "keys", "rotate", name) for name in KEY_NAMES))
        assert said == [f"{name} is at version 2.\n" for name in KEY_NAMES]
        after = await shared_center.subscriber("After", fen=1_000)
        for person, card in ((before, cards[0]), (after, cards[1])):
            assert (await person.pay(shared_center.kiosk, 100))["state"] == "SUCCEEDED"
            topped_up = await person.api.post("/v1/topups/voucher", {"voucher_password": card})
            assert topped_up["state"] == "SUCCEEDED"
            await person.sign_in()
        more, _ = await shared_center.counter.sell_vouchers(1_000, quantity=1)
        assert (await before.api.post("/v1/topups/voucher", {"voucher_password": more[0]}))["state"] == "SUCCEEDED"
        rows = await shared_center.dicts(
            "SELECT password_key FROM account WHERE phone = ANY(%(phones)s) ORDER BY opened_at",
            phones=[before.phone, after.phone],
        )
        assert [row["password_key"] for row in rows] == [1, 2]

    @clause("CT 10.3")
    async def test_a_backup_made_meanwhile_is_restored_and_served(self, shared_center: Center, tmp_path: Path) -> None:
        li = await shared_center.subscriber(fen=5_000)
        paid = await li.pay(shared_center.kiosk, 1_000, key="before-the-backup")
        await shared_center.all_sent()
        target = tmp_path / "mpss.tar"
        assert "rows of" in await mpss(shared_center, "backup", str(target))
        assert target.stat().st_mode & 0o777 == 0o600
        again = await asyncio.to_thread(lambda: run("backup", str(target), **variables(shared_center)))
        assert (again.returncode, "is there already" in again.stderr) == (2, True)
        with data_folder() as fresh:
            restored = await asyncio.to_thread(lambda: run("restore", str(target), "--data", str(fresh)))
            assert restored.returncode == 0, restored.stderr
            twice = await asyncio.to_thread(lambda: run("restore", str(target), "--data", str(fresh)))
            assert (twice.returncode, "has tables already" in twice.stderr) == (2, True)
            verified = await asyncio.to_thread(lambda: run("verify", "--data", str(fresh)))
            assert verified.returncode == 0, verified.stdout
            port = free_port()
            elsewhere = {"MPSS_PORT": str(port), "MPSS_SMSC_PORT": str(free_port())}
            with Program("serve", "--data", str(fresh), output=tmp_path / "serve.log", **elsewhere) as served:
                url = f"http://127.0.0.1:{port}"
                await asyncio.to_thread(served.wait_ready, url)
                async with CenterApi(url, li.api.token) as api:
                    assert (await api.get("/v1/account"))["balance_fen"] == 4_000
                    body = {
                        "merchant_id": paid["merchant_id"],
                        "amount_fen": 1_000,
                        "currency": "CNY",
                        "payment_password": PASSWORD,
                    }
                    assert await api.post("/v1/purchases", body, key="before-the-backup") == paid
                    assert (await api.post("/v1/purchases", body))["state"] == "SUCCEEDED"
                served.terminate()
                assert await asyncio.to_thread(served.wait) == 0
            assert not EmbeddedPostgres(fresh).is_running()
        assert (await li.account())["balance_fen"] == 4_000


class TestSimulate:
    def test_runs_the_town_until_it_is_told_to_stop(self, tmp_path: Path) -> None:
        with Program("simulate", "--data", str(tmp_path), "--shop", "kiosk", output=tmp_path / "town.log") as town:
            town.wait_for("}\n")
            addresses = json.loads(town.said())
            assert httpx.get(f"{addresses['handsets']}/handsets", trust_env=False).json() == {"handsets": []}
            assert re.search("kiosk", httpx.get(addresses["shops"]["kiosk"], trust_env=False).text)
            town.terminate()
            assert town.wait() == 0

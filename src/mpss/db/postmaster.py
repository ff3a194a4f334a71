"""One PostgreSQL cluster as a process: initdb, start, wait for recovery, stop, kill.

1. At most one server works on a cluster: processes that a killed postmaster left behind are waited for.
2. A postmaster.pid whose number another program has taken since does not keep the server from starting.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mpss.db.service_user import ServiceUser

_PROC = Path("/proc")
_HAS_PROC = (_PROC / "self" / "cmdline").exists()
_LOG_LIMIT = 16 * 1024 * 1024
_STATUS_LINE = 7  # of postmaster.pid


class PostmasterError(RuntimeError):
    """PostgreSQL could not be set up, started or stopped; the message ends with its log's last lines."""


class PortTaken(PostmasterError):
    """Somebody else listens on the port."""


class Postmaster:
    """The server of the cluster in `folder`, run by `user` from the programs in `bin_dir`; it logs to `log_file`."""

    def __init__(self, folder: Path, *, bin_dir: Path, user: ServiceUser, log_file: Path) -> None:
        self.folder = folder
        self.socket_dir = folder / "socket"  # this server's alone
        self._bin_dir = bin_dir
        self._user = user
        self._log_file = log_file
        self._child: subprocess.Popen[bytes] | None = None
        # Every process of the server carries this name in its title, by which it is known after the postmaster's death.
        self.name = f"mpss-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"

    def exists(self) -> bool:
        return (self.folder / "PG_VERSION").exists()

    def initialize(self, *, admin: str, password: str, options: Sequence[str], timeout_seconds: float) -> None:
        """Make the cluster, whole or not at all. `admin` is its superuser."""
        half_done = self.folder.with_name(f"{self.folder.name}.new")
        if half_done.exists():
            shutil.rmtree(half_done)
        self._user.make_private(half_done)
        with tempfile.NamedTemporaryFile("w", prefix="mpss-") as file:
            file.write(password)
            file.flush()
            self._user.own(Path(file.name))
            command = [
                str(self._bin_dir / "initdb"),
                "-D",
                str(half_done),
                "-U",
                admin,
                f"--pwfile={file.name}",
                *options,
            ]
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                timeout=timeout_seconds, **self._as_user(),
            )  # fmt: skip
        if done.returncode != 0:
            raise PostmasterError(f"initdb failed: {done.stdout.decode(errors='replace')[-2000:]}")
        half_done.rename(self.folder)

    def write_settings(self, settings: Mapping[str, str], access: str) -> None:
        """Replace postgresql.conf and pg_hba.conf; they hold from the next start."""
        quoted = {name: value.replace("'", "''") for name, value in settings.items()}
        text = "".join(f"{name} = '{value}'\n" for name, value in quoted.items())
        for name, content in (("postgresql.conf", text), ("pg_hba.conf", access)):
            path = self.folder / name
            path.write_text(content)
            path.chmod(0o600)
            self._user.own(path)

    def start(self, *, timeout_seconds: float) -> None:
        """Start the server and wait until it accepts connections, recovery included.

        Raises:
            PortTaken: another program listens on the port.
            PostmasterError: it ended, or is not ready in time.
        """
        deadline = time.monotonic() + timeout_seconds
        self._wait_for_leftovers(deadline)
        if self._log_file.exists() and self._log_file.stat().st_size > _LOG_LIMIT:
            self._log_file.replace(self._log_file.with_name(f"{self._log_file.name}.1"))
        while True:
            began = self._log_file.stat().st_size if self._log_file.exists() else 0
            with self._log_file.open("ab") as log:
                # A session of its own: Ctrl-C in the terminal is for us, and we stop the server after our own work.
                self._child = subprocess.Popen(
                    [self._bin_dir / "postgres", "-D", self.folder], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, **self._as_user(),
                )  # fmt: skip
            try:
                self.wait_until_ready(timeout_seconds=deadline - time.monotonic())
                return
            except PostmasterError:
                self.stop(timeout_seconds=timeout_seconds)
                said = self._log_file.read_bytes()[began:].decode(errors="replace")
                if "could not bind" in said or "TCP/IP socket" in said:
                    raise PortTaken(said) from None
                if "shared memory block" not in said or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)  # a process of the killed server is about to end

    def wait_until_ready(self, *, timeout_seconds: float) -> None:
        """
        Raises:
            PostmasterError: the server ended, or is not ready in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            lines = self._pid_lines()
            ours = self._child is None or lines[:1] == [str(self._child.pid)]
            if ours and lines[_STATUS_LINE:] and lines[_STATUS_LINE].strip() == "ready":
                return
            if self._child is not None and self._child.poll() is not None:
                raise PostmasterError(f"PostgreSQL ended at its start: {self._log_tail()}")
            if self._child is None and self.pid() is None:
                raise PostmasterError(f"PostgreSQL ended while it was waited for: {self._log_tail()}")
            time.sleep(0.01)
        raise PostmasterError(f"PostgreSQL is not ready in time: {self._log_tail()}")

    def stop(self, *, timeout_seconds: float) -> None:
        """Stop the server, ours or not, ending its sessions. Does nothing where none runs.

        Raises:
            PostmasterError: it does not even end by SIGKILL.
        """
        pid = self.pid()
        if pid is None:
            return
        for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, no choice
            _signal(pid, how)
            if self._wait_until_gone(pid, timeout_seconds):
                return
        raise PostmasterError(f"PostgreSQL (process {pid}) does not stop: {self._log_tail()}")

    def kill(self) -> None:
        """SIGKILL the server and each of its processes at once, as a power cut would."""
        pid = self.pid()
        if pid is None:
            return
        for victim in (pid, *self._leftovers()):
            _signal(victim, signal.SIGKILL)
        self._wait_until_gone(pid, 30.0)

    def pid(self) -> int | None:
        """The running postmaster's process id, or None. A number that another program took since does not count."""
        number = (self._pid_lines() or [""])[0]
        if self._child is not None:
            if self._child.poll() is None:
                return self._child.pid
            self._child = None
        if not number.isdigit() or not _alive(int(number)):
            return None
        return int(number) if self._is_ours(int(number)) else None

    def _is_ours(self, pid: int) -> bool:
        return not _HAS_PROC or os.fsencode(self.folder) in _command_line(pid).split(b"\0")

    def _leftovers(self) -> list[int]:
        """Processes of this cluster other than the postmaster, by their titles."""
        return [pid for pid, line in _processes() if line.startswith(f"postgres: {self.name}: ".encode())]

    def _wait_for_leftovers(self, deadline: float) -> None:
        while self._leftovers():
            if time.monotonic() > deadline:
                raise PostmasterError(f"processes of an earlier server still work on {self.folder}")
            time.sleep(0.02)
        if self.pid() is None and _HAS_PROC:
            # A number that another program took, or a dead server's that nobody reaped: PostgreSQL would refuse to
            # start. Nobody of ours is left, as we have just seen.
            for lock in (self.folder / "postmaster.pid", *self.socket_dir.glob(".s.PGSQL.*")):
                lock.unlink(missing_ok=True)

    def _wait_until_gone(self, pid: int, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self._child is not None and self._child.pid == pid:
                gone = self._child.poll() is not None
            else:
                gone = not _alive(pid)
            if gone:
                self._child = None
                return True
            time.sleep(0.01)
        return False

    def _pid_lines(self) -> list[str]:
        try:
            return (self.folder / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _log_tail(self) -> str:
        return self._log_file.read_bytes()[-2000:].decode(errors="replace") if self._log_file.exists() else ""

    def _as_user(self) -> dict[str, Any]:
        # PGDATA, PGPORT and the like of the caller's would speak of another server.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        found: dict[str, Any] = {"cwd": "/", "env": environment | {"LC_ALL": "C"}}
        if self._user.uid is not None:
            found |= {"user": self._user.uid, "group": self._user.gid, "extra_groups": []}
        return found


def _processes() -> Iterator[tuple[int, bytes]]:
    if _HAS_PROC:
        for entry in _PROC.iterdir():
            if entry.name.isdigit():
                yield int(entry.name), _command_line(int(entry.name))


def _command_line(pid: int) -> bytes:
    """Arguments between zero bytes; empty for a process that is gone or waits to be reaped."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _HAS_PROC or _command_line(pid) != b""


def _signal(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return

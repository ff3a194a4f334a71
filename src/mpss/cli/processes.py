"""Child processes of a command: started, watched, stopped by process id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

_FOLLOW_SECONDS = 0.5


class ProcessEnded(RuntimeError):
    """A process ended that should be running."""


class Child:
    """One process, its output in a log file (or handed through)."""

    def __init__(
        self, name: str, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None,
        log: Path | None = None, read_output: bool = False,
    ) -> None:  # fmt: skip
        self.name = name
        self.log = log
        output: IO[bytes] | None = log.open("ab") if log is not None else None
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if read_output else output,
            stderr=output,
            start_new_session=True,
        )
        if output is not None:
            output.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def first_line(self) -> str:
        """The first line it prints; only with `read_output`.

        Raises:
            ProcessEnded: it ended without printing one.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        if not line:
            raise ProcessEnded(self._obituary())
        return line

    def check(self) -> None:
        """
        Raises:
            ProcessEnded: it is not running any more.
        """
        if self._process.poll() is not None:
            raise ProcessEnded(self._obituary())

    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, to it and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self, *, timeout_seconds: float = 15.0) -> None:
        """SIGTERM, and SIGKILL when it takes too long."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _obituary(self) -> str:
        tail = ""
        if self.log is not None and self.log.exists():
            tail = "\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        return f"{self.name} ended with {self._process.poll()}; its log is {self.log}{tail}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def follow(pid: int) -> None:
    """End when our parent, process `pid`, does, however it ends: SIGTERM to ourselves, seen to within a second.

    A parent that is killed can stop nobody; without this its children would stay, with the port it needs anew.
    """

    def watch() -> None:
        while os.getppid() == pid:
            time.sleep(_FOLLOW_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="follow-parent", daemon=True).start()


def wait_ready(url: str, *, children: Sequence[Child], timeout_seconds: float = 60.0) -> None:
    """Wait until `url` answers 200.

    Raises:
        ProcessEnded: one of `children` ended meanwhile.
        TimeoutError: it did not in time.
    """
    give_up_at = time.monotonic() + timeout_seconds
    while True:
        for child in children:
            child.check()
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2.0, trust_env=False).status_code == 200:
                return
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{url} was not ready in {timeout_seconds:g} s")
        time.sleep(0.1)


def free_port(preferred: int = 0) -> int:
    """`preferred` where it is free on the loopback, else a port that is."""
    for candidate in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", candidate))
                port: int = probe.getsockname()[1]
                return port
    raise OSError("no free port on the loopback")

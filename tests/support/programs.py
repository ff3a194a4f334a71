"""`mpss` as a program: run to its end, or started, watched and signaled; and the processes of a tree."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

_TIMEOUT_SECONDS = 240.0
_COLUMNS = "200"
_WARM = multiprocessing.get_context("forkserver")


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `mpss` to its end, with these MPSS_* variables and no others.

    In a process of its own, forked from one that has read the program already: reading it takes longer than most
    commands do.
    """
    os.environ["COLUMNS"] = _COLUMNS  # For the server of forks, where the program's console is made.
    _WARM.set_forkserver_preload(["mpss.cli.main"])
    with tempfile.TemporaryDirectory() as folder:
        outputs = (Path(folder, "out"), Path(folder, "err"))
        process = _WARM.Process(target=_be_mpss, args=(arguments, environment(variables), outputs))
        process.start()
        process.join(_TIMEOUT_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(["mpss", *arguments], _TIMEOUT_SECONDS)
        out, err = (output.read_text() for output in outputs)
    return subprocess.CompletedProcess(["mpss", *arguments], process.exitcode, out, err)


def _be_mpss(arguments: Sequence[str], variables: Mapping[str, str], outputs: tuple[Path, Path]) -> None:
    """In the child: take the place of `mpss` started with these arguments and this environment."""
    from mpss.cli.main import main

    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["mpss", *arguments]
    for stream, output in zip((sys.stdout, sys.stderr), outputs, strict=True):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT), stream.fileno())
    main()


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Ours, without our MPSS_* variables, on a wide terminal."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MPSS_")}
    return {**kept, "COLUMNS": _COLUMNS, **variables}


class Program:
    """`mpss` running; what it prints is in `output`. Stopped with all it started at the end of a `with` block."""

    def __init__(self, *arguments: str, output: Path, **variables: str) -> None:
        self.output = output
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mpss", *arguments],
                env=environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str, *, seconds: float = 120.0) -> None:
        """Wait until it has printed `text`; fail where it ends before."""

        def printed() -> bool:
            assert text in self.said() or self._process.poll() is None, self.said()
            return text in self.said()

        wait_until(printed, seconds=seconds)

    def wait_ready(self, url: str, *, seconds: float = 90.0) -> None:
        """Wait until the center at `url` serves."""

        def ready() -> bool:
            assert self._process.poll() is None, self.said()
            try:
                return httpx.get(f"{url}/readyz", trust_env=False, timeout=2).status_code == 200
            except httpx.HTTPError:
                return False

        wait_until(ready, seconds=seconds)

    def terminate(self) -> None:
        self._process.terminate()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, *, seconds: float = 60.0) -> int:
        """Its exit code."""
        return self._process.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            started = descendants(self.pid)
            self._process.kill()
            self._process.wait()
            for pid in started:
                kill(pid)


def wait_until(check: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Return as soon as `check` is true; fail when it is not within `seconds`."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def kill(pid: int) -> None:
    """SIGKILL; nothing where the process is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def descendants(pid: int) -> dict[int, str]:
    """The processes that a process started, and theirs: their command lines by process id, parents first."""
    found: dict[int, str] = {}
    for process in psutil.Process(pid).children(recursive=True):
        try:
            found[process.pid] = " ".join(process.cmdline())
        except psutil.Error:  # It ended meanwhile.
            continue
    return found


def alive(pid: int) -> bool:
    """Whether the process is there, and does not merely wait to be reaped."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

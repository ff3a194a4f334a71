"""Payment files in folders, as a bank's file transfer serves them on our side.

    <root>/<bank>/orders            we place files here; the bank takes them
    <root>/<bank>/answers           the bank places files here
    <root>/<bank>/answers-read      what was read
    <root>/<bank>/answers-refused   what was refused, kept for an operator

A file appears whole under its name: it is written beside it, synced, then renamed. Names that begin with a dot are
passed over, as are links and folders.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mpss.kernel.unit_flag import refuse_inside_unit_of_work
from mpss.observability import OUTSIDE_CALLS, OUTSIDE_SECONDS
from mpss.ports.payment_files import AnswerFile, NotPlaced

T = TypeVar("T")

LARGEST_BYTES = 64 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}", re.ASCII)


class PaymentFolders:
    """The `PaymentFilesPort` over folders."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def place(self, bank: str, name: str, content: bytes) -> None:
        """As `PaymentFilesPort.place` says."""
        await self._call(bank, "place", lambda: write_whole(self._folder(bank, "orders") / _checked(name), content))

    async def answers(self, bank: str, *, limit: int) -> Sequence[AnswerFile]:
        """As `PaymentFilesPort.answers` says; of a file above the largest size only its beginning is read."""
        return await self._call(bank, "answers", lambda: self._answers(bank, limit))

    async def put_away(self, bank: str, name: str, *, refused: bool) -> None:
        """As `PaymentFilesPort.put_away` says."""
        await self._call(bank, "put_away", lambda: self._put_away(bank, _checked(name), refused=refused))

    def _answers(self, bank: str, limit: int) -> Sequence[AnswerFile]:
        folder = self._folder(bank, "answers")
        found = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and not path.is_symlink())
        files = []
        for path in [path for path in found if path.is_file()][:limit]:
            with path.open("rb") as file:
                files.append(AnswerFile(path.name, file.read(LARGEST_BYTES + 1)))
        return files

    def _put_away(self, bank: str, name: str, *, refused: bool) -> None:
        source = self._folder(bank, "answers") / name
        target = self._folder(bank, "answers-refused" if refused else "answers-read") / name
        number = 1
        while target.exists():  # The bank used the name before; neither file is lost.
            target = target.with_name(f"{name}.{number}")
            number += 1
        if source.exists():
            source.rename(target)

    def _folder(self, bank: str, name: str) -> Path:
        folder = self._root / _checked(bank) / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    async def _call(self, bank: str, operation: str, action: Callable[[], T]) -> T:
        refuse_inside_unit_of_work()
        counterpart, begun, outcome = f"payment_files:{bank}", time.monotonic(), "in_doubt"
        try:
            done = await asyncio.to_thread(action)
            outcome = "approved"
        except OSError as problem:
            raise NotPlaced(str(problem)) from problem
        finally:
            OUTSIDE_CALLS.labels(counterpart, operation, outcome).inc()
            OUTSIDE_SECONDS.labels(counterpart, operation).observe(time.monotonic() - begun)
        return done


def write_whole(path: Path, content: bytes) -> None:
    """Put a file under its name, whole and on the disk, or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise NotPlaced(f"{name!r} is no name of a file or a bank")
    return name
